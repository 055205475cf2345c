# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A video in, 3D poses of tracked people out, behind another skeleton."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config

from rpstn_mmpose.apis import VideoPoseInferencer
from rpstn_mmpose.apis.lifters import load_lifter
from rpstn_mmpose.structures.joint_map import JointMap
from tests.test_apis.tiny import image_model, pose_config, write_video
from tests.test_body_3d_configs import load

RECIPE = (
    'anatomy3d/synthetic_h36m/'
    'anatomy3d_tiny-27frm-causal_1xb256-5e_synthetic-h36m.py'
)


@pytest.fixture
def lifter(tmp_path):
    """A recipe as a file, flip test included."""
    path = tmp_path / 'lifter.py'
    load(RECIPE).dump(path)
    return str(path)


def names_of(metainfo):
    names = metainfo['keypoint_id2name']
    return [names[number] for number in sorted(names)]


def test_people_of_penn_action_in_3d(lifter, tmp_path, monkeypatch):
    """13 joints are found and 17 lifted; somebody is away for a frame."""
    monkeypatch.chdir(tmp_path)
    video = write_video(tmp_path / 'walk.mp4', num_frames=5)
    inferencer = VideoPoseInferencer(
        pose_config(image_model()), device='cpu', lifter=lifter
    )
    boxes = [[[8, 8, 48, 56]]] * 5
    boxes[2] = []
    results = list(inferencer(str(video), bboxes=boxes, pred_out_dir='out'))
    written = json.loads((tmp_path / 'out/walk.json').read_text())
    told = written['meta_info']['keypoints_3d']
    assert told['keypoint_names'][0] == 'root' and told['unit'] == 'metre'
    assert len(told['keypoint_names']) == 17
    joints = JointMap(
        names_of(inferencer.dataset_meta), told['keypoint_names']
    )
    for result, line in zip(results, written['instance_info']):
        people = result['predictions'][0]
        assert len(people) == (result['frame_id'] != 2)
        for person, record in zip(people, line['instances']):
            assert np.shape(person['keypoints']) == (13, 2)
            assert np.shape(person['keypoints_3d']) == (17, 3)
            assert record['keypoints_3d'] == person['keypoints_3d']
    # The first frame by hand: it is its whole window, and its mirror's.
    first = results[0]['predictions'][0][0]
    points, scores = joints(
        np.array([first['keypoints']]), np.array([first['keypoint_scores']])
    )
    x = np.concatenate([(points - [48, 32]) / 48, scores[..., None]], axis=-1)
    x = torch.from_numpy(np.repeat(x[None], 27, axis=1)).float()
    model = inferencer.lifter.model
    pairs = inferencer.lifter.metainfo['flip_indices']
    sign = torch.tensor([-1.0, 1, 1])
    with torch.no_grad():
        pose = model(x, None)[0, 0]
        other = model(x[:, :, pairs] * sign, None)[0, 0][pairs] * sign
    np.testing.assert_allclose(
        first['keypoints_3d'], (pose + other) / 2, rtol=1e-3, atol=1e-4
    )


def test_joints_that_do_not_suffice(lifter):
    """A 2D model without hips."""
    config = Config.fromfile(lifter)
    meta = dict(keypoint_id2name={0: 'head', 1: 'left_wrist'})
    with pytest.raises(ValueError, match='root needs pelvis or') as info:
        load_lifter(config, None, meta, 'cpu')
    assert '\n' not in str(info.value)


def test_drawn_beside_the_video(lifter, tmp_path):
    """At the right of what is drawn without; as high as the frame."""
    video = write_video(tmp_path / 'walk.mp4', num_frames=2)
    inferencer = VideoPoseInferencer(
        pose_config(image_model()), device='cpu', lifter=lifter
    )
    plain, wide = (
        [
            result['visualization'][0]
            for result in inferencer(
                str(video),
                bboxes=[[[8, 8, 48, 56]]] * 2,
                return_vis=True,
                draw_3d=draw,
            )
        ]
        for draw in (False, True)
    )
    for one, other in zip(plain, wide):
        assert one.shape == (64, 96, 3) and other.shape == (64, 96 + 64, 3)
        np.testing.assert_array_equal(other[:, :96], one)
        panel = other[:, 96:].reshape(-1, 3)
        assert (panel == 255).all(axis=1).mean() > 0.5
        assert len(np.unique(panel, axis=0)) > 5


def test_nothing_to_draw(lifter, tmp_path):
    video = str(write_video(tmp_path / 'walk.mp4', num_frames=1))
    config = pose_config(image_model())
    with pytest.raises(ValueError, match='draw_3d is of 3D poses; give a li'):
        VideoPoseInferencer(config, device='cpu')(
            video, bboxes=[[]], return_vis=True, draw_3d=True
        )
    with pytest.raises(ValueError, match='draw_3d is of the picture; give'):
        VideoPoseInferencer(config, device='cpu', lifter=lifter)(
            video, bboxes=[[]], draw_3d=True
        )
