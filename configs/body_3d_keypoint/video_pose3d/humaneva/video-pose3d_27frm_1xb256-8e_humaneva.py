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
    dict(type='BNMomentumDecayHook', parts=('backbone',)),
]

# model settings
channels = 128
model = dict(
    type='SequenceLifter',
    backbone=dict(
        type='SequenceTCN',
        in_channels=2 * 15,
        stem_channels=channels,
        num_blocks=2,
        kernel_sizes=(3, 3, 3),
        dropout=0.25,
        causal=False,
    ),
    head=dict(
        type='TemporalRegressionHead',
        in_channels=channels,
        num_joints=15,
        loss=dict(type='MPJPELoss'),
    ),
    test_cfg=dict(flip_test=True),
)

# pipelines
pipeline = [dict(type='PackLifterInputs', scores=False)]

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
