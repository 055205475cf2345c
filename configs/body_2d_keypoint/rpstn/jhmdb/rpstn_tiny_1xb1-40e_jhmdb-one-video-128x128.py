_base_ = ['../synthetic_jhmdb/rpstn_tiny_1xb8-1e_synthetic-jhmdb-128x128.py']

# A check, not a benchmark: the network learns the frames that it is tested
# on, those of the videos in data_root (one of 40 frames: under a minute on a
# core).

# runtime
train_cfg = dict(max_epochs=40, val_interval=20)

# optimizer; all parts start from scratch
optim_wrapper = dict(
    optimizer=dict(type='Adam', lr=2e-3), paramwise_cfg=None)

# learning policy
param_scheduler = [
    dict(
        type='LinearLR', begin=0, end=20, start_factor=0.05, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=40,
        T_max=40,
        eta_min=2e-5,
        by_epoch=True)
]

default_hooks = dict(
    checkpoint=dict(interval=20), logger=dict(interval=8))

# model settings; nothing is flipped in training
model = dict(test_cfg=dict(flip_test=False))

# pipelines
train_pipeline = [
    dict(type='LoadClip'),
    dict(type='GetBBoxCenterScale', padding=1.15),
    dict(
        type='ForEachFrame',
        transforms=[
            dict(type='TopdownAffine', input_size={{_base_.codec.input_size}})
        ]),
    dict(type='GenerateClipTarget', encoder={{_base_.codec}}),
    dict(type='PackClipInputs')
]

# data loaders
data_root = 'data/jhmdb/'
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        data_root=data_root, split='all', sub=None, pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(data_root=data_root, split='all', sub=None))
test_dataloader = val_dataloader
