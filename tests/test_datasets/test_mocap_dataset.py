# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Human3.6M and HumanEva from VideoPose3D's files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS
from torch.utils.data import DataLoader

from rpstn_mmpose.datasets import WholeTrack
from rpstn_mmpose.datasets.cameras import (
    cameras_from_json,
    cameras_to_json,
    h36m_cameras,
    humaneva_cameras,
    in_pixels,
    normalized,
    project,
)
from rpstn_mmpose.datasets.datasets.mocap_dataset import take_batch
from tests.real_data import require_real_data

from .mocap_data import KEPT, write

TAKES = {
    ('S1', 'Walking'): 9,
    ('S1', 'Walking 1'): 5,
    ('S5', 'Eating'): 4,
    ('S9', 'Walking'): 6,
    ('S11', 'Directions'): 3,
    ('S11', 'Directions 1'): 3,
}
FILES = dict(keypoints_file='data_2d_h36m_gt.npz', camera_file='cameras.json')


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpose')


def build(folder, split='train', **kwargs):
    subjects = dict(train=('S1', 'S5'), test=('S9', 'S11'))[split]
    options = dict(
        type='H36MSequenceDataset',
        data_root=str(folder),
        split=split,
        subjects=subjects,
        pipeline=[dict(type='PackLifterInputs')],
        window=dict(type='WholeTrack'),
        **FILES,
    )
    return DATASETS.build({**options, **kwargs})


def test_a_sample_is_what_the_files_hold(tmp_path):
    world, points, scores = write(tmp_path, TAKES)
    data = build(tmp_path, score_file='score.pkl')
    assert len(data) == 6  # three takes, two cameras
    found = data[3]  # the second take, the second camera
    sample = found['data_samples']
    assert sample.metainfo['video_id'] == 'S1/Walking 1/1'
    assert sample.metainfo['action'] == 'Walking'
    assert sample.metainfo['frame_ids'] == list(range(5))
    pixels = points['S1']['Walking 1'][1]
    np.testing.assert_array_equal(sample.gt_instances.keypoints, pixels)
    # x and y over half the width, from the middle of 1000 x 1000.
    np.testing.assert_allclose(
        found['inputs'][..., :2], (pixels - 500) / 500, rtol=0, atol=1e-6
    )
    np.testing.assert_array_equal(
        found['inputs'][..., 2], scores['S1_Walking 1.1'][..., 0]
    )
    # The second camera looks along x: its z is the world's x, its x is -y.
    kept = world['S1']['Walking 1'][:, KEPT] - world['S1']['Walking 1'][:, :1]
    by_hand = np.stack([-kept[..., 1], -kept[..., 2], kept[..., 0]], axis=-1)
    for poses in (
        sample.gt_instances.lifting_target,
        sample.gt_instance_labels.lifting_target_label.numpy(),
    ):
        np.testing.assert_allclose(poses, by_hand, rtol=0, atol=2e-6)


def test_windows_repeat_the_ends(tmp_path):
    write(tmp_path, TAKES)
    data = build(
        tmp_path,
        window=dict(type='FramesAround', clip_offsets=[-2, -1, 0, 1, 2]),
    )
    assert len(data) == 2 * (9 + 5 + 4)
    assert data[0]['data_samples'].metainfo['frame_ids'] == [0, 0, 0, 1, 2]
    assert data[8]['data_samples'].metainfo['frame_ids'] == [6, 7, 8, 8, 8]
    assert data[0]['inputs'].shape == (5, 17, 3)


def test_whole_takes_are_padded(tmp_path):
    write(tmp_path, TAKES)
    data = build(
        tmp_path,
        'test',
        window=dict(type='WholeTrack', before=3, after=2),
        test_mode=True,
    )
    # S11's first take is corrupt in the data set and left out.
    assert [data[i]['data_samples'].metainfo['video_id'] for i in range(4)] \
        == ['S9/Walking/0', 'S9/Walking/1', 'S11/Directions 1/0',
            'S11/Directions 1/1']  # yapf: disable
    meta = data[2]['data_samples'].metainfo
    assert meta['frame_ids'] == [0, 0, 0, 0, 1, 2, 2, 2]
    assert (
        meta['frame_mask'].tolist() == [False] * 3 + [True] * 3 + [False] * 2
    )


PAIRS = [0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13]


def test_mirrored_clips_are_what_a_mirrored_camera_sees(tmp_path):
    write(tmp_path, TAKES)
    data = build(tmp_path, mirrored=True)
    assert len(data) == 12
    for i in (0, 5):
        plain, other = data.get_data_info(i), data.get_data_info(i + 6)
        np.testing.assert_array_equal(
            other['keypoints_3d'], plain['keypoints_3d'][:, PAIRS] * [-1, 1, 1]
        )
        for info in (plain, other):
            flat = project(
                torch.from_numpy(info['keypoints_3d']),
                torch.from_numpy(info['lens']),
            )
            width, height = info['img_shape'][::-1]
            np.testing.assert_allclose(
                in_pixels(flat.numpy(), (width, height)),
                info['keypoints'],
                rtol=0,
                atol=0.01,
            )


class TestBatches:
    def pair(self, folder, **kwargs):
        """The same clips one by one and in batches."""
        write(folder, TAKES)
        window = dict(type='FramesAround', clip_offsets=[-2, -1, 0, 1, 2])
        options = dict(
            window=window, mirrored=True, score_file='score.pkl', **kwargs
        )
        one = build(folder, **options)
        return one, build(folder, as_batches=True, drawn_frames=7, **options)

    @pytest.mark.parametrize('scores', [True, False])
    def test_a_batch_is_its_samples(self, scores, tmp_path):
        pipeline = [dict(type='PackLifterInputs', scores=scores)]
        one, data = self.pair(tmp_path, pipeline=pipeline)
        indices = [0, 40, 17, 71, 35]
        batch = data.__getitems__(indices)
        assert batch['data_samples'] == []
        for i, index in enumerate(indices):
            sample = one[index]
            assert torch.equal(
                batch['inputs']['keypoints'][i], sample['inputs']
            )
            labels = sample['data_samples'].gt_instance_labels
            assert torch.equal(
                batch['inputs']['poses'][i], labels.lifting_target_label
            )
            np.testing.assert_array_equal(
                batch['inputs']['lens'][i], one.get_data_info(index)['lens']
            )

    def test_drawn_frames_are_of_the_take(self, tmp_path):
        """Each at most once of 9; again where there are 5; mirrored too."""
        _, data = self.pair(tmp_path)
        takes = build(tmp_path, mirrored=True, window=dict(type='WholeTrack'))
        for index, take, frames in ((3, 0, 9), (19, 2, 5), (39, 6, 9)):
            inputs = data.__getitems__([index])['inputs']
            whole = takes[take]
            labels = whole['data_samples'].gt_instance_labels
            rows = []
            for points, poses in zip(
                inputs['drawn_keypoints'][0], inputs['drawn_poses'][0]
            ):
                (row,) = [
                    row
                    for row in range(frames)
                    if torch.equal(points, whole['inputs'][row, :, :2])
                ]
                rows.append(row)
                assert torch.equal(poses, labels.lifting_target_label[row])
            assert len(rows) == 7
            assert (len(set(rows)) == 7) == (frames == 9)

    def test_draws_are_fresh_and_by_seed(self, tmp_path):
        _, data = self.pair(tmp_path)
        draws = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            draws.append(
                [
                    data.__getitems__([0, 5])['inputs']['drawn_poses']
                    for _ in range(2)
                ]
            )
        assert torch.equal(draws[0][0], draws[1][0])
        assert not torch.equal(draws[0][0], draws[2][0])
        assert not torch.equal(*draws[0])

    @pytest.mark.parametrize('workers', [0, 2])
    def test_by_a_data_loader(self, workers, tmp_path):
        _, data = self.pair(tmp_path)
        loader = DataLoader(
            data, batch_size=30, num_workers=workers, collate_fn=take_batch
        )
        torch.manual_seed(0)
        epochs = [list(loader), list(loader)]
        shapes = [b['inputs']['keypoints'].shape for b in epochs[0]]
        assert shapes == [(30, 5, 17, 3)] * 2 + [(12, 5, 17, 3)]
        first, second = (e[0]['inputs']['drawn_poses'] for e in epochs)
        assert not torch.equal(first, second)

    def test_refused(self, tmp_path):
        write(tmp_path, TAKES)
        with pytest.raises(ValueError, match='needs the window FramesAround'):
            build(tmp_path, as_batches=True)
        with pytest.raises(ValueError, match='drawn_frames needs as_batches'):
            build(tmp_path, drawn_frames=3)
        with pytest.raises(TypeError, match='for data sets with as_batches'):
            take_batch([build(tmp_path)[0]])


def test_actions_and_subjects(tmp_path):
    write(tmp_path, TAKES)
    assert len(build(tmp_path, actions=['Eating'])) == 2
    assert len(build(tmp_path, subjects=['S9'])) == 2


def test_more_2d_frames_are_cut(tmp_path):
    def longer(points, world, scores):
        points['S1']['Walking'] = [
            np.concatenate([p, p[-2:]]) for p in points['S1']['Walking']
        ]
        scores['S1_Walking.0'] = scores['S1_Walking.0'][:-1].reshape(-1)

    _, _, scores = write(tmp_path, TAKES, change=longer)
    found = build(tmp_path, score_file='score.pkl')[0]['inputs']
    assert len(found) == 9
    # A frame short: the last one's again.
    np.testing.assert_array_equal(found[-1, :, 2], found[-2, :, 2])
    np.testing.assert_array_equal(
        found[:-1, :, 2].flatten(), scores['S1_Walking.0']
    )


def nan(points, world, scores):
    points['S5']['Eating'][1][2, 3] = np.nan


def no_camera(points, world, scores):
    points['S5']['Eating'].pop()


def short(points, world, scores):
    points['S5']['Eating'][0] = points['S5']['Eating'][0][:-1]


def no_subject(points, world, scores):
    del points['S5']


def no_score(points, world, scores):
    del scores['S5_Eating.1']


def other_joints(points, world, scores):
    world['S5']['Eating'] = world['S5']['Eating'][:, :15]


@pytest.mark.parametrize(
    'change, message',
    [
        (nan, r"S5, 'Eating', camera 1: frame 2 holds numbers that are no "),
        (no_camera, r"gt.npz: S5, 'Eating' must be a list .* of 2 cameras"),
        (short, r'camera 0: 2D \(3, 17, 2\) and 3D \(4, 17, 3\) do not go'),
        (no_subject, r"2d_h36m_gt.npz has no subject 'S5'; it has \['S1',"),
        (no_score, r"score.pkl has no scores of 'S5_Eating.1' for 4 frames"),
        (other_joints, r'3D \(4, 15, 3\) do not go together as frames of 17'),
    ],
)
def test_bad_files(change, message, tmp_path):
    write(tmp_path, TAKES, change=change)
    with pytest.raises(ValueError, match=message) as info:
        build(tmp_path, score_file='score.pkl')
    assert '\n' not in str(info.value)


def test_missing_files_and_cameras(tmp_path):
    write(tmp_path, TAKES)
    with pytest.raises(FileNotFoundError, match='none.npz: no such file'):
        build(tmp_path, keypoints_file='none.npz')
    cameras = json.loads((tmp_path / 'cameras.json').read_text())
    del cameras['S5']
    (tmp_path / 'cameras.json').write_text(json.dumps(cameras))
    known = "no camera of subject 'S5' is known, only those of .* to "
    with pytest.raises(ValueError, match=f'{known}{tmp_path}/cameras.json'):
        build(tmp_path)
    del cameras['S1'][1]['focal']
    (tmp_path / 'cameras.json').write_text(json.dumps(cameras))
    with pytest.raises(ValueError, match='camera 1 of S1 is no camera'):
        build(tmp_path)


class TestCameras:
    def test_json(self):
        cameras = h36m_cameras()
        text = json.dumps(cameras_to_json(cameras)).encode()
        assert cameras_from_json(text, 'x') == cameras

    @pytest.mark.parametrize('text', ['[]', '{"S1": 3}', '{"S1": [[]]}'])
    def test_no_json_of_cameras(self, text):
        if text == '[]':
            text = '[1]'
        with pytest.raises(ValueError, match='x: .* is no camera; it needs'):
            cameras_from_json(text.encode(), 'x')

    def test_the_middle_of_the_hall_is_in_every_picture(self):
        """A point 0.9 m over the origin, 4 to 7 m away, near the middle."""
        for table, count in ((h36m_cameras(), 4), (humaneva_cameras(), 3)):
            for cameras in table.values():
                assert len(cameras) == count
                for camera in cameras:
                    point = camera.from_world(np.array([0, 0, 0.9]))
                    assert 2.5 < point[2] < 7
                    assert np.abs(point[:2] / point[2]).max() < 0.35
                    # z of the world is up, y of the camera down.
                    up = camera.from_world(np.array([0, 0, 1.9])) - point
                    assert up[1] < -0.9

    def test_normalized(self):
        points = np.array([[0.0, 0], [1000, 1002], [500, 501]])
        found = normalized(points, (1000, 1002))
        np.testing.assert_allclose(found, [[-1, -1.002], [1, 1.002], [0, 0]])
        np.testing.assert_allclose(in_pixels(found, (1000, 1002)), points)


def test_whole_track():
    window = WholeTrack(2, 1)
    rows, mask = window.clip([0], 3, np.array([True, False, True]))
    assert rows.tolist() == [0, 0, 0, 1, 2, 2]
    assert mask.tolist() == [False, False, True, False, True, False]
    assert len(window.places(3, np.zeros(3, bool))) == 0
    with pytest.raises(ValueError, match='must be at least 0'):
        WholeTrack(-1)


def test_real_humaneva():
    """Its own 2D keypoints are where the cameras see its 3D poses."""
    folder = require_real_data('humaneva')
    data = DATASETS.build(
        dict(
            type='HumanEvaSequenceDataset',
            data_root=str(folder),
            split='validate',
            window=dict(type='WholeTrack'),
            test_mode=True,
        )
    )
    assert Path(folder).is_dir() and len(data) == 3 * 42
    errors = []
    for i in range(len(data)):
        info = data.get_data_info(i)
        flat = project(
            torch.from_numpy(info['keypoints_3d']),
            torch.from_numpy(info['lens']),
        )
        errors.append(
            np.abs(in_pixels(flat.numpy(), (640, 480)) - info['keypoints'])
        )
    errors = np.concatenate(errors)
    assert errors.mean() < 1 and np.percentile(errors, 99) < 5
