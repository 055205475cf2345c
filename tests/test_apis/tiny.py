# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Tiny models, configs and videos for the tests of the apis."""

import numpy as np
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from rpstn_mmpose.visualization import VideoWriter
from tests.test_models.conftest import (
    CODEC,
    tiny_backbone,
    tiny_image_head,
    tiny_video_model,
)

NUM_JOINTS = 13
INPUT = CODEC['input_size']
PIXELS = dict(
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
)


def image_model(**overrides):
    config = dict(
        type='TopdownPoseEstimator',
        data_preprocessor=dict(type='PoseDataPreprocessor', **PIXELS),
        backbone=tiny_backbone(),
        head=tiny_image_head(NUM_JOINTS),
    )
    config.update(overrides)
    return config


def video_model(**overrides):
    config = tiny_video_model()
    config['initializer']['head']['out_channels'] = NUM_JOINTS
    config['neck']['num_joints'] = NUM_JOINTS
    config['head']['out_channels'] = NUM_JOINTS
    config.update(overrides)
    return config


def pose_config(model=None, clip_length=5):
    """A config of Penn Action with a tiny model."""
    model = model or video_model()
    clips = model['type'] == 'VideoTopdownPoseEstimator'
    crop = dict(type='TopdownAffine', input_size=INPUT)
    if clips:
        pipeline = [
            dict(type='LoadClip'),
            dict(type='GetBBoxCenterScale'),
            dict(type='ForEachFrame', transforms=[crop]),
            dict(type='PackClipInputs'),
        ]
    else:
        pipeline = [
            dict(type='LoadImage'),
            dict(type='GetBBoxCenterScale'),
            crop,
            dict(type='PackPoseInputs'),
        ]
    dataset = dict(
        type='PennActionDataset',
        data_root='nowhere/',
        pipeline=pipeline,
        clip_length=clip_length,
    )
    return Config(
        dict(
            default_scope='mmpose',
            model=model,
            test_dataloader=dict(dataset=dataset),
        )
    )


def build(config, gain=2.2):
    """The model, all of whose weights matter: none is zero or one.

    A gain of 4 makes values explode a little, so that what a state holds is
    seen for many frames.
    """
    model = MODELS.build(config).eval()
    generator = torch.Generator().manual_seed(1)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and 'data_preprocessor' not in name:
            noise = torch.rand(tensor.shape, generator=generator)
            if name.endswith('running_var') or (
                tensor.dim() == 1 and 'weight' in name
            ):
                tensor.copy_(noise + 0.5)
            elif tensor.dim() == 1:
                tensor.copy_(noise * 0.2 - 0.1)
            else:
                fan_in = max(1, tensor[0].numel())
                tensor.copy_((noise - 0.5) * gain / fan_in**0.5)
    return model


def texture(height=64, width=96, seed=0):
    """(H, W, 3) uint8 of soft blobs, that video codecs keep."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3))
    return np.kron(small, np.ones((8, 8, 1)))[:height, :width].astype(np.uint8)


def write_video(path, num_frames=12, fps=12.5, height=64, width=96):
    with VideoWriter(path, fps=fps, crf=10) as video:
        base = texture(height, width)
        for index in range(num_frames):
            video.write(np.roll(base, 2 * index, axis=1))
    return path
