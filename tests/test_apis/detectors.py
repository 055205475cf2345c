# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A tiny MMDetection detector."""

from mmengine.config import Config


def detector_config(classes=('dog', 'person')):
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(128, 96), keep_ratio=True),
        dict(
            type='PackDetInputs',
            meta_keys=(
                'img_id',
                'img_path',
                'ori_shape',
                'img_shape',
                'scale_factor',
            ),
        ),
    ]
    return Config(
        dict(
            default_scope='mmdet',
            model=dict(
                type='FCOS',
                data_preprocessor=dict(
                    type='DetDataPreprocessor',
                    mean=[120.0] * 3,
                    std=[60.0] * 3,
                    pad_size_divisor=32,
                ),
                backbone=dict(
                    type='ResNet', depth=18, base_channels=8, stem_channels=8
                ),
                neck=dict(
                    type='FPN',
                    in_channels=[8, 16, 32, 64],
                    out_channels=16,
                    start_level=1,
                    add_extra_convs='on_output',
                    num_outs=5,
                ),
                bbox_head=dict(
                    type='FCOSHead',
                    num_classes=len(classes),
                    in_channels=16,
                    stacked_convs=1,
                    feat_channels=16,
                    norm_cfg=dict(type='GN', num_groups=4),
                ),
                test_cfg=dict(
                    nms_pre=200,
                    min_bbox_size=0,
                    score_thr=0.0,
                    nms=dict(type='nms', iou_threshold=0.9),
                    max_per_img=50,
                ),
            ),
            test_dataloader=dict(
                dataset=dict(
                    type='CocoDataset',
                    metainfo=dict(classes=classes),
                    pipeline=pipeline,
                )
            ),
        )
    )
