_base_ = ['mmpose::_base_/default_runtime.py']

custom_imports = dict(imports=['rpstn_mmpose'], allow_failed_imports=False)

# runtime
train_cfg = dict(max_epochs=140, val_interval=10)

# optimizer
optim_wrapper = dict(optimizer=dict(type='Adam', lr=5e-4, weight_decay=1e-5))

# learning policy
param_scheduler = [
    dict(
        type='LinearLR', begin=0, end=500, start_factor=0.001, by_epoch=False
    ),  # warm-up
    dict(
        type='MultiStepLR',
        begin=0,
        end=140,
        milestones=[90, 120],
        gamma=0.1,
        by_epoch=True,
    ),
]

# automatically scaling LR based on the actual training batch size
auto_scale_lr = dict(base_batch_size=128)

# hooks
default_hooks = dict(
    checkpoint=dict(
        type='AtomicCheckpointHook', save_best='coco/AP', rule='greater'
    )
)
custom_hooks = [dict(type='SyncBuffersHook'), dict(type='CheckpointGuardHook')]

# codec settings
codec = dict(type='RegressionLabel', input_size=(192, 256))

# model settings
model = dict(
    type='PoseRefiner',
    sigma=7,
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='ResNet',
        depth=50,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
    head=dict(
        type='PoseFixHead', in_channels=2048, out_channels=17, decoder=codec
    ),
    test_cfg=dict(flip_test=True),
)

# base dataset settings
dataset_type = 'CocoRefineDataset'
data_root = 'data/coco/'
# what is refined: results of any method on val2017, as CocoMetric leaves them
# with --cfg-options test_evaluator.outfile_prefix=work_dirs/td-hm_res50/val
pose_file = 'work_dirs/td-hm_res50/val.keypoints.json'

# pipelines
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(
        type='RandomBBoxTransform',
        shift_prob=0,
        scale_factor=(0.7, 1.3),
        rotate_factor=80,
        rotate_prob=0.6,
    ),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(
        type='SynthesizePoseErrors', metainfo='configs/_base_/datasets/coco.py'
    ),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetPoseCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='AddInputPose'),
    dict(type='PackPoseInputs'),
]

# data loaders
train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/person_keypoints_train2017.json',
        data_prefix=dict(img='train2017/'),
        # another model's poses in the annotated boxes, for joints that are
        # not annotated; without it these are left out
        pose_file=None,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/person_keypoints_val2017.json',
        data_prefix=dict(img='val2017/'),
        pose_file=pose_file,
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader

# evaluators; a pose keeps the score that it came with
val_evaluator = dict(
    type='CocoMetric',
    ann_file=data_root + 'annotations/person_keypoints_val2017.json',
    score_mode='bbox',
    nms_thr=0.9,
)
test_evaluator = val_evaluator
