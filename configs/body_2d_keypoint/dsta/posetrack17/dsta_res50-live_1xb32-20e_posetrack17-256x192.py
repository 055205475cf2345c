_base_ = ['./dsta_res50_1xb32-20e_posetrack17-256x192.py']

# For live video: no frame of the future, and each frame cropped by its own
# box, so that its tokens are computed once.

# model settings
clip_offsets = (-2, -1, 0)
model = dict(clip_offsets=clip_offsets)

# pipelines
train_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipBBox', mode='per_frame'),
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
            dict(type='TopdownAffine', input_size={{_base_.codec.input_size}}),
        ],
    ),
    dict(
        type='GenerateClipTarget',
        encoder={{_base_.codec}},
        use_dataset_keypoint_weights=True,
    ),
    dict(type='PackClipInputs'),
]
val_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipBBox', mode='per_frame'),
    dict(
        type='ForEachFrame',
        transforms=[
            dict(type='TopdownAffine', input_size={{_base_.codec.input_size}})
        ],
    ),
    dict(type='PackClipInputs'),
]

# data loaders
train_dataloader = dict(
    dataset=dict(clip_offsets=clip_offsets, pipeline=train_pipeline)
)
val_dataloader = dict(
    dataset=dict(clip_offsets=clip_offsets, pipeline=val_pipeline)
)
test_dataloader = dict(
    dataset=dict(clip_offsets=clip_offsets, pipeline=val_pipeline)
)
