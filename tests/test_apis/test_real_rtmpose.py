# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""RTMPose with a memory on a real clip of two people who touch."""

from itertools import islice
from pathlib import Path

import cv2
import mmpose
import numpy as np
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from rpstn_mmpose.apis import VideoPoseInferencer
from rpstn_mmpose.apis.video_io import open_source
from rpstn_mmpose.visualization.video_writer import VideoWriter
from tests.real_data import require_real_data

RECIPE = 'body_2d_keypoint/rtmpose/coco/rtmpose-t_8xb256-420e_coco-256x192.py'
BOXES = [[96, 54, 264, 257], [216, 54, 384, 257]]
FRAMES = 3


def test_its_scores_and_what_is_remembered(tmp_path):
    """With a memory of nothing MMPose's scores; with one, the first frame's
    alone. Two people in each frame, in JSON as in Python."""
    real = require_real_data('real_clips/mmaction2_demo_skeleton.mp4')
    clip = tmp_path / 'clip.mp4'
    with VideoWriter(clip, 28) as writer:
        for frame in islice(open_source(str(real)), 0, 20 * FRAMES, 20):
            writer.write(cv2.resize(frame.image, None, fx=0.25, fy=0.25))
    config = Config.fromfile(
        Path(mmpose.__file__).parent / '.mim/configs' / RECIPE
    )
    config.model.backbone.init_cfg = None
    config.model.test_cfg.flip_test = False
    weights = tmp_path / 'rtmpose.pth'
    torch.manual_seed(0)
    torch.save(
        dict(state_dict=MODELS.build(config.model).state_dict()), weights
    )
    scores = {}
    for name, memory in dict(
        alone=None,
        nothing=dict(type='RecursiveHeatmapMean', weight=0.0, others_weight=1),
        mean=dict(type='RecursiveHeatmapMean', weight=0.7, others_weight=1),
    ).items():
        find = VideoPoseInferencer(
            config.copy(), str(weights), memory=memory, device='cpu'
        )
        results = list(find(str(clip), bboxes=[BOXES] * FRAMES))
        people = [result['predictions'][0] for result in results]
        assert [len(frame) for frame in people] == [2] * FRAMES
        scores[name] = np.array(
            [[p['keypoint_scores'] for p in frame] for frame in people]
        )
    np.testing.assert_allclose(scores['nothing'], scores['alone'], rtol=1e-4)
    np.testing.assert_allclose(scores['mean'][0], scores['alone'][0], 1e-4)
    changed = np.abs(scores['mean'][1:] / scores['alone'][1:] - 1)
    assert changed.max() > 1e-3
