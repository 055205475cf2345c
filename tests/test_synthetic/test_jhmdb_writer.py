# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from rpstn_mmpose.synthetic.jhmdb_writer import (
    JHMDB_JOINTS,
    JHMDBVideoWriter,
    jhmdb_joints,
    write_splits,
)
from rpstn_mmpose.synthetic.skeleton import POINTS
from tests.real_data import require_real_data


def body():
    """Points 0, 1, 2, ... at x = 10, 11, 12, ...; the hips and neck apart."""
    points = np.zeros((len(POINTS), 3))
    points[:, 0] = 10 + np.arange(len(POINTS))
    points[:, 1] = 20
    for name, place in (
        ('neck', (30, 5)),
        ('left_hip', (24, 25)),
        ('right_hip', (20, 29)),
        ('head', (31, 2)),
    ):
        points[POINTS.index(name), :2] = place
    return points


def test_joints_by_name():
    joints = dict(zip(JHMDB_JOINTS, jhmdb_joints(body()).tolist()))
    assert len(joints) == 15
    assert joints['face'] == [31, 2] and joints['neck'] == [30, 5]
    # Halfway between the neck and the hips' middle at 22, 27.
    assert joints['belly'] == [26, 16]
    for name in ('left_wrist', 'right_wrist', 'left_ankle', 'right_knee'):
        assert joints[name] == [10 + POINTS.index(name), 20]


def test_order_is_that_of_the_real_file():
    """What the design says of it, and where the belly lies there."""
    assert JHMDB_JOINTS[:3] == ('neck', 'belly', 'face')
    sides = [name.split('_') for name in JHMDB_JOINTS[3:]]
    assert [side for side, _ in sides] == ['right', 'left'] * 6
    assert [part for _, part in sides[::2]] == [
        'shoulder', 'hip', 'elbow', 'knee', 'wrist', 'ankle'
    ]  # fmt: skip
    path = require_real_data(
        'jhmdb/joint_positions/catch/Goal_Keeping_Tips_catch_f_cm_np1_fr_'
        'med_2/joint_positions.mat'
    )
    joints = dict(zip(JHMDB_JOINTS, loadmat(path)['pos_img'].swapaxes(0, 1)))
    hips = (joints['left_hip'] + joints['right_hip']) / 2
    np.testing.assert_allclose(joints['belly'], (joints['neck'] + hips) / 2)


@pytest.fixture
def video(tmp_path):
    writer = JHMDBVideoWriter(tmp_path, 12, 'jump_rope')
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 48, 64, 3), np.uint8)
    for t, picture in enumerate(pictures):
        mask = np.zeros((48, 64), bool)
        mask[10 : 20 + t, 5:9] = True
        writer.add(picture, body() + t, mask)
    writer.close((64, 48))
    return tmp_path, writer.name, pictures


def test_files_of_a_video(video):
    folder, name, pictures = video
    assert name == 'jump_rope_synthetic_0012'
    place = f'jump_rope/{name}'
    assert sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob('*.*')
    ) == [
        f'Rename_Images/{place}/00001.png',
        f'Rename_Images/{place}/00002.png',
        f'joint_positions/{place}/joint_positions.mat',
        f'puppet_mask/{place}/puppet_mask.mat',
    ]
    # PNG keeps every pixel.
    second = cv2.imread(str(folder / f'Rename_Images/{place}/00002.png'))
    np.testing.assert_array_equal(second, pictures[1])


def test_labels_are_one_based(video):
    folder, name, _ = video
    place = f'jump_rope/{name}'
    mat = loadmat(folder / f'joint_positions/{place}/joint_positions.mat')
    assert mat['pos_img'].shape == (2, 15, 2)
    assert mat['pos_img'].dtype == np.float64
    face = JHMDB_JOINTS.index('face')
    assert mat['pos_img'][:, face].T.tolist() == [[32, 3], [33, 4]]
    # As in the real file: from the centre, in 0.45 of the height.
    np.testing.assert_allclose(
        mat['pos_world'][:, face, 0], [(32 - 32) / 21.6, (3 - 24) / 21.6]
    )
    mask = loadmat(folder / f'puppet_mask/{place}/puppet_mask.mat')
    mask = mask['part_mask']
    assert mask.shape == (48, 64, 2) and mask.dtype == np.uint8
    assert mask.sum(axis=(0, 1)).tolist() == [40, 44]
    assert mask[10, 5, 0] == 1 and mask[20, 5].tolist() == [0, 1]


def test_equal_labels_have_equal_bytes(tmp_path, monkeypatch):
    contents = []
    for day in ('one', 'another'):
        monkeypatch.setattr('time.asctime', lambda *_, day=day: day)
        writer = JHMDBVideoWriter(tmp_path / day, 1, 'run')
        writer.add(None, body(), np.ones((48, 64), bool))
        writer.close((64, 48))
        files = sorted((tmp_path / day).rglob('*.mat'))
        contents.append([path.read_bytes() for path in files])
    assert contents[0] == contents[1] and len(contents[0]) == 2


def read_splits(folder, split):
    flags = {}
    for path in folder.glob(f'sub_splits/*_test_split{split}.txt'):
        for line in path.read_text().splitlines():
            video, flag = line.split()
            assert video.startswith(path.name.split('_test_')[0])
            flags[video] = int(flag)
    return flags


def test_three_splits_of_other_test_videos(tmp_path):
    records = [
        dict(video=f'{action}_{i}', action=action, split=split)
        for i, (action, split) in enumerate(
            [('run', 'train'), ('walk', 'test'), ('run', 'train'),
             ('run', 'test'), ('walk', 'train'), ('walk', 'train')]
        )
    ]  # fmt: skip
    write_splits(tmp_path, records)
    tests = []
    for split in (1, 2, 3):
        flags = read_splits(tmp_path, split)
        assert sorted(flags) == sorted(f'{r["video"]}.avi' for r in records)
        tests.append({v for v, flag in flags.items() if flag == 2})
    assert tests[0] == {'walk_1.avi', 'run_3.avi'}
    assert all(len(test) == 2 for test in tests)
    assert len(set.union(*tests)) == 6


def test_splits_of_more_test_than_train_videos(tmp_path):
    records = [
        dict(video=f'run_{i}', action='run', split='test' if i else 'train')
        for i in range(4)
    ]
    write_splits(tmp_path, records)
    for split in (1, 2, 3):
        assert sorted(read_splits(tmp_path, split).values()) == [1, 2, 2, 2]
