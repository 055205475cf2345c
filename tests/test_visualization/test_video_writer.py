# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import os
import sys
from fractions import Fraction

import numpy as np
import pytest

from rpstn_mmpose.visualization import VideoWriter, check_output_path
from rpstn_mmpose.visualization.output_path import make_part

av = pytest.importorskip('av', reason='PyAV is not installed')


def bands(shift, height=48, width=64):
    """Blue left third, green middle, red right; brighter with time."""
    frame = np.zeros((height, width, 3), np.uint8)
    for channel, start in enumerate((0, width // 3, 2 * width // 3)):
        frame[:, start : start + width // 3 + 2, :] = 0
        frame[:, start : start + width // 3 + 2, channel] = 120 + shift
    return frame


def decode(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [
            frame.to_ndarray(format='bgr24')
            for frame in container.decode(stream)
        ]
        context = stream.codec_context
        return frames, context.name, context.pix_fmt, stream.average_rate


def test_decodes_to_what_was_written(tmp_path):
    path = tmp_path / 'new folder' / 'a.mp4'
    with VideoWriter(path, fps=12.5) as video:
        for i in range(7):
            video.write(bands(10 * i))
        assert not path.exists()
    frames, codec, pixels, rate = decode(path)
    assert len(frames) == video.num_frames == 7
    assert (codec, pixels, float(rate)) == ('h264', 'yuv420p', 12.5)
    for i, frame in enumerate(frames):
        assert frame.shape == (48, 64, 3)
        level = 120 + 10 * i
        for column, color in (
            (10, (level, 0, 0)),
            (32, (0, level, 0)),
            (54, (0, 0, level)),
        ):
            np.testing.assert_allclose(frame[24, column], color, atol=8)
    assert [item.name for item in path.parent.iterdir()] == ['a.mp4']


def test_browsers_can_start_before_all_is_there(tmp_path):
    with VideoWriter(tmp_path / 'a.mp4') as video:
        video.write(bands(0))
    data = (tmp_path / 'a.mp4').read_bytes()
    assert 0 < data.index(b'moov') < data.index(b'mdat')


@pytest.mark.parametrize(
    'size, even',
    [((47, 63), (48, 64)), ((48, 63), (48, 64)), ((47, 64), (48, 64))],
)
def test_odd_sizes_repeat_the_edge(tmp_path, size, even):
    frame = np.full((*size, 3), 40, np.uint8)
    frame[:, -8:] = 200
    with VideoWriter(tmp_path / 'a.mp4', crf=10) as video:
        video.write(frame)
    decoded = decode(tmp_path / 'a.mp4')[0][0]
    assert decoded.shape == (*even, 3)
    np.testing.assert_allclose(decoded[-1, -1], 200, atol=6)
    np.testing.assert_allclose(decoded[-1, 5], 40, atol=6)


@pytest.mark.parametrize(
    'frame',
    [
        np.zeros((4, 6), np.uint8),
        np.zeros((4, 6, 4), np.uint8),
        np.zeros((4, 6, 3), np.float32),
        np.zeros((0, 6, 3), np.uint8),
    ],
)
def test_wrong_frame_leaves_no_file(tmp_path, frame):
    with pytest.raises(ValueError, match='takes frames H x W x 3 of uint8'):
        with VideoWriter(tmp_path / 'a.mp4') as video:
            video.write(frame)
    assert list(tmp_path.iterdir()) == []


def test_frame_of_another_size(tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'old')
    with pytest.raises(
        ValueError,
        match=r'frame 1 of a.mp4 is 8x6, but the '
        'first was 64x48',
    ):
        with VideoWriter(tmp_path / 'a.mp4') as video:
            video.write(bands(0))
            video.write(np.zeros((6, 8, 3), np.uint8))
    # a failed run does not take the last good video away
    assert (tmp_path / 'a.mp4').read_bytes() == b'old'
    assert len(list(tmp_path.iterdir())) == 1


def test_no_frames(tmp_path):
    with pytest.raises(ValueError, match='no frame was written'):
        with VideoWriter(tmp_path / 'a.mp4'):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('fps', [0, -1, float('nan'), float('inf')])
def test_bad_fps(tmp_path, fps):
    with pytest.raises(ValueError, match='fps must be'):
        VideoWriter(tmp_path / 'a.mp4', fps=fps)


def test_unwritable_paths(tmp_path):
    (tmp_path / 'file').write_text('')
    (tmp_path / 'dir.mp4').mkdir()
    with pytest.raises(OSError, match='its folder is a file'):
        VideoWriter(tmp_path / 'file' / 'a.mp4')
    with pytest.raises(OSError, match='it is a folder'):
        VideoWriter(tmp_path / 'dir.mp4')
    with pytest.raises(ValueError, match=r'must end in \.mp4'):
        VideoWriter(tmp_path / 'a.avi')


def test_without_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'av', None)
    with pytest.raises(ImportError, match='pip install av'):
        VideoWriter(tmp_path / 'a.mp4')


def test_check_output_path_keeps_the_file(tmp_path):
    path = tmp_path / 'sub' / 'a.PNG'
    assert check_output_path(path, ('.png',)) == path
    assert list(path.parent.iterdir()) == []
    path.write_text('x')
    check_output_path(str(path), ('.png',))
    assert path.read_text() == 'x'


def times_of(path):
    """Seconds at which frames are shown, and when the last one ends."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        stream = container.streams.video[0]
        return (
            [frame.time for frame in frames],
            float(stream.duration * stream.time_base),
        )


def write_at(path, times, fps=25):
    with VideoWriter(path, fps=fps) as video:
        for number, time in enumerate(times):
            video.write(bands(5 * number), time)
    return times_of(path)


def test_each_frame_at_its_time(tmp_path):
    """Five frames 200 ms apart, then 40 ms apart; the last shows 1/25 s."""
    times = [0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.04, 1.08, 1.12]
    shown, end = write_at(tmp_path / 'a.mp4', times)
    np.testing.assert_allclose(shown, times, atol=1e-9)
    assert end == pytest.approx(1.16)


@pytest.mark.parametrize('fps', [25, 29.97, Fraction(30000, 1001), 0.5, 1000])
def test_times_at_a_constant_rate_change_nothing(tmp_path, fps):
    rate = Fraction(fps).limit_denominator(1001)
    found = write_at(tmp_path / 'a.mp4', [n / rate for n in range(8)], fps)
    assert found == write_at(tmp_path / 'b.mp4', [None] * 8, fps)
    np.testing.assert_allclose(found[0], np.arange(8) / float(rate), rtol=1e-6)
    assert found[1] == pytest.approx(8 / float(rate))


def test_times_that_are_nearly_the_same(tmp_path):
    """Both frames are there, a tenth of a millisecond apart."""
    times = [0.0, 0.04, 0.04001, 0.08]
    shown, _ = write_at(tmp_path / 'a.mp4', times)
    np.testing.assert_allclose(shown, [0, 0.04, 0.0401, 0.08], atol=1e-9)


@pytest.mark.parametrize('second', [0.0, 0.04])
def test_times_that_do_not_rise(tmp_path, second):
    with pytest.raises(
        ValueError,
        match=r'frame 2 of a.mp4 is at 0.0[04]00 '
        r's, but the one before is at 0.0400 s',
    ):
        write_at(tmp_path / 'a.mp4', [0.0, 0.04, second])
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_one_file(tmp_path):
    """Neither takes the other's frames; the one that ends last wins."""
    path = tmp_path / 'a.mp4'
    first, second = VideoWriter(path), VideoWriter(path)
    for number in range(3):
        first.write(bands(number))
        second.write(bands(number))
        check_output_path(path, ('.mp4',))
    second.write(bands(3))
    second.close()
    assert len(decode(path)[0]) == 4
    first.close()
    assert len(decode(path)[0]) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_parts_of_other_runs_stay(tmp_path):
    (tmp_path / '.a.json.part').write_text('a killed run')
    path = tmp_path / 'a.json'
    check_output_path(path, ('.json',))
    pid = os.getpid()
    names = [make_part(path).name for _ in range(3)]
    assert names == [
        f'.a.{pid}.json.part',
        f'.a.{pid}-2.json.part',
        f'.a.{pid}-3.json.part',
    ]
    assert (tmp_path / '.a.json.part').read_text() == 'a killed run'
    assert make_part(tmp_path / 'b.json').name == '.b.json.part'
