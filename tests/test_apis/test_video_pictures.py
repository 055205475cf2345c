# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""How frames are to be shown: turned, mirrored, in their true shape."""

import os
from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image

from rpstn_mmpose.apis import open_source
from tests.real_data import require_case

from .containers import av, picture, write

# Corners of a frame, clockwise from the top left one, BGR.
CORNERS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 200)]
ONE = 1 << 16


def corners(width=96, height=64):
    image = np.full((height, width, 3), 100, np.uint8)
    for number, color in enumerate(CORNERS):
        part = image[
            slice(0, 24) if number < 2 else slice(-24, None),
            slice(0, 32) if number in (0, 3) else slice(-32, None),
        ]
        part[:] = color
    return image


def seen(image):
    """Numbers of the colours in the corners, clockwise."""
    points = [image[8, 8], image[8, -8], image[-8, -8], image[-8, 8]]
    return [
        int(np.abs(np.array(CORNERS) - point.astype(int)).sum(1).argmin())
        for point in points
    ]


def display(a, b, c, d):
    """A container's matrix of nine numbers."""
    return [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30]


# Where the corner that is stored first is seen, and those after it: a matrix
# maps the stored (x, y) to (a x + c y, b x + d y).
@pytest.mark.parametrize(
    'matrix, expected',
    [
        ((1, 0, 0, 1), [0, 1, 2, 3]),
        # Portrait, as phones write it: x goes down, y to the left.
        ((0, 1, -1, 0), [3, 0, 1, 2]),
        ((0, -1, 1, 0), [1, 2, 3, 0]),
        ((-1, 0, 0, -1), [2, 3, 0, 1]),
        # Mirrored, as front cameras do.
        ((-1, 0, 0, 1), [1, 0, 3, 2]),
        ((1, 0, 0, -1), [3, 2, 1, 0]),
        # Mirrored and in portrait.
        ((0, 1, 1, 0), [0, 3, 2, 1]),
        ((0, -1, -1, 0), [2, 1, 0, 3]),
    ],
)
@pytest.mark.parametrize('ending', ['mp4', 'mov', 'mkv'])
def test_turned_and_mirrored(tmp_path, ending, matrix, expected):
    path = write(
        tmp_path / f'a.{ending}',
        images=[corners()] * 2,
        prepare=lambda s: s.set_display_matrix(display(*matrix)),
    )
    source = open_source(path)
    frames = list(source)
    assert len(frames) == 2
    assert seen(frames[0].image) == expected
    upright = (96, 64) if matrix[0] else (64, 96)
    assert source.size == upright
    assert frames[0].image.shape[1::-1] == upright


def test_a_turn_by_another_angle_is_the_nearest_quarter(tmp_path):
    for degrees, expected in ((80, (64, 96)), (-10, (96, 64))):
        path = write(
            tmp_path / 'a.mp4',
            images=[corners()],
            prepare=lambda s, d=degrees: s.set_display_rotation(d),
        )
        assert next(iter(open_source(path))).image.shape[1::-1] == expected


def test_dv_material():
    source = open_source(require_case('anamorphic') / 'dv.mp4')
    frames = list(source)
    assert len(frames) == 6 and source.size == (128, 96)
    assert {f.image.shape for f in frames} == {(96, 128, 3)}
    assert source.details == dict(sample_aspect_ratio='4:3')


SQUARE = [
    (Fraction(4, 3), False, (128, 64)),
    (Fraction(16, 11), False, (140, 64)),
    (Fraction(8, 9), False, (96, 72)),
    # The ratio is that of the stored pixels, which are turned then.
    (Fraction(4, 3), True, (64, 128)),
    (Fraction(1), False, (96, 64)),
    # A mistake.
    (Fraction(1, 200), False, (96, 64)),
]


@pytest.mark.parametrize(
    'ending, ratio, turned, size',
    [
        (ending, *case)
        for ending in ('mp4', 'mkv', 'ts')
        for case in SQUARE
        # MPEG-TS cannot tell that a picture is turned.
        if not (ending == 'ts' and case[1])
    ],
)
def test_pixels_are_made_square(tmp_path, ending, ratio, turned, size):
    def prepare(stream):
        stream.codec_context.sample_aspect_ratio = ratio
        if turned:
            stream.set_display_matrix(display(0, 1, -1, 0))

    path = write(
        tmp_path / f'a.{ending}', images=[corners()] * 12, prepare=prepare
    )
    source = open_source(path)
    frames = list(source)
    assert source.size == size
    assert seen(frames[2].image) == ([3, 0, 1, 2] if turned else [0, 1, 2, 3])


@pytest.mark.parametrize(
    'codec, pix_fmt, ending',
    [
        ('libx264', 'yuv420p10le', 'mp4'),
        ('libx265', 'yuv420p10le', 'mp4'),
        ('libx265', 'yuv422p12le', 'mkv'),
        ('ffv1', 'yuv444p16le', 'mkv'),
        ('ffv1', 'gray12le', 'mkv'),
        ('prores_ks', 'yuv422p10le', 'mov'),
    ],
)
def test_more_bits(tmp_path, codec, pix_fmt, ending):
    options = {'x265-params': 'log-level=none'} if codec == 'libx265' else {}
    path = write(
        tmp_path / f'a.{ending}', codec, 2, pix_fmt=pix_fmt, options=options
    )
    frames = list(open_source(path))
    assert len(frames) == 2 and not any(f.damaged for f in frames)
    for number, frame in enumerate(frames):
        # Two of 255 levels: not what a mistaken shift of bits would do.
        error = frame.image.astype(int) - picture(number)
        assert np.median(abs(error)) <= 2


def test_the_cover_is_not_the_video():
    source = open_source(require_case('cover_art') / 'with_cover.mp4')
    frames = list(source)
    assert (len(frames), source.size, source.fps) == (12, (128, 96), 25)
    assert source.num_frames == 12


def with_streams(path, *images, cover=(), file_format=None):
    """A file of several video streams, each of some frames of one image."""
    with av.open(str(path), 'w', format=file_format) as container:
        streams = []
        for number, image in enumerate(images):
            covers = number in cover
            stream = container.add_stream(
                'mjpeg' if covers else 'libx264', rate=25
            )
            stream.height, stream.width = image.shape[:2]
            stream.pix_fmt = 'yuvj420p' if covers else 'yuv420p'
            if covers:
                stream.disposition = av.stream.Disposition.attached_pic
            streams.append(stream)
        for number, (image, stream) in enumerate(zip(images, streams)):
            for place in range(1 if number in cover else 6):
                frame = av.VideoFrame.from_ndarray(image, 'bgr24')
                frame.pts = place
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize('ending', ['mp4', 'mkv'])
def test_which_stream_is_the_video(tmp_path, ending):
    art, film = corners(64, 64), corners(128, 96)
    path = with_streams(tmp_path / f'a.{ending}', film, art, cover=(1,))
    source = open_source(path)
    assert len(list(source)) == 6 and source.size == (128, 96)
    # A second camera, smaller: the default one counts.
    path = with_streams(tmp_path / f'b.{ending}', film, art)
    source = open_source(path)
    assert len(list(source)) == 6 and source.size == (128, 96)


def test_music_with_a_cover(tmp_path):
    path = with_streams(tmp_path / 'a.mp4', corners(), cover=(0,))
    with pytest.raises(ValueError, match='a.mp4 has no video stream, only a '):
        open_source(path)


def test_another_resolution_in_the_middle(tmp_path, caplog):
    """As broadcasts and calls do it; the first size stays."""
    parts = []
    for name, size in (('a', (96, 64)), ('b', (192, 128)), ('c', (64, 64))):
        path = write(
            tmp_path / f'{name}.ts',
            images=[corners(*size)] * 5,
            options={'g': '1', 'x264-params': 'bframes=0'},
        )
        parts.append(path.read_bytes())
    (tmp_path / 'all.ts').write_bytes(b''.join(parts))
    source = open_source(tmp_path / 'all.ts')
    frames = [f for f in source if not f.damaged]
    assert {f.image.shape for f in frames} == {(64, 96, 3)}
    assert len(frames) == 15
    assert [seen(frames[n].image) for n in (0, 7)] == [[0, 1, 2, 3]] * 2
    # Square in 3:2: black at both sides.
    last = frames[-1].image
    assert last[:, :15].max() < 8 and last[:, -15:].max() < 8
    assert seen(last[:, 16:-16]) == [0, 1, 2, 3]


def test_a_first_frame_that_is_damaged():
    path = require_case('video_first_frame_damaged')
    source = open_source(path / 'first_frame_damaged.mp4')
    frames = list(source)
    assert len(frames) == source.num_frames == 12
    assert [f.index for f in frames if f.damaged] == [0]
    assert source.size == (64, 48) and not frames[0].image.any()
    assert frames[0].image.shape == (48, 64, 3)
    np.testing.assert_allclose(
        [f.time for f in frames], np.arange(12) / 10, atol=1e-9
    )


@pytest.mark.parametrize('count', [1, 3, 12])
def test_the_first_frames_are_damaged(tmp_path, count):
    """Turned and stretched ones; if all are, there is no frame."""

    def prepare(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.set_display_matrix(display(0, 1, -1, 0))

    path = write(
        tmp_path / 'a.mp4',
        images=[corners()] * 12,
        options={'g': '1', 'x264-params': 'bframes=0'},
        prepare=prepare,
    )
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in list(container.demux(video=0))[:count]:
            end = packet.pos + packet.size
            data[packet.pos : end] = b'\xff' * packet.size
    path.write_bytes(data)
    source = open_source(path)
    frames = list(source)
    if count == 12:
        assert not [f for f in frames if not f.damaged] and not frames
        return
    assert [f.index for f in frames if f.damaged] == list(range(count))
    assert {f.image.shape for f in frames} == {(128, 64, 3)}
    assert [f.image.any() for f in frames] == [False] * count + [True] * (
        12 - count
    )


def pages(count, size=(32, 24)):
    return [Image.new('RGB', size, (10 * n, 200, 5 * n)) for n in range(count)]


@pytest.mark.parametrize('ending', ['tif', 'webp', 'png', 'gif'])
def test_several_pictures_in_one_file(tmp_path, ending):
    first, *others = pages(4)
    path = tmp_path / f'a.{ending}'
    lasting = {} if ending == 'tif' else dict(duration=[100, 300, 100, 100])
    first.save(
        path,
        save_all=True,
        append_images=others,
        **lasting,
        **(dict(lossless=True) if ending == 'webp' else {}),
    )
    source = open_source(path)
    frames = list(source)
    assert len(frames) == source.num_frames == 4
    assert source.size == (32, 24)
    for n, frame in enumerate(frames):
        np.testing.assert_allclose(
            frame.image[12, 16], (5 * n, 200, 10 * n), atol=2
        )
    times = [0, 0.04, 0.08, 0.12] if ending == 'tif' else [0, 0.1, 0.4, 0.5]
    np.testing.assert_allclose([f.time for f in frames], times, atol=1e-9)
    assert float(source.fps) == pytest.approx(25 if ending == 'tif' else 6)


def test_several_pictures_in_a_frame_of_a_folder(tmp_path):
    first, *others = pages(3)
    first.save(tmp_path / '0.png')
    first.save(tmp_path / '1.tif', save_all=True, append_images=others)
    frames = iter(open_source(tmp_path))
    next(frames)
    with pytest.raises(ValueError, match='1.tif holds 3 pictures; give it '):
        next(frames)


@pytest.mark.parametrize('kind', ['fifo', 'zero', 'folder', 'nowhere'])
def test_a_frame_that_is_no_file(tmp_path, kind):
    """Reading it would wait for ever, or fill the memory."""
    for name in ('0.jpg', '2.jpg'):
        cv2.imwrite(str(tmp_path / name), corners())
    path = tmp_path / '1.jpg'
    if kind == 'fifo':
        os.mkfifo(path)
    elif kind == 'folder':
        path.mkdir()
    else:
        path.symlink_to(dict(zero='/dev/zero', nowhere='/no/file')[kind])
    source = open_source(tmp_path)
    frames = list(source)
    assert [bool(f.damaged) for f in frames] == [False, True, False]
    if kind in ('fifo', 'zero'):
        assert frames[1].damaged == 'cannot be read (not a file)'
        for name in ('clip.mp4', 'clip.jpg'):
            other = tmp_path / 'single' / name
            other.parent.mkdir(exist_ok=True)
            other.symlink_to(path)
            with pytest.raises(ValueError, match='is no file but a pipe or'):
                open_source(other)


def test_a_codec_that_nobody_knows(tmp_path):
    """One line, in every container."""
    for ending, old, new in (
        ('mp4', b'avc1\0\0\0\0\0\0', b'zzzz\0\0\0\0\0\0'),
        ('mkv', b'V_MPEG4/ISO/AVC', b'V_UNKNOWN/XYZXY'),
        ('avi', b'H264', b'ZZZZ'),
    ):
        path = write(tmp_path / f'a.{ending}')
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new))
        with pytest.raises(ValueError) as info:
            open_source(path)
        assert f'a.{ending}: FFmpeg ' in str(info.value)
        assert 'has no decoder for its codec; convert' in str(info.value)
        assert '\n' not in str(info.value)
