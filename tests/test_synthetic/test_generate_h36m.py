# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Motion capture of synthetic people, read as Human3.6M is."""

import numpy as np
import pytest
import torch
from mmpose.registry import DATASETS

from rpstn_mmpose.datasets.cameras import in_pixels, project
from rpstn_mmpose.synthetic.generate_h36m import (
    MIRROR,
    capture,
    detect,
    generate_h36m,
    ring_of_cameras,
    spells,
    take_names,
)
from rpstn_mmpose.systems.anatomy3d.bones import H36M_BONES


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('h36m') / 'data'
    manifest = generate_h36m(folder, num_takes=2, num_frames=30)
    assert manifest['num_sequences'] == 7 * 2 * 4
    assert not manifest['existed']
    return folder


def dataset(folder, split, **kwargs):
    return DATASETS.build(
        dict(
            type='H36MSequenceDataset',
            data_root=str(folder),
            split=split,
            camera_file='cameras.json',
            window=dict(type='WholeTrack'),
            **kwargs,
        )
    )


def test_it_is_read_as_the_real_files_are(folder):
    kwargs = dict(keypoints_file='data_2d_h36m_gt.npz')
    train = dataset(folder, 'train', **kwargs)
    test = dataset(folder, 'test', score_file='score.pkl', **kwargs)
    assert (len(train), len(test)) == (5 * 2 * 4, 2 * 2 * 4)
    for i in range(len(test)):
        info = test.get_data_info(i)
        assert info['keypoints'].shape == (30, 17, 2)
        flat = project(
            torch.from_numpy(info['keypoints_3d']),
            torch.from_numpy(info['lens']),
        )
        height, width = info['img_shape']
        np.testing.assert_allclose(
            in_pixels(flat.numpy(), (width, height)),
            info['keypoints'],
            rtol=0,
            atol=0.02,
        )
        # Whole in the picture, and upright in it.
        assert info['keypoints'].min() > 0
        assert info['keypoints'].max() < 1000
    assert test.get_data_info(0)['action'] == 'Walk'
    assert test.get_data_info(4)['action'] == 'Run'


def test_the_same_folder_again(folder, tmp_path):
    before = (folder / 'score.pkl').read_bytes()
    assert generate_h36m(folder, num_takes=2, num_frames=30)['existed']
    other = tmp_path / 'again'
    generate_h36m(other, num_takes=2, num_frames=30)
    assert (other / 'score.pkl').read_bytes() == before
    with pytest.raises(ValueError, match='other settings .num_takes'):
        generate_h36m(folder, num_takes=1, num_frames=30)


def test_bones_have_one_length_and_people_differ():
    lengths = []
    for key in ((0, 'train', 0), (0, 'train', 1), (0, 'test', 0)):
        takes = [capture(*key, take, 25) for take in (0, 4)]
        poses = np.concatenate(takes)
        first, second = np.array(H36M_BONES).T
        of_bones = np.linalg.norm(poses[:, first] - poses[:, second], axis=-1)
        rigid = [b for b in range(16) if H36M_BONES[b] not in ((9, 8),)]
        # The head turns on the neck; the other bones are stiff.
        assert of_bones[:, rigid].std(axis=0).max() < 1e-3
        lengths.append(of_bones.mean(axis=0))
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(lengths[a] / lengths[b] - 1).max() > 0.03


def test_people_stand_on_the_floor():
    poses = capture(0, 'train', 0, 0, 100)
    # The toes are lower than the ankles, by less than 0.1 of 1.95 m.
    lowest = poses[..., 2].min(axis=1)
    assert (lowest > 0).all() and lowest.min() < 0.2
    assert 1.2 < poses[:, 10, 2].max() < 2
    assert np.abs(poses[..., :2]).max() < 2.5
    # Facing: left hip x right hip x up is forwards on average.
    left = poses[:, 4] - poses[:, 1]
    forward = np.cross(left, [0, 0, 1])
    knees = poses[:, [2, 5]].mean(1) - poses[:, 0]
    assert (knees * forward).sum(axis=1).mean() > 0


def test_four_cameras_look_at_the_middle():
    places = []
    for camera in ring_of_cameras(3, 'test', 1):
        point = camera.from_world(np.array([0, 0, 0.9]))
        assert 3.5 < point[2] < 6.5
        assert np.abs(point[:2]).max() < 0.6
        assert camera.from_world(np.array([0, 0, 1.9]))[1] < point[1] - 0.9
        places.append(np.degrees(np.arctan2(*camera.position[1::-1])))
    assert np.ptp(np.diff(np.unwrap(places, period=360))) < 90


class TestDetector:
    def test_hidden_joints_err_more_and_score_less(self):
        rng = np.random.default_rng(0)
        true = (
            np.zeros((15000, 17, 2), np.float32) + np.arange(17)[:, None] * 50
        )
        found = detect(true, 4.0, 0.2, rng)
        errors = np.linalg.norm(found.keypoints - true, axis=-1)
        swapped = errors[:, 1] > 100
        assert 0.004 < swapped.mean() < 0.02
        low = found.scores < 0.575
        assert abs(low.mean() - 0.2) < 0.03
        kept = ~swapped[:, None]
        # The mean length of a normal vector: s * sqrt(pi / 2).
        for part, size in ((low & kept, 24), (~low & kept, 4)):
            expected = size * np.sqrt(np.pi / 2)
            assert abs(errors[part].mean() / expected - 1) < 0.1

    def test_errors_last(self):
        rng = np.random.default_rng(0)
        found = detect(np.zeros((5000, 17, 2)), 1.0, 0.0, rng).keypoints
        x = found[:, 0, 0]
        assert abs(np.corrcoef(x[1:], x[:-1])[0, 1] - 0.8) < 0.05

    def test_spells(self):
        out = spells(20000, 8, 0.12, np.random.default_rng(0))
        assert abs(out.mean() - 0.12) < 0.02
        begins = (np.diff(out.astype(int), axis=0) == 1).sum()
        assert abs(out.sum() / begins - 12) < 1.5

    def test_mirror_is_its_own_inverse(self):
        assert (MIRROR[MIRROR] == np.arange(17)).all()


def test_names():
    names = take_names(14)
    assert names[:3] == ['Walk', 'Run', 'JumpingJacks']
    assert names[12:] == ['Walk 1', 'Run 1']
    assert len(set(names)) == 14


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(num_takes=0), 'at least 1'),
        (dict(noise=-1), 'at least 0'),
        (dict(hidden=1.0), 'from 0 to below 1'),
    ],
)
def test_bad_settings(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        generate_h36m(tmp_path / 'x', **options)
    assert not (tmp_path / 'x').exists()
