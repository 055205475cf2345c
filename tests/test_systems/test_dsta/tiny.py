# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A small DSTA, and clips of Penn Action for it."""

import torch
from mmengine.dataset import pseudo_collate
from mmpose.registry import DATASETS, MODELS

K = 13
OFFSETS = (-1, 0, 1)
CODEC = dict(type='RegressionLabel', input_size=(48, 64))
METAINFO = dict(
    penn='configs/_base_/datasets/penn_action.py',
    jhmdb='configs/_base_/datasets/jhmdb.py',
    posetrack='configs/_base_/datasets/posetrack18.py',
)
DIMS = 8


def dsta(num_joints=K, metainfo=METAINFO['penn'], aggregator=(), **overrides):
    model = dict(
        type='DSTA',
        data_preprocessor=dict(
            type='ClipDataPreprocessor',
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
        ),
        backbone=dict(
            type='ResNet', depth=18, stem_channels=8, base_channels=8
        ),
        neck=dict(
            type='JointTokenNeck',
            in_channels=64,
            num_joints=num_joints,
            embed_dims=DIMS,
        ),
        aggregator=dict(
            type='SpaceTimeAggregation',
            metainfo=metainfo,
            embed_dims=DIMS,
            depth=2,
            num_heads=2,
            **dict(aggregator),
        ),
        head=dict(
            type='JointTokenHead',
            num_joints=num_joints,
            in_channels=DIMS,
            loss=dict(type='FlowRLELoss', use_target_weight=True),
            decoder=CODEC,
        ),
        clip_offsets=OFFSETS,
    )
    model.update(overrides)
    return model


def build(config=None, seed=1):
    """In evaluation mode, with weights that all matter."""
    model = MODELS.build(config or dsta())
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith('num_batches_tracked') or 'flow_model' in name:
            continue
        if name.endswith('running_var'):
            value.copy_(noise.abs() * 0.2 + 0.9)
        elif 'weight' in name and value.dim() == 1:
            value.copy_(noise * 0.1 + 1)
        elif 'weight' in name and 'mix' not in name:
            value.copy_(noise * (1.5 / value[0].numel()) ** 0.5)
        else:
            value.copy_(noise * 0.5)
    return model.eval()


def clips(batch=2, frames=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, 3, 64, 48, generator=generator)


def answer(model, inputs):
    """(B, K, 4), and that the joints differ."""
    with torch.no_grad():
        found = model(inputs, None, mode='tensor')
    assert found.std(dim=1).min() > 1e-3
    return found


def pipeline(training=False, box='per_frame'):
    affine = dict(type='TopdownAffine', input_size=CODEC['input_size'])
    return [
        dict(type='LoadClip'),
        dict(type='ClipBBox', mode=box),
        dict(type='ForEachFrame', transforms=[affine]),
        *([dict(type='GenerateClipTarget', encoder=CODEC)] * training),
        dict(type='PackClipInputs'),
    ]


def dataset(root, offsets=OFFSETS, training=False, box='per_frame'):
    return dict(
        type='PennActionDataset',
        data_root=str(root),
        split='train' if training else 'test',
        clip_offsets=offsets,
        test_mode=not training,
        pipeline=pipeline(training, box),
    )


def batch_of(model, root, rows=(0, 1), **options):
    """Inputs and samples of some clips."""
    data = DATASETS.build(dataset(root, **options))
    return model.data_preprocessor(
        pseudo_collate([data[row] for row in rows]), False
    )
