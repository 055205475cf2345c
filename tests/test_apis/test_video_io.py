# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from fractions import Fraction

import cv2
import numpy as np
import pytest

from rpstn_mmpose.apis import open_source
from rpstn_mmpose.visualization import VideoWriter
from tests.real_data import require_real_data

from .tiny import texture, write_video

av = pytest.importorskip('av', reason='PyAV is not installed')


def count_with_opencv(path):
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    size = (
        int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
    )
    return count, size, capture.get(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize(
    'name',
    [
        'demo.mp4',
        'posetrack18/videos/000001_mpiinew_test/000001_mpiinew_test.mp4',
    ],
)
def test_real_videos(name):
    path = require_real_data(f'mmpose_samples/{name}')
    source = open_source(path)
    frames = list(source)
    count, size, fps = count_with_opencv(path)
    assert len(frames) == source.num_frames == count == 5
    assert source.size == size and float(source.fps) == fps
    assert not source.cut_off and not any(f.damaged for f in frames)
    capture = cv2.VideoCapture(str(path))
    for index, frame in enumerate(frames):
        assert frame.index == index
        # OpenCV converts the colours a little differently.
        other = capture.read()[1].astype(int)
        assert abs(other - frame.image).mean() < 3


def test_a_video_can_be_read_twice_and_left_early(tmp_path):
    source = open_source(write_video(tmp_path / 'a.mp4', 12))
    assert (source.name, source.fps, source.num_frames) == ('a', 12.5, 12)
    first = next(iter(source)).image
    again = [frame.image for frame in source]
    assert len(again) == 12 and np.array_equal(again[0], first)


def test_b_frames_come_in_order(tmp_path):
    """Grey levels that rise: packets are stored in another order."""
    with VideoWriter(tmp_path / 'a.mp4', crf=10) as video:
        for index in range(20):
            video.write(np.full((64, 96, 3), 10 + 10 * index, np.uint8))
    with av.open(str(tmp_path / 'a.mp4')) as container:
        pts = [p.pts for p in container.demux(video=0) if p.size]
    assert pts != sorted(pts)
    levels = [f.image.mean() for f in open_source(tmp_path / 'a.mp4')]
    np.testing.assert_allclose(levels, 10 + 10 * np.arange(20), atol=4)


def packets(path):
    with av.open(str(path)) as container:
        return [
            (p.pos, p.size, p.pts) for p in container.demux(video=0) if p.size
        ]


def test_a_damaged_packet_is_one_damaged_frame(tmp_path):
    """Independent frames, so that the damage does not spread."""
    path = tmp_path / 'a.avi'
    with av.open(str(path), mode='w') as container:
        stream = container.add_stream('mjpeg', rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, 'yuvj420p'
        for index in range(8):
            image = np.full((64, 96, 3), 30 * index, np.uint8)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(image, 'bgr24'))
            )
        container.mux(stream.encode())
    data = bytearray(path.read_bytes())
    position, size, _ = packets(path)[3]
    assert data[position : position + 2] == b'\xff\xd8'
    data[position : position + size] = bytes(size)
    path.write_bytes(data)
    frames = list(open_source(path))
    assert len(frames) == 8
    assert [f.index for f in frames if f.damaged] == [3]
    np.testing.assert_array_equal(frames[3].image, frames[2].image)
    np.testing.assert_allclose(frames[4].image.mean(), 120, atol=3)


def test_h264_packet_that_cannot_be_decoded(tmp_path):
    path = write_video(tmp_path / 'a.mp4', 40)
    data = bytearray(path.read_bytes())
    position, size, _ = packets(path)[10]
    data[position : position + size] = b'\xff' * size
    path.write_bytes(data)
    source = open_source(path)
    frames = list(source)
    assert len(frames) == 40 and not source.cut_off
    damaged = [f.index for f in frames if f.damaged]
    assert 1 <= len(damaged) < 20


def test_a_cut_off_video(tmp_path):
    """The index is at the front, so that the first part can be read."""
    path = write_video(tmp_path / 'a.mp4', 60)
    data = path.read_bytes()
    path.write_bytes(data[: packets(path)[30][0] + 20])
    source = open_source(path)
    good = [f for f in source if not f.damaged]
    assert source.cut_off and source.num_frames == 60
    assert 20 <= len(good) <= 31
    assert [f.index for f in good[:20]] == list(range(20))
    # Cut off before the index, nothing can be read.
    path.write_bytes(data[:30])
    with pytest.raises(ValueError, match='a.mp4 is not a video, or its index'):
        open_source(path)


def write_images(folder, names):
    folder.mkdir()
    for level, name in enumerate(names):
        cv2.imwrite(
            str(folder / name), np.full((48, 64, 3), 20 * level, np.uint8)
        )
    return folder


def test_folders_patterns_and_lists(tmp_path):
    names = ['f1.png', 'f2.png', 'f9.png', 'f10.png']
    folder = write_images(tmp_path / 'clip', names)
    (folder / 'notes.txt').write_text('no frame')
    levels = [0, 20, 40, 60]
    for inputs, name in (
        (folder, 'clip'),
        (str(folder / 'f*.png'), 'clip'),
        ([folder / n for n in names], 'frames'),
        ([cv2.imread(str(folder / n)) for n in names], 'frames'),
    ):
        source = open_source(inputs)
        assert (source.name, source.num_frames) == (name, 4)
        assert source.size == (64, 48) and source.fps == 25
        frames = list(source)
        assert [f.image[0, 0, 0] for f in frames] == levels
    assert open_source(folder, fps=Fraction(30000, 1001)).fps != 25
    one = list(open_source(folder / 'f9.png'))
    assert len(one) == 1 and one[0].path == str(folder / 'f9.png')


def test_generators_are_not_read_ahead():
    taken = []

    def generate():
        for level in range(5):
            taken.append(level)
            yield np.full((8, 8, 3), level, np.uint8)

    for frame in open_source(generate()):
        assert taken == list(range(frame.index + 1))
        assert frame.image[0, 0, 0] == frame.index
    assert len(taken) == 5


def test_damaged_image_files_are_bridged(tmp_path):
    names = [f'{i}.jpg' for i in range(6)]
    folder = write_images(tmp_path / 'clip', names)
    (folder / '0.jpg').write_bytes(b'')
    data = (folder / '3.jpg').read_bytes()
    (folder / '3.jpg').write_bytes(data[: len(data) // 2])
    (folder / '4.jpg').write_text('no image at all')
    source = open_source([*(folder / n for n in names), tmp_path / 'no.jpg'])
    frames = list(source)
    assert len(frames) == source.num_frames == 7
    assert [bool(f.damaged) for f in frames] == [1, 0, 0, 1, 1, 0, 1]
    assert 'cut off (0 bytes)' in frames[0].damaged
    assert 'is not an image' in frames[4].damaged
    assert 'No such file' in frames[6].damaged
    # Black where there is nothing before, else the last good one.
    assert [round(f.image.mean()) for f in frames] == [
        0,
        20,
        40,
        40,
        40,
        100,
        100,
    ]
    assert all(f.image.shape == (48, 64, 3) for f in frames)


def test_frames_of_another_size(tmp_path):
    folder = write_images(tmp_path / 'clip', ['1.png', '2.png'])
    cv2.imwrite(str(folder / '3.png'), texture(48, 80))
    frames = iter(open_source(folder))
    next(frames), next(frames)
    with pytest.raises(ValueError, match='3.png: frame 2 is 80x48, but the '):
        next(frames)


@pytest.mark.parametrize(
    'make, error, message',
    [
        (
            lambda p: p / 'no.mp4',
            FileNotFoundError,
            'no such video, folder or',
        ),
        (
            lambda p: p / 'empty.mp4',
            ValueError,
            'is an empty file, not a video',
        ),
        (lambda p: p / 'text.txt', ValueError, 'text.txt is not a video'),
        (lambda p: p / 'text.mp4', ValueError, 'text.mp4 is not a video'),
        (lambda p: p / 'empty', ValueError, 'empty: the folder has no images'),
        (
            lambda p: p / '*.png',
            FileNotFoundError,
            'no file matches this pattern',
        ),
        (lambda p: [], ValueError, 'frames: no frames'),
        (lambda p: [p / 'text.txt'], ValueError, 'none of its 1 frames is an'),
        (
            lambda p: [np.zeros((4, 4))],
            ValueError,
            'must be H x W x 3 of uint8',
        ),
        (lambda p: '99', ValueError, 'camera 99 cannot be opened'),
        (lambda p: 'webcam:98', ValueError, 'camera 98 cannot be opened'),
    ],
)
def test_bad_input(tmp_path, make, error, message):
    (tmp_path / 'empty.mp4').write_bytes(b'')
    (tmp_path / 'empty').mkdir()
    for name in ('text.txt', 'text.mp4'):
        (tmp_path / name).write_text('This is no video.\n' * 200)
    with pytest.raises(error, match=message.replace('*', r'\*')) as info:
        list(open_source(make(tmp_path)))
    assert '\n' not in str(info.value)


def test_bad_frame_rate(tmp_path):
    with pytest.raises(ValueError, match='fps must be 0.1 to 1000'):
        open_source([texture()], fps=0)


class Camera:
    """In the place of cv2.VideoCapture."""

    released = 0

    def __init__(self, index):
        self.left = 3

    def isOpened(self):
        return True

    def get(self, _):
        return 15.0

    def read(self):
        self.left -= 1
        return self.left >= 0, texture()

    def release(self):
        Camera.released += 1


def test_cameras_are_released(monkeypatch):
    monkeypatch.setattr(cv2, 'VideoCapture', Camera)
    monkeypatch.setattr(Camera, 'released', 0)
    source = open_source(0)
    assert (source.name, source.fps, source.num_frames) == (
        'camera0',
        15,
        None,
    )
    assert len(list(source)) == 3 and Camera.released == 1
    frames = iter(open_source('webcam'))
    next(frames)
    frames.close()
    assert Camera.released == 2
