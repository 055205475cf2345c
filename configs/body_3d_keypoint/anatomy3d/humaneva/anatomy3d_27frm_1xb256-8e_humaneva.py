_base_ = ['../../../_base_/clip_runtime.py']

# runtime
train_cfg = dict(max_epochs=8, val_interval=8)

# optimizer
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3, amsgrad=True))

# learning policy
param_scheduler = [dict(type='ExponentialLR', gamma=0.7, by_epoch=True)]

default_hooks = dict(
    checkpoint=dict(save_best='MPJPE', rule='less'), logger=dict(interval=50)
)
custom_hooks = [
    dict(type='SyncBuffersHook'),
    dict(type='CheckpointGuardHook'),
    dict(
        type='BNMomentumDecayHook', parts=('backbone.stem', 'backbone.blocks')
    ),
]

# model settings
# each joint and its parent
bones = [
    (1, 0),
    (2, 1),
    (3, 2),
    (4, 3),
    (5, 1),
    (6, 5),
    (7, 6),
    (8, 0),
    (9, 8),
    (10, 9),
    (11, 0),
    (12, 11),
    (13, 12),
    (14, 1),
]
num_joints = 15
channels = 128
model = dict(
    type='AnatomyLifter',
    backbone=dict(
        type='BoneDirectionNet',
        num_joints=num_joints,
        channels=channels,
        filter_widths=(3, 3, 3),
        causal=False,
    ),
    length_net=dict(
        type='BoneLengthNet',
        num_joints=num_joints,
        channels=channels,
        num_blocks=2,
        bones=bones,
    ),
    head=dict(
        type='AnatomyHead',
        num_joints=num_joints,
        in_channels=channels,
        fusion='learned',
        bones=bones,
    ),
    augmentation=dict(),
    test_cfg=dict(flip_test=True),
)

# pipelines
pipeline = [dict(type='PackLifterInputs')]

# data loaders; a sample is a frame with its window, and again mirrored
before, after = 13, 13
dataset_type = 'HumanEvaSequenceDataset'
data_root = 'data/humaneva/'
train_dataloader = dict(
    batch_size=256,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='take_batch'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        window=dict(
            type='FramesAround', clip_offsets=list(range(-before, after + 1))
        ),
        mirrored=True,
        as_batches=True,
        drawn_frames=16,
        pipeline=pipeline,
    ),
)
# whole videos
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='validate',
        window=dict(type='WholeTrack', before=before, after=after),
        test_mode=True,
        pipeline=pipeline,
    ),
)
test_dataloader = val_dataloader

# evaluators
val_evaluator = dict(type='SequenceMPJPE')
test_evaluator = val_evaluator
