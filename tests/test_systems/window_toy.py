# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A system of windows: the mean of three frames' features, coordinates out.

All of it is here: the estimator, and a recipe on any clip data set. Head,
loss, flip test and decoding are MMPose's.
"""

from mmpose.registry import MODELS

from rpstn_mmpose.models import WindowPoseEstimator

OFFSETS = (-1, 0, 1)
CODEC = dict(type='RegressionLabel', input_size=(64, 64))


@MODELS.register_module()
class MeanOfFrames(WindowPoseEstimator):
    """Features of the wanted frame: the mean over the window."""

    def combine(self, feats, offsets):
        return tuple(level.mean(dim=1) for level in feats)


def toy_model(num_joints, offsets=OFFSETS, **overrides):
    model = dict(
        type='MeanOfFrames',
        clip_offsets=offsets,
        data_preprocessor=dict(
            type='ClipDataPreprocessor',
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
        ),
        backbone=dict(
            type='ResNet', depth=18, stem_channels=8, base_channels=8
        ),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='RLEHead',
            in_channels=64,
            num_joints=num_joints,
            loss=dict(type='RLELoss', use_target_weight=True),
            decoder=CODEC,
        ),
    )
    model.update(overrides)
    return model


def toy_pipeline(training):
    affine = dict(type='TopdownAffine', input_size=CODEC['input_size'])
    return [
        dict(type='LoadClip'),
        dict(type='GetBBoxCenterScale'),
        dict(type='ForEachFrame', transforms=[affine]),
        *([dict(type='GenerateClipTarget', encoder=CODEC)] * training),
        dict(type='PackClipInputs'),
    ]
