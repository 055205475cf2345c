_base_ = ['../../../_base_/clip_runtime.py']

# runtime
train_cfg = dict(max_epochs=4, val_interval=4)

# optimizer
optim_wrapper = dict(optimizer=dict(type='Adam', lr=2e-3))

# learning policy
param_scheduler = [
    dict(type='LinearLR', begin=0, end=50, start_factor=0.05, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=4,
        T_max=4,
        eta_min=2e-5,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]

# automatically scaling LR based on the actual training batch size
auto_scale_lr = dict(base_batch_size=16)

# hooks
default_hooks = dict(logger=dict(interval=25))
custom_hooks = [
    dict(type='SyncBuffersHook'),
    dict(type='CheckpointGuardHook'),
    dict(type='ChannelsLastHook'),
]

# start weights: the image model whose poses are refined
load_from = (
    'work_dirs/td-hm_tiny_1xb16-4e_synthetic-penn-tracks-128x128/epoch_4.pth'
)

# codec settings
codec = dict(type='RegressionLabel', input_size=(128, 128))

# model settings
num_joints = 13
model = dict(
    type='PoseRefiner',
    sigma=3.5,
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='ResNet', depth=18, stem_channels=16, base_channels=16),
    head=dict(
        type='PoseFixHead',
        in_channels=128,
        out_channels=num_joints,
        deconv_out_channels=(64, 48, 32),
        deconv_kernel_sizes=(4, 4, 4),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True),
)

# base dataset settings; clips of one frame are MMPose's own samples
dataset_type = 'PennActionDataset'
data_root = 'data/synthetic_penn_tracks/'
# what is refined: results in COCO's form whose image_id is VIDEO/FRAME, as
# tools/compare_systems.py leaves those of the image model
pose_file = 'work_dirs/compare/image/seed0/poses.json'

# pipelines; one person of each video is labelled: nobody to swap joints with
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale', padding=1.25),
    dict(type='RandomFlip', direction='horizontal'),
    dict(
        type='RandomBBoxTransform',
        shift_prob=0,
        scale_factor=(0.8, 1.25),
        rotate_factor=10,
        rotate_prob=1.0,
    ),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(
        type='SynthesizePoseErrors',
        metainfo='configs/_base_/datasets/penn_action.py',
    ),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadInputPose', pose_file=pose_file),
    dict(type='GetPoseCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='AddInputPose'),
    dict(type='PackPoseInputs'),
]

# data loaders
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        clip_length=1,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=0,
    persistent_workers=False,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='test',
        clip_length=1,
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader

# evaluators
val_evaluator = dict(type='ClipPCK', thr=0.2, norm_item=['torso', 'person'])
test_evaluator = val_evaluator
