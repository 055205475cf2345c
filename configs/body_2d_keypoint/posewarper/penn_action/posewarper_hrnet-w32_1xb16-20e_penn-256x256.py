_base_ = ['../../../_base_/clip_runtime.py']

# runtime
train_cfg = dict(max_epochs=20, val_interval=5)

# optimizer; the image model gets no gradients
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-4))

# learning policy
param_scheduler = [
    dict(
        type='MultiStepLR',
        begin=0,
        end=20,
        milestones=[10, 15],
        gamma=0.1,
        by_epoch=True,
    )
]

# automatically scaling LR based on the actual training batch size (pairs)
auto_scale_lr = dict(base_batch_size=16)

# codec settings
codec = dict(
    type='MSRAHeatmap', input_size=(256, 256), heatmap_size=(64, 64), sigma=2
)

# model settings
num_joints = 13
clip_offsets = (-2, -1, 0, 1, 2)
model = dict(
    type='PoseWarper',
    data_preprocessor=dict(
        type='ClipDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='HRNet',
        in_channels=3,
        extra=dict(
            stage1=dict(
                num_modules=1,
                num_branches=1,
                block='BOTTLENECK',
                num_blocks=(4,),
                num_channels=(64,),
            ),
            stage2=dict(
                num_modules=1,
                num_branches=2,
                block='BASIC',
                num_blocks=(4, 4),
                num_channels=(32, 64),
            ),
            stage3=dict(
                num_modules=4,
                num_branches=3,
                block='BASIC',
                num_blocks=(4, 4, 4),
                num_channels=(32, 64, 128),
            ),
            stage4=dict(
                num_modules=3,
                num_branches=4,
                block='BASIC',
                num_blocks=(4, 4, 4, 4),
                num_channels=(32, 64, 128, 256),
            ),
        ),
    ),
    head=dict(
        type='HeatmapHead',
        in_channels=32,
        out_channels=num_joints,
        deconv_out_channels=None,
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    ),
    warper=dict(
        type='HeatmapWarper',
        num_joints=num_joints,
        inner_channels=128,
        num_blocks=20,
        dilations=(3, 6, 12, 18, 24),
    ),
    clip_offsets=clip_offsets,
    frame_weights=(0.1, 0.25, 0.3, 0.25, 0.1),
    # stage 1, topdown_heatmap/penn_action
    image_pretrained=dict(
        checkpoint='work_dirs/td-hm_hrnet-w32_1xb32-20e_penn-256x256/'
        'epoch_20.pth'
    ),
    train_cfg=dict(freeze_image_model=True, image_norm_eval=True),
    # the paper tests without flipping
    test_cfg=dict(flip_test=False),
)

# base dataset settings
dataset_type = 'PennActionDataset'
data_root = 'data/penn_action/'

# pipelines; a frame and its neighbours are cropped by the frame's own box
train_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipBBox', mode='wanted'),
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
    dict(type='ClipBBox', mode='wanted'),
    dict(
        type='ForEachFrame',
        transforms=[
            dict(type='TopdownAffine', input_size=codec['input_size'])
        ],
    ),
    dict(type='PackClipInputs'),
]

# data loaders; a labelled frame and a random one near it, drawn anew each time
train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        window=dict(type='NearPair', clip_offsets=clip_offsets),
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
        clip_offsets=clip_offsets,
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader

# evaluators
val_evaluator = dict(type='ClipPCK', thr=0.2, norm_item=['torso', 'person'])
test_evaluator = val_evaluator
