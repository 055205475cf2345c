# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A small PoseWarper, and clips of Penn Action for it."""

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmpose.registry import DATASETS, MODELS

K = 13
OFFSETS = (-2, -1, 0, 1, 2)
CODEC = dict(
    type='MSRAHeatmap', input_size=(96, 64), heatmap_size=(24, 16), sigma=2
)
PIXELS = dict(
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
)


def image_parts(head='HeatmapHead', **options):
    """Of a model of images: a thin ResNet and a deconvolution."""
    return dict(
        backbone=dict(
            type='ResNet', depth=18, stem_channels=8, base_channels=8
        ),
        head=dict(
            type=head,
            in_channels=64,
            out_channels=K,
            deconv_out_channels=(8, 8, 8),
            deconv_kernel_sizes=(4, 4, 4),
            loss=dict(type='KeypointMSELoss', use_target_weight=True),
            decoder=CODEC,
            **options,
        ),
    )


def image_model(**overrides):
    return dict(
        type='TopdownPoseEstimator',
        data_preprocessor=dict(type='PoseDataPreprocessor', **PIXELS),
        **{**image_parts(), **overrides},
    )


def pose_warper(**overrides):
    model = dict(
        type='PoseWarper',
        data_preprocessor=dict(type='ClipDataPreprocessor', **PIXELS),
        **image_parts(),
        warper=dict(
            type='HeatmapWarper',
            num_joints=K,
            inner_channels=4,
            num_blocks=1,
            dilations=(1, 3),
        ),
    )
    model.update(overrides)
    return model


def build(config=None, trained=True):
    """In evaluation mode; with a warper that moves joints if trained."""
    model = MODELS.build(config or pose_warper())
    model.init_weights()
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        if name.endswith('num_batches_tracked'):
            continue
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith('running_var'):
            value.copy_(noise.abs() * 0.2 + 0.9)
        elif trained and name.startswith('warper.'):
            value.add_(noise * 0.1)
        elif value.dim() == 4 and not name.startswith('warper.'):
            fan = value[0].numel()
            value.copy_(noise * (2 / fan) ** 0.5)
    return model.eval()


def pipeline(training, box='per_frame'):
    affine = dict(type='TopdownAffine', input_size=CODEC['input_size'])
    return [
        dict(type='LoadClip'),
        dict(type='ClipBBox', mode=box),
        dict(type='ForEachFrame', transforms=[affine]),
        *([dict(type='GenerateClipTarget', encoder=CODEC)] * training),
        dict(type='PackClipInputs'),
    ]


def dataset(root, training=False, box='per_frame', **options):
    options.setdefault('clip_offsets', OFFSETS)
    return dict(
        type='PennActionDataset',
        data_root=str(root),
        split='train' if training else 'test',
        test_mode=not training,
        pipeline=pipeline(training, box),
        **options,
    )


def pairs(root, offsets=(0, 1)):
    """Clips of two frames, the one at offset 0 wanted, of one crop."""
    return DATASETS.build(
        dataset(root, training=True, box='wanted', clip_offsets=offsets)
    )


def batch_of(model, items):
    return model.data_preprocessor(pseudo_collate(list(items)), False)


def keypoints(sample):
    return np.asarray(sample.pred_instances.keypoints)
