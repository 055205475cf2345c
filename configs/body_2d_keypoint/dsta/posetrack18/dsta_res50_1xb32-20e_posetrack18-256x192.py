_base_ = ['../../../_base_/clip_runtime.py']

# runtime
train_cfg = dict(max_epochs=20, val_interval=1)

# optimizer
optim_wrapper = dict(
    optimizer=dict(
        type='AdamW', lr=5e-5, betas=(0.9, 0.999), weight_decay=0.01
    )
)

# learning policy
param_scheduler = [
    dict(
        type='MultiStepLR',
        begin=0,
        end=20,
        milestones=[11, 16],
        gamma=0.1,
        by_epoch=True,
    )
]

# automatically scaling LR based on the actual training batch size (clips)
auto_scale_lr = dict(base_batch_size=32)

# hooks
default_hooks = dict(checkpoint=dict(save_best='PoseTrack/Total'))

# codec settings
codec = dict(type='RegressionLabel', input_size=(192, 256))

# model settings
num_joints = 17
clip_offsets = (-1, 0, 1)
model = dict(
    type='DSTA',
    data_preprocessor=dict(
        type='ClipDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='ResNet', depth=50),
    neck=dict(type='JointTokenNeck', in_channels=2048, num_joints=num_joints),
    aggregator=dict(
        type='SpaceTimeAggregation',
        metainfo='configs/_base_/datasets/posetrack18.py',
    ),
    head=dict(
        type='JointTokenHead',
        num_joints=num_joints,
        loss=dict(type='FlowRLELoss', use_target_weight=True),
        decoder=codec,
    ),
    clip_offsets=clip_offsets,
    # MMPose's image model of coordinates, trained on COCO
    image_pretrained=dict(
        checkpoint='https://download.openmmlab.com/mmpose/v1/'
        'body_2d_keypoint/topdown_regression/coco/'
        'td-reg_res50_rle-8xb64-210e_coco-256x192-d37efd64_20220913.pth'
    ),
    # the paper tests without flipping
    test_cfg=dict(flip_test=False),
)

# base dataset settings
dataset_type = 'PoseTrackClipDataset'
data_root = 'data/posetrack18/'
# neighbours of labelled frames that the JSON files do not list
frames = dict(frame_pattern='{:06d}.jpg')

# pipelines; all frames of a clip are cropped by the wanted one's box
train_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipBBox', mode='wanted'),
    dict(type='ClipHalfBody'),
    dict(type='ClipRandomFlip', direction='horizontal'),
    dict(
        type='ForEachFrame',
        transforms=[
            dict(
                type='RandomBBoxTransform',
                shift_prob=0,
                scale_factor=(0.65, 1.35),
                rotate_factor=90,
                rotate_prob=0.6,
            ),
            dict(type='TopdownAffine', input_size=codec['input_size']),
        ],
    ),
    dict(
        type='GenerateClipTarget',
        encoder=codec,
        use_dataset_keypoint_weights=True,
    ),
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

# data loaders; annotated boxes and tracks, of which the metric counts MOTA too
train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        clip_offsets=clip_offsets,
        pipeline=train_pipeline,
        **frames,
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
        split='val',
        clip_offsets=clip_offsets,
        test_mode=True,
        pipeline=val_pipeline,
        **frames,
    ),
)
# detections, as in MMPose's PoseTrack18 recipes. For annotated boxes:
# --cfg-options test_dataloader.dataset.bbox_file=None
# test_dataloader.dataset.bbox_score_thr=0
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='val',
        clip_offsets=clip_offsets,
        bbox_file=data_root
        + 'annotations/posetrack18_val_human_detections.json',
        bbox_score_thr=0.4,
        test_mode=True,
        pipeline=val_pipeline,
        **frames,
    ),
)

# evaluators
val_evaluator = dict(
    type='PoseTrackClipMetric', gt_dir=data_root + 'annotations/val'
)
# joints are ranked by their score times that of the box
test_evaluator = dict(val_evaluator, score_mode='bbox_keypoint')
