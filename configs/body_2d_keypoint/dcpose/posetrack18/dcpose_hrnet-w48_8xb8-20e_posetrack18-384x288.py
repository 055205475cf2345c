_base_ = ['../../../_base_/clip_runtime.py']

# runtime
train_cfg = dict(max_epochs=20, val_interval=1)

# optimizer; the image model gets no gradients
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-4))

# learning policy; both numbers are as published, where PoseTrack17's differ
param_scheduler = [
    dict(
        type='MultiStepLR',
        begin=0,
        end=20,
        milestones=[4, 8, 12, 16],
        gamma=0.99,
        by_epoch=True,
    )
]

# automatically scaling LR based on the actual training batch size (clips)
auto_scale_lr = dict(base_batch_size=64)

# hooks
default_hooks = dict(checkpoint=dict(save_best='PoseTrack/Total'))

# codec settings
codec = dict(
    type='MSRAHeatmap', input_size=(288, 384), heatmap_size=(72, 96), sigma=3
)

# model settings
num_joints = 17
clip_offsets = (-1, 0, 1)
model = dict(
    type='DCPose',
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
                num_channels=(48, 96),
            ),
            stage3=dict(
                num_modules=4,
                num_branches=3,
                block='BASIC',
                num_blocks=(4, 4, 4),
                num_channels=(48, 96, 192),
            ),
            stage4=dict(
                num_modules=3,
                num_branches=4,
                block='BASIC',
                num_blocks=(4, 4, 4, 4),
                num_channels=(48, 96, 192, 384),
            ),
        ),
    ),
    head=dict(
        type='HeatmapHead',
        in_channels=48,
        out_channels=num_joints,
        deconv_out_channels=None,
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    ),
    corrector=dict(type='PoseCorrector', num_joints=num_joints),
    clip_offsets=clip_offsets,
    # MMPose's image model of the same joints, trained on all labelled frames
    image_pretrained=dict(
        checkpoint='https://download.openmmlab.com/mmpose/top_down/hrnet/'
        'hrnet_w48_posetrack18_384x288-5fd6d3ff_20211130.pth'
    ),
    # the image model gets no gradients, but its batch norms take the
    # statistics of the batch and go on moving, as in the published code
    train_cfg=dict(freeze_image_model=True, image_norm_eval=False),
    # the published code tests without flipping
    test_cfg=dict(flip_test=False),
)

# base dataset settings
dataset_type = 'PoseTrackClipDataset'
data_root = 'data/posetrack18/'
# neighbours of labelled frames that the JSON files do not list
frame_pattern = '{:06d}.jpg'

# pipelines; a frame and its neighbours are cropped by the frame's own box
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

# data loaders; a labelled frame and those on both sides
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        clip_offsets=clip_offsets,
        frame_pattern=frame_pattern,
        pipeline=train_pipeline,
    ),
)
# annotated boxes and tracks, of which the metric counts MOTA too
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='val',
        clip_offsets=clip_offsets,
        frame_pattern=frame_pattern,
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
# detections of the authors. For annotated boxes:
# --cfg-options test_dataloader.dataset.bbox_file=None
# test_dataloader.dataset.bbox_score_thr=0
test_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='val',
        clip_offsets=clip_offsets,
        frame_pattern=frame_pattern,
        bbox_file=data_root + 'annotations/val_boxes.json',
        bbox_score_thr=0.2,
        test_mode=True,
        pipeline=val_pipeline,
    ),
)

# evaluators; joints are ranked by their score times that of the box, of which
# all are kept
val_evaluator = dict(
    type='PoseTrackClipMetric',
    gt_dir=data_root + 'annotations/val',
    nms_thr=None,
    score_mode='bbox_keypoint',
)
test_evaluator = val_evaluator
