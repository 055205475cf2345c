# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import cv2
import numpy as np
import pytest

from rpstn_mmpose.datasets.transforms import LoadClip
from rpstn_mmpose.datasets.transforms.loading import is_cut_off
from tests.test_datasets.penn_files import HEIGHT, WIDTH, write_frames


def sample(paths):
    return dict(img_paths=[str(p) for p in paths], video_id='0001')


def test_frames_are_read_in_order(tmp_path):
    paths = write_frames(tmp_path, '0001', 3)
    results = LoadClip()(sample(paths))
    assert results['img_shape'] == results['ori_shape'] == (HEIGHT, WIDTH)
    for frame, path in zip(results['img'], paths):
        assert frame.dtype == np.uint8
        assert np.array_equal(frame, cv2.imread(str(path)))
    floats = LoadClip(to_float32=True)(sample(paths))['img']
    assert floats[0].dtype == np.float32


def test_repeated_frames_do_not_share_memory(tmp_path):
    path = write_frames(tmp_path, '0001', 1)[0]
    first, second = LoadClip()(sample([path, path]))['img']
    assert np.array_equal(first, second)
    assert not np.shares_memory(first, second)


def test_frames_in_memory():
    frames = [np.full((4, 6, 3), i, np.uint8) for i in range(2)]
    results = LoadClip()(dict(img=frames))
    assert results['img_shape'] == (4, 6) and results['img'][1].max() == 1


def test_missing_frame(tmp_path):
    paths = write_frames(tmp_path, '0001', 3)
    paths[1].unlink()
    with pytest.raises(FileNotFoundError) as error:
        LoadClip()(sample(paths))
    message = str(error.value)
    assert str(paths[1]) in message and '\n' not in message


@pytest.mark.parametrize('share', [0.0, 0.02, 0.5, 0.95])
def test_cut_off_jpeg(tmp_path, share):
    paths = write_frames(tmp_path, '0001', 2)
    data = paths[1].read_bytes()
    paths[1].write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match='cut off|cannot be decoded') as error:
        LoadClip()(sample(paths))
    message = str(error.value)
    assert str(paths[1]) in message and '\n' not in message


def test_what_counts_as_cut_off(tmp_path):
    image = np.random.RandomState(0).randint(0, 255, (32, 32, 3), np.uint8)
    flags = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    for params in ([], flags):
        jpeg = cv2.imencode('.jpg', image, params)[1].tobytes()
        assert not is_cut_off(jpeg)
        # Some cameras pad their files.
        assert not is_cut_off(jpeg + b'\0' * 100)
        for cut in range(2, len(jpeg) - 1, 37):
            assert is_cut_off(jpeg[:cut])
        # A whole thumbnail in front does not make the picture whole.
        assert is_cut_off(jpeg[:2] + jpeg + jpeg[2:-50])
    png = cv2.imencode('.png', image)[1].tobytes()
    assert not is_cut_off(png) and is_cut_off(png[:-20])
    assert not is_cut_off(b'RIFF....WEBP')


def test_not_an_image(tmp_path):
    paths = write_frames(tmp_path, '0001', 1)
    paths[0].write_bytes(b'this is no picture')
    with pytest.raises(ValueError, match='cannot be decoded') as error:
        LoadClip()(sample(paths))
    assert str(paths[0]) in str(error.value)


def test_frames_of_different_size(tmp_path):
    paths = write_frames(tmp_path, '0001', 3)
    cv2.imwrite(str(paths[2]), np.zeros((10, 20, 3), np.uint8))
    with pytest.raises(ValueError, match='is 20x10, but .* 96x72') as error:
        LoadClip()(sample(paths))
    assert str(paths[2]) in str(error.value)


@pytest.mark.parametrize(
    'box',
    [
        (5, 5, 5, 9),
        (5, 9, 8, 9),
        (9, 5, 5, 9),
        (5, np.nan, 9, 9),
        (0, 0, np.inf, 9),
    ],
)
def test_unusable_box_names_video_and_frame(tmp_path, box):
    paths = write_frames(tmp_path, '0001', 2)
    boxes = np.array([(1, 1, 9, 9), box], np.float32)
    results = dict(sample(paths), bbox=boxes, frame_ids=[17, 18])
    with pytest.raises(ValueError, match='video 0001, frame 18') as error:
        LoadClip()(results)
    assert '\n' not in str(error.value)
