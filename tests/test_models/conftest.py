# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Small clip models and hand-made data samples for the model tests."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from mmpose.utils import register_all_modules

import rpstn_mmpose  # noqa: F401

register_all_modules()  # sets the scope that nested configs are built in

NUM_JOINTS = 3
CODEC = dict(
    type='MSRAHeatmap', input_size=(64, 64), heatmap_size=(16, 16), sigma=1
)


def tiny_backbone():
    return dict(type='ResNet', depth=18, stem_channels=8, base_channels=8)


def tiny_image_head(out_channels=NUM_JOINTS):
    return dict(
        type='HeatmapHead',
        in_channels=64,
        out_channels=out_channels,
        deconv_out_channels=(8, 8, 8),
        deconv_kernel_sizes=(4, 4, 4),
        decoder=CODEC,
    )


def tiny_image_model(out_channels=NUM_JOINTS):
    return dict(
        type='TopdownPoseEstimator',
        backbone=tiny_backbone(),
        head=tiny_image_head(out_channels),
    )


def tiny_video_model(**overrides):
    """An RPSTN whose numbers fit on a page; 64 x 64 in, 16 x 16 heatmaps."""
    config = dict(
        type='VideoTopdownPoseEstimator',
        data_preprocessor=dict(
            type='ClipDataPreprocessor',
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
        ),
        backbone=tiny_backbone(),
        feature_neck=dict(
            type='DeconvNeck',
            in_channels=64,
            deconv_out_channels=(8, 8, 8),
            deconv_kernel_sizes=(4, 4, 4),
        ),
        initializer=tiny_image_model(),
        neck=dict(
            type='JRPSPNeck',
            in_channels=8,
            num_joints=NUM_JOINTS,
            heatmap_size=CODEC['heatmap_size'],
        ),
        head=dict(
            type='JREHead',
            in_channels=8,
            out_channels=NUM_JOINTS,
            deconv_out_channels=None,
            norm_cfg=dict(type='BN'),
            decoder=CODEC,
        ),
    )
    config.update(overrides)
    return config


def clip_sample(length=4, with_labels=True, seed=0):
    """A data sample as ``PackClipInputs`` makes it."""
    rng = np.random.default_rng(seed)
    sample = PoseDataSample(
        metainfo=dict(
            video_id='0001',
            frame_ids=list(range(1, length + 1)),
            frame_mask=np.ones(length, dtype=bool),
            input_size=(64, 64),
            input_center=np.full((length, 1, 2), 50.0, dtype=np.float32),
            input_scale=np.full((length, 1, 2), 128.0, dtype=np.float32),
            flip_indices=[0, 2, 1],
        )
    )
    sample.gt_instances = InstanceData(
        bboxes=np.tile(np.float32([0, 0, 100, 100]), (length, 1)),
        bbox_scores=np.ones(length, dtype=np.float32),
    )
    if with_labels:
        sample.gt_instance_labels = InstanceData(
            heatmaps=torch.from_numpy(
                rng.random((length, NUM_JOINTS, 16, 16), dtype=np.float32)
            ),
            keypoint_weights=torch.ones(length, NUM_JOINTS),
        )
    return sample


@pytest.fixture
def seed():
    torch.manual_seed(0)
    return 0
