# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A lifter, moved in as a folder of its own would."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.runner import Runner
from mmpose.registry import DATASETS

from rpstn_mmpose.apis import VideoPoseInferencer
from rpstn_mmpose.apis.lifters import load_lifter
from rpstn_mmpose.streams import LifterStream
from tests.test_apis.tiny import build, image_model, pose_config, write_video

from .lifter_toy import BEFORE, K, toy_dataset, toy_model
from .window_toy import toy_model as window_model
from .window_toy import toy_pipeline


def loader(training):
    return dict(
        batch_size=8,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=training),
        dataset=toy_dataset(training),
    )


def recipe(**others):
    return Config(
        dict(
            default_scope='mmpose',
            model=toy_model(),
            train_dataloader=loader(True),
            train_cfg=dict(by_epoch=True, max_epochs=6, val_interval=6),
            optim_wrapper=dict(optimizer=dict(type='Adam', lr=1e-2)),
            val_dataloader=loader(False),
            val_cfg=dict(),
            val_evaluator=dict(type='SequenceMPJPE'),
            test_dataloader=loader(False),
            test_cfg=dict(),
            test_evaluator=dict(type='SequenceMPJPE'),
            **others,
        )
    )


def test_trains_and_is_tested_by_the_stock_runner(tmp_path):
    runner = Runner.from_cfg(
        recipe(work_dir=str(tmp_path), randomness=dict(seed=0))
    )
    before = runner.test()['MPJPE']
    runner.train()
    assert runner.test()['MPJPE'] < 0.85 * before


def stream_of(model):
    steps = toy_dataset(False)['pipeline']
    return LifterStream(model, Compose(steps))


def test_a_stream_gives_what_the_clips_give():
    """The start of the video included, where the first frame repeats."""
    model = build(toy_model())
    clips = DATASETS.build(toy_dataset(False))
    track = clips.load_tracks()[0]
    stream = stream_of(model)
    assert stream.delay == 0
    for row in range(len(track)):
        (poses,) = stream.push(
            track.keypoints[row][None], np.ones((1, K)), [7], (128, 128)
        )
        expected = model.test_step(pseudo_collate([clips[row]]))[0]
        assert (poses.frame, poses.person_ids) == (row, [7])
        np.testing.assert_allclose(
            poses.keypoints_3d,
            expected.pred_instances.keypoints,
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize('offsets', [(0,), (-1, 0, 1)])
def test_inferencer_lifts_what_it_finds(tmp_path, monkeypatch, offsets):
    """Behind a 2D model, with a delay or without; 3D of tracked people."""
    monkeypatch.chdir(tmp_path)
    video = write_video(tmp_path / 'walk.mp4', num_frames=5)
    data = dict(
        type='PennActionDataset',
        data_root='nowhere',
        split='test',
        pipeline=toy_pipeline(False),
    )
    pose2d = Config(
        dict(
            default_scope='mmpose',
            model=window_model(K, offsets),
            test_dataloader=dict(dataset=data),
        )
    )
    inferencer = VideoPoseInferencer(pose2d, device='cpu', lifter=recipe())
    boxes = [[[8, 8, 48, 56]]] * 5
    boxes[3] = []
    results = list(inferencer(str(video), bboxes=boxes, pred_out_dir='out'))
    assert [result['frame_id'] for result in results] == list(range(5))
    model = inferencer.lifter.model
    points = [
        result['predictions'][0][0]['keypoints']
        for result in results
        if result['predictions'][0]
    ]
    assert len(points) == 4
    written = json.loads((tmp_path / 'out/walk.json').read_text())
    for frame in (0, 1, 2):
        seen = points[: frame + 1]
        window = [points[0]] * (BEFORE - frame) + seen
        with torch.no_grad():
            # From the middle, in halves of the width of 96 pixels.
            inputs = (torch.tensor([window]) - torch.tensor([48, 32])) / 48
            expected = model(inputs, None, mode='tensor')[0, 0]
        for people in (
            results[frame]['predictions'][0],
            written['instance_info'][frame]['instances'],
        ):
            np.testing.assert_allclose(
                people[0]['keypoints_3d'], expected, rtol=1e-3, atol=1e-3
            )


def test_what_is_refused():
    config = pose_config(image_model())
    names = dict(enumerate('abc'))
    with pytest.raises(ValueError, match='lifts the joints head.*finds a, b'):
        load_lifter(recipe(), None, dict(keypoint_id2name=names), 'cpu')
    with pytest.raises(ValueError, match='lifter_weights is of a lifter'):
        VideoPoseInferencer(config, device='cpu', lifter_weights='a.pth')
    with pytest.raises(ValueError, match='makes no 3D poses of 2D poses'):
        VideoPoseInferencer(config, device='cpu', lifter=config)
