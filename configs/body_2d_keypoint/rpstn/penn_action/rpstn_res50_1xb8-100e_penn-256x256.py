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
auto_scale_lr = dict(base_batch_size=8)

# codec settings
codec = dict(
    type='MSRAHeatmap', input_size=(256, 256), heatmap_size=(64, 64), sigma=2
)

# model settings
num_joints = 13
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
    # MMPose's MPII model; for every Penn joint the MPII joint it starts from
    image_pretrained=dict(
        checkpoint='https://download.openmmlab.com/mmpose/top_down/resnet/'
        'res50_mpii_256x256-418ffc88_20200812.pth',
        source_metainfo='configs/_base_/datasets/mpii.py',
        joints=[
            'head_top',
            'left_shoulder',
            'right_shoulder',
            'left_elbow',
            'right_elbow',
            'left_wrist',
            'right_wrist',
            'left_hip',
            'right_hip',
            'left_knee',
            'right_knee',
            'left_ankle',
            'right_ankle',
        ],
    ),
    # the paper tests without flipping
    test_cfg=dict(flip_test=False),
)

# base dataset settings
dataset_type = 'PennActionDataset'
data_root = 'data/penn_action/'
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
        split='train',
        clip_length=clip_length,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='test',
        clip_length=clip_length,
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader

# evaluators
val_evaluator = dict(type='ClipPCK', thr=0.2, norm_item=['torso', 'person'])
test_evaluator = val_evaluator
