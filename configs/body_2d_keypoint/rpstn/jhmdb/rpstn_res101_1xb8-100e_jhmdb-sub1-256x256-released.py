_base_ = ['./rpstn_res50_1xb8-100e_jhmdb-sub1-256x256.py']

# The network of the authors' code, for weights that
# tools/model_converters/rpstn_released_to_mmpose.py makes. Other splits:
# --cfg-options test_dataloader.dataset.sub=2

# learning policy; the authors' step
param_scheduler = [
    dict(
        type='MultiStepLR',
        begin=0,
        end=100,
        milestones=[8, 15, 25, 40, 80],
        gamma=0.333,
        by_epoch=True,
    )
]

# model settings; BGR from 0 to 255 as it is, which MMPose's image models are
# not trained for. Unlike Penn Action's, the network for Sub-JHMDB has its
# feature norm after the dynamic convolution once more.
model = dict(
    backbone=dict(depth=101),
    initializer=dict(backbone=dict(depth=101)),
    data_preprocessor=dict(mean=None, std=None, bgr_to_rgb=False),
    neck=dict(feature_norm=True, project_features=True, norm_response=True),
    head=dict(
        relation=dict(type='JointRelationExtractor', arithmetic='released'),
        norm_before=True,
        first_frame_norm='shared',
    ),
    image_pretrained=None,
)

# pipelines; the exact box, stretched to the input
train_pipeline = [
    dict(type='LoadClip'),
    dict(type='GetBBoxCenterScale', padding=1.0),
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
            dict(type='TopdownStretch', input_size=(256, 256)),
        ],
    ),
    dict(type='GenerateClipTarget', encoder={{_base_.codec}}),
    dict(type='PackClipInputs'),
]
val_pipeline = [
    dict(type='LoadClip'),
    dict(type='GetBBoxCenterScale', padding=1.0),
    dict(
        type='ForEachFrame',
        transforms=[dict(type='TopdownStretch', input_size=(256, 256))],
    ),
    dict(type='PackClipInputs'),
]

# data loaders
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
