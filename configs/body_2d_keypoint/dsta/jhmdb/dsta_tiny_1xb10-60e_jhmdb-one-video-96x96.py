_base_ = ['../../../_base_/clip_runtime.py']

# A check, not a benchmark: the network learns the frames that it is tested
# on, those of the videos in data_root (one of 40 frames: a minute on a core).

# runtime
train_cfg = dict(max_epochs=60, val_interval=60)

# optimizer
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.01))

# learning policy
param_scheduler = [
    dict(type='LinearLR', begin=0, end=20, start_factor=0.05, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=60,
        T_max=60,
        eta_min=2e-5,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]

# automatically scaling LR based on the actual training batch size (clips)
auto_scale_lr = dict(base_batch_size=10)

# hooks
default_hooks = dict(checkpoint=dict(interval=60), logger=dict(interval=4))

# convolutions of few channels are faster on a CPU in this order
custom_hooks = [
    dict(type='SyncBuffersHook'),
    dict(type='CheckpointGuardHook'),
    dict(type='ChannelsLastHook'),
]

# codec settings
codec = dict(type='RegressionLabel', input_size=(96, 96))

# model settings
num_joints = 15
clip_offsets = (-1, 0, 1)
model = dict(
    type='DSTA',
    data_preprocessor=dict(
        type='ClipDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='ResNet', depth=18, stem_channels=16, base_channels=16),
    neck=dict(type='JointTokenNeck', in_channels=128, num_joints=num_joints),
    aggregator=dict(
        type='SpaceTimeAggregation',
        metainfo='configs/_base_/datasets/jhmdb.py',
    ),
    head=dict(
        type='JointTokenHead',
        num_joints=num_joints,
        loss=dict(type='FlowRLELoss', use_target_weight=True),
        decoder=codec,
    ),
    clip_offsets=clip_offsets,
    test_cfg=dict(flip_test=False, shift_coords=True),
)

# base dataset settings
dataset_type = 'JHMDBClipDataset'
data_root = 'data/jhmdb/'

# pipelines; all frames of a clip are cropped by the wanted one's box
train_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipBBox', mode='wanted', padding=1.15),
    dict(
        type='ForEachFrame',
        transforms=[
            dict(type='TopdownAffine', input_size=codec['input_size'])
        ],
    ),
    dict(type='GenerateClipTarget', encoder=codec),
    dict(type='PackClipInputs'),
]
val_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipBBox', mode='wanted', padding=1.15),
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
    batch_size=10,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='all',
        sub=None,
        clip_offsets=clip_offsets,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=10,
    num_workers=0,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='all',
        sub=None,
        clip_offsets=clip_offsets,
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader

# evaluators
val_evaluator = dict(type='ClipPCK', thr=0.2, norm_item=['torso', 'person'])
test_evaluator = val_evaluator
