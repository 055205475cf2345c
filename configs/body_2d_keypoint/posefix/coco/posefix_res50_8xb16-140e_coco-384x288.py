_base_ = ['./posefix_res50_8xb16-140e_coco-256x192.py']

# codec settings
codec = dict(type='RegressionLabel', input_size=(288, 384))

# model settings
model = dict(sigma=9, head=dict(decoder=codec))

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
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
