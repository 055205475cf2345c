_base_ = ['../../../_base_/clip_runtime.py']

# runtime
train_cfg = dict(max_epochs=1, val_interval=1)

# optimizer; the parts that stage 1 trained move more slowly
optim_wrapper = dict(
    optimizer=dict(type='Adam', lr=1e-3),
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=dict(lr_mult=0.5),
            feature_neck=dict(lr_mult=0.5),
            initializer=dict(lr_mult=0.5),
        )
    ),
)

# learning policy
param_scheduler = [
    dict(type='LinearLR', begin=0, end=50, start_factor=0.05, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=1,
        T_max=1,
        eta_min=2e-05,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]

# automatically scaling LR based on the actual training batch size (clips)
auto_scale_lr = dict(base_batch_size=8)

# hooks
default_hooks = dict(
    logger=dict(interval=25), checkpoint=dict(save_best='HiEve/AP@avg')
)
# convolutions of few channels are faster on a CPU in this order
custom_hooks = [
    dict(type='SyncBuffersHook'),
    dict(type='CheckpointGuardHook'),
    dict(type='ChannelsLastHook'),
]

# codec settings
codec = dict(
    type='MSRAHeatmap',
    input_size=(128, 128),
    heatmap_size=(32, 32),
    sigma=1.5,
    unbiased=True,
)

# model settings
num_joints = 14
tiny_resnet = dict(depth=18, stem_channels=16, base_channels=16)
deconv = dict(
    in_channels=128,
    deconv_out_channels=(64, 48, 32),
    deconv_kernel_sizes=(4, 4, 4),
)
# the image model of stage 1
model = dict(
    type='VideoTopdownPoseEstimator',
    data_preprocessor=dict(
        type='ClipDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='ResNet', **tiny_resnet),
    feature_neck=dict(type='DeconvNeck', **deconv),
    initializer=dict(
        type='TopdownPoseEstimator',
        backbone=dict(type='ResNet', **tiny_resnet),
        head=dict(type='HeatmapHead', out_channels=num_joints, **deconv),
    ),
    neck=dict(
        type='JRPSPNeck',
        in_channels=32,
        num_joints=num_joints,
        heatmap_size=codec['heatmap_size'],
        residual_kernel=True,
    ),
    head=dict(
        type='JREHead',
        in_channels=32,
        out_channels=num_joints,
        deconv_out_channels=None,
        norm_cfg=dict(type='BN'),
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    ),
    image_pretrained=dict(
        checkpoint='work_dirs/td-hm_tiny_1xb16-4e_synthetic-hieve-128x128/'
        'epoch_4.pth'
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True),
    train_cfg=dict(
        compute_acc=False,
        initializer_gradient=False,
        initializer_loss_weight=1.0,
    ),
)

# base dataset settings
dataset_type = 'HiEveClipDataset'
data_root = 'data/synthetic_hieve/'
clip_length = 5

# pipelines
train_pipeline = [
    dict(type='LoadClip'),
    dict(type='GetBBoxCenterScale', padding=1.15),
    dict(type='ClipRandomFlip', direction='horizontal'),
    dict(
        type='ForEachFrame',
        transforms=[
            dict(
                type='RandomBBoxTransform',
                shift_prob=0,
                scale_factor=(0.9, 1.15),
                rotate_factor=10,
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
    dict(type='GetBBoxCenterScale', padding=1.15),
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
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train15',
        clip_length=clip_length,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
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
# detections, of which each is the last frame of a clip
test_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
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
