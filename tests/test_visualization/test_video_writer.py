# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import sys

import numpy as np
import pytest

from rpstn_mmpose.visualization import VideoWriter, check_output_path

av = pytest.importorskip('av', reason='PyAV is not installed')


def bands(shift, height=48, width=64):
    """Blue left third, green middle, red right; brighter with time."""
    frame = np.zeros((height, width, 3), np.uint8)
    for channel, start in enumerate((0, width // 3, 2 * width // 3)):
        frame[:, start:start + width // 3 + 2, :] = 0
        frame[:, start:start + width // 3 + 2, channel] = 120 + shift
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
        for column, color in ((10, (level, 0, 0)), (32, (0, level, 0)),
                              (54, (0, 0, level))):
            np.testing.assert_allclose(frame[24, column], color, atol=8)
    assert [item.name for item in path.parent.iterdir()] == ['a.mp4']


def test_browsers_can_start_before_all_is_there(tmp_path):
    with VideoWriter(tmp_path / 'a.mp4') as video:
        video.write(bands(0))
    data = (tmp_path / 'a.mp4').read_bytes()
    assert 0 < data.index(b'moov') < data.index(b'mdat')


@pytest.mark.parametrize('size, even', [((47, 63), (48, 64)),
                                        ((48, 63), (48, 64)),
                                        ((47, 64), (48, 64))])
def test_odd_sizes_repeat_the_edge(tmp_path, size, even):
    frame = np.full((*size, 3), 40, np.uint8)
    frame[:, -8:] = 200
    with VideoWriter(tmp_path / 'a.mp4', crf=10) as video:
        video.write(frame)
    decoded = decode(tmp_path / 'a.mp4')[0][0]
    assert decoded.shape == (*even, 3)
    np.testing.assert_allclose(decoded[-1, -1], 200, atol=6)
    np.testing.assert_allclose(decoded[-1, 5], 40, atol=6)


@pytest.mark.parametrize('frame', [
    np.zeros((4, 6), np.uint8),
    np.zeros((4, 6, 4), np.uint8),
    np.zeros((4, 6, 3), np.float32),
    np.zeros((0, 6, 3), np.uint8)
])
def test_wrong_frame_leaves_no_file(tmp_path, frame):
    with pytest.raises(ValueError, match='takes frames H x W x 3 of uint8'):
        with VideoWriter(tmp_path / 'a.mp4') as video:
            video.write(frame)
    assert list(tmp_path.iterdir()) == []


def test_frame_of_another_size(tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'old')
    with pytest.raises(ValueError, match=r'frame 1 of a.mp4 is 8x6, but the '
                       'first was 64x48'):
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
    assert check_output_path(path, ('.png', )) == path
    assert list(path.parent.iterdir()) == []
    path.write_text('x')
    check_output_path(str(path), ('.png', ))
    assert path.read_text() == 'x'
