# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
from scipy.io import loadmat

from rpstn_mmpose.synthetic.penn_writer import (
    PennVideoWriter,
    joint_boxes,
    write_label,
)


def label(tmp_path, count=3):
    keypoints = np.zeros((count, 13, 2))
    keypoints[:, :, 0] = 10 + np.arange(13)
    keypoints[:, :, 1] = 20 + 2 * np.arange(13)
    visible, inside = np.ones((count, 13)), np.ones((count, 13), bool)
    visible[0, 3] = 0  # left elbow occluded
    inside[1, 5] = False  # left wrist outside
    path = tmp_path / '0007.mat'
    write_label(
        path, keypoints, visible, inside, (64, 48), False, 'walk', 'front'
    )
    return path


def test_keys_types_and_values_are_those_of_the_real_files(tmp_path):
    mat = loadmat(label(tmp_path))
    assert {k for k in mat if not k.startswith('__')} == {
        'action', 'pose', 'x', 'y', 'visibility', 'train', 'bbox',
        'dimensions', 'nframes',
    }  # fmt: skip
    for key, dtype, shape in (
        ('x', np.float64, (3, 13)),
        ('y', np.float64, (3, 13)),
        ('visibility', np.uint8, (3, 13)),
        ('bbox', np.float64, (3, 4)),
        ('train', np.int32, (1, 1)),
        ('nframes', np.uint8, (1, 1)),
        ('dimensions', np.uint16, (1, 3)),
    ):
        assert mat[key].dtype == dtype and mat[key].shape == shape
    assert mat['action'].tolist() == ['walk']
    assert mat['pose'].tolist() == ['front']
    assert mat['train'].item() == -1 and mat['nframes'].item() == 3
    assert mat['dimensions'].tolist() == [[48, 64, 3]]


def test_coordinates_are_one_based_and_sides_are_those_of_penn(tmp_path):
    mat = loadmat(label(tmp_path))
    # Head in column 0; the anatomical left shoulder (joint 1, at 11, 22) in
    # column 2, which Penn Action calls right_shoulder.
    assert (mat['x'][0, 0], mat['y'][0, 0]) == (11, 21)
    assert (mat['x'][0, 2], mat['y'][0, 2]) == (12, 23)
    assert (mat['x'][0, 1], mat['y'][0, 1]) == (13, 25)
    assert mat['visibility'][0].tolist() == [1, 1, 1, 1, 0] + 8 * [1]
    # Occluded: true place (anatomical left elbow at 13, 26), visibility 0.
    assert (mat['x'][0, 4], mat['y'][0, 4]) == (14, 27)
    # Outside: placeholder.
    assert (mat['x'][1, 6], mat['y'][1, 6]) == (1, 1)
    assert mat['visibility'][1, 6] == 0


def test_equal_labels_have_equal_bytes(tmp_path, monkeypatch):
    first = label(tmp_path).read_bytes()
    monkeypatch.setattr('time.asctime', lambda *_: 'another day')
    assert label(tmp_path).read_bytes() == first


def test_long_videos_need_sixteen_bits(tmp_path):
    mat = loadmat(label(tmp_path, count=300))
    assert mat['nframes'].dtype == np.uint16 and mat['nframes'].item() == 300


def test_boxes():
    keypoints = np.zeros((3, 13, 2))
    keypoints[0, :2] = (10, 20), (60, 40)
    keypoints[1] = (-50, -50)
    keypoints[2, :2] = (2, 20), (30, 47)
    inside = np.zeros((3, 13), bool)
    inside[0, :2] = inside[2, :2] = True
    boxes = joint_boxes(keypoints, inside, 64, 48)
    # Margin 8 % of the longer side: 4 and 2.24 pixels.
    np.testing.assert_allclose(boxes[0], (6, 16, 63, 44))
    np.testing.assert_allclose(boxes[1], boxes[0])  # nearest frame with joints
    np.testing.assert_allclose(boxes[2], (0, 17.76, 32.24, 47))
    alone = joint_boxes(keypoints[1:2], inside[1:2], 64, 48)
    np.testing.assert_allclose(alone, [[0, 0, 63, 47]])


def test_files_of_a_video(tmp_path):
    writer = PennVideoWriter(tmp_path, 12, True, 'run', 'left')
    reasons = np.arange(13) % 5
    row = np.full((13, 2), 5.0), np.ones(13), np.ones(13, bool), reasons
    for _ in range(2):
        writer.add(np.zeros((48, 64, 3), np.uint8), *row)
    writer.close((64, 48))
    names = sorted(
        str(path.relative_to(tmp_path).as_posix())
        for path in tmp_path.rglob('*.*')
    )
    assert names == [
        'frames/0012/000001.jpg',
        'frames/0012/000002.jpg',
        'labels/0012.mat',
    ]
    mat = loadmat(tmp_path / 'labels/0012.mat')
    assert mat['train'].item() == 1
    # Sides as those of the other entries: 1 and 2, 3 and 4 ... change places.
    assert mat['hidden_by'].dtype == np.uint8
    row = [0, 2, 1, 4, 3, 1, 0, 3, 2, 0, 4, 2, 1]
    assert mat['hidden_by'].tolist() == [row, row]
