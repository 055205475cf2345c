_base_ = ['../../../_base_/clip_runtime.py']

# runtime
train_cfg = dict(max_epochs=2, val_interval=2)

# optimizer; the image model gets no gradients
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3))

# learning policy
param_scheduler = [
    dict(type='LinearLR', begin=0, end=50, start_factor=0.05, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=2,
        T_max=2,
        eta_min=2e-5,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]

# automatically scaling LR based on the actual training batch size (clips)
auto_scale_lr = dict(base_batch_size=16)

# hooks
default_hooks = dict(logger=dict(interval=25))

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
num_joints = 13
clip_offsets = (-1, 0, 1)
model = dict(
    type='DCPose',
    data_preprocessor=dict(
        type='ClipDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='ResNet', depth=18, stem_channels=16, base_channels=16),
    head=dict(
        type='HeatmapHead',
        in_channels=128,
        out_channels=num_joints,
        deconv_out_channels=(64, 48, 32),
        deconv_kernel_sizes=(4, 4, 4),
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    ),
    corrector=dict(
        type='PoseCorrector',
        num_joints=num_joints,
        inner_channels=16,
        dilations=(1, 3, 6),
    ),
    clip_offsets=clip_offsets,
    # the image model that the runs of the same seed start from
    image_pretrained=dict(
        checkpoint='work_dirs/td-hm_tiny_1xb16-4e_synthetic-penn-tracks-128x128/'
        'epoch_4.pth'
    ),
    train_cfg=dict(
        compute_acc=False, freeze_image_model=True, image_norm_eval=True
    ),
    # the published code tests without flipping
    test_cfg=dict(flip_test=False),
)

# base dataset settings
dataset_type = 'PennActionDataset'
data_root = 'data/synthetic_penn_tracks/'

# pipelines; a frame and its neighbours are cropped by the frame's own box
train_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipBBox', mode='wanted', padding=1.15),
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
    dict(type='ClipBBox', mode='wanted', padding=1.15),
    dict(
        type='ForEachFrame',
        transforms=[
            dict(type='TopdownAffine', input_size=codec['input_size'])
        ],
    ),
    dict(type='PackClipInputs'),
]

# data loaders; a labelled frame and those on both sides
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        clip_offsets=clip_offsets,
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
        split='test',
        clip_offsets=clip_offsets,
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader

# evaluators
val_evaluator = dict(type='ClipPCK', thr=0.2, norm_item=['torso', 'person'])
test_evaluator = val_evaluator
