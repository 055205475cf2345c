_base_ = ['../../../_base_/clip_runtime.py']

# runtime
train_cfg = dict(max_epochs=100, val_interval=5)

# optimizer
optim_wrapper = dict(optimizer=dict(type='Adam', lr=5e-4))

# learning policy
param_scheduler = [
    dict(
        type='MultiStepLR',
        begin=0,
        end=100,
        milestones=[8, 15, 25, 40, 80],
        gamma=0.1,
        by_epoch=True,
    )
]

# automatically scaling LR based on the actual training batch size (clips)
auto_scale_lr = dict(base_batch_size=64)

# hooks
default_hooks = dict(checkpoint=dict(save_best='HiEve/AP@avg'))

# codec settings
codec = dict(
    type='MSRAHeatmap', input_size=(256, 256), heatmap_size=(64, 64), sigma=2
)

# model settings
num_joints = 14
model = dict(
    type='VideoTopdownPoseEstimator',
    data_preprocessor=dict(
        type='ClipDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='ResNet', depth=50),
    feature_neck=dict(type='DeconvNeck', in_channels=2048),
    initializer=dict(
        type='TopdownPoseEstimator',
        backbone=dict(type='ResNet', depth=50),
        head=dict(
            type='HeatmapHead', in_channels=2048, out_channels=num_joints
        ),
    ),
    neck=dict(
        type='JRPSPNeck',
        in_channels=256,
        num_joints=num_joints,
        heatmap_size=codec['heatmap_size'],
    ),
    head=dict(
        type='JREHead',
        in_channels=256,
        out_channels=num_joints,
        deconv_out_channels=None,
        norm_cfg=dict(type='BN'),
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    ),
    # the paper's start: a SimpleBaseline (COCO, MPII) trained on HiEve first
    image_pretrained=dict(
        checkpoint='work_dirs/td-hm_res50_8xb32-20e_hieve-256x256/epoch_20.pth'
    ),
    # the paper tests without flipping
    test_cfg=dict(flip_test=False),
)

# base dataset settings
dataset_type = 'HiEveClipDataset'
data_root = 'data/HIE20/'
clip_length = 5

# pipelines
train_pipeline = [
    dict(type='LoadClip'),
    dict(type='GetBBoxCenterScale'),
    dict(type='ClipRandomFlip', direction='horizontal'),
    dict(
        type='ForEachFrame',
        transforms=[
            dict(
                type='RandomBBoxTransform',
                shift_prob=0,
                scale_factor=(0.8, 1.4),
                rotate_factor=40,
                rotate_prob=1.0,
            ),
            dict(type='TopdownAffine', input_size=codec['input_size']),
        ],
    ),
    dict(type='GenerateClipTarget', encoder=codec),
    dict(type='PackClipInputs'),
]
val_pipeline = [
    dict(type='LoadClip'),
    dict(type='GetBBoxCenterScale'),
    dict(
        type='ForEachFrame',
        transforms=[
            dict(type='TopdownAffine', input_size=codec['input_size'])
        ],
    ),
    dict(type='PackClipInputs'),
]

# data loaders
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train15',
        clip_length=clip_length,
        pipeline=train_pipeline,
    ),
)
# annotated boxes; RPSTN is selected by these 4 of the 19 labelled videos
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='val4',
        clip_length=clip_length,
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
# detections of the same videos (docs/hieve.md tells their format); each is the
# last frame of a clip. For the server: split='test', its detections, and
# test_evaluator.ann_dir=None with an out_file
test_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='val4',
        clip_length=clip_length,
        test_mode=True,
        pipeline=val_pipeline,
        bbox_file=data_root + 'detections/val4.json',
        bbox_score_thr=0.4,
    ),
)

# evaluators
val_evaluator = dict(
    type='HiEveMetric', ann_dir=data_root + 'labels/train', split='val4'
)
test_evaluator = val_evaluator
