_base_ = ['../../../_base_/clip_runtime.py']

# runtime
train_cfg = dict(max_epochs=5, val_interval=5)

# optimizer
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3, amsgrad=True))

# learning policy
param_scheduler = [dict(type='ExponentialLR', gamma=0.6, by_epoch=True)]

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
channels = 64
model = dict(
    type='AnatomyLifter',
    backbone=dict(
        type='BoneDirectionNet',
        channels=channels,
        filter_widths=(3, 3, 3),
        causal=False,
    ),
    length_net=dict(type='BoneLengthNet', channels=channels, num_blocks=2),
    head=dict(type='AnatomyHead', in_channels=channels, fusion='learned'),
    augmentation=dict(),
    test_cfg=dict(flip_test=True),
)

# pipelines
pipeline = [dict(type='PackLifterInputs')]

# data loaders; a sample is a frame with its window, and again mirrored
before, after = 13, 13
dataset_type = 'H36MSequenceDataset'
data_root = 'data/synthetic_h36m/'
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
        keypoints_file='data_2d_h36m_noisy.npz',
        score_file='score.pkl',
        camera_file='cameras.json',
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
        split='test',
        keypoints_file='data_2d_h36m_noisy.npz',
        score_file='score.pkl',
        camera_file='cameras.json',
        window=dict(type='WholeTrack', before=before, after=after),
        test_mode=True,
        pipeline=pipeline,
    ),
)
test_dataloader = val_dataloader

# evaluators
val_evaluator = dict(type='SequenceMPJPE')
test_evaluator = val_evaluator
