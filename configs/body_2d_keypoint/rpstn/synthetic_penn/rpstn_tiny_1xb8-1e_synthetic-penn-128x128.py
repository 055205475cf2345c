_base_ = ['../penn_action/rpstn_res50_1xb8-100e_penn-256x256.py']

# runtime
train_cfg = dict(max_epochs=1, val_interval=1)

# optimizer; the parts that stage 1 trained move more slowly
optim_wrapper = dict(
    optimizer=dict(type='Adam', lr=1e-3),
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=dict(lr_mult=0.5),
            feature_neck=dict(lr_mult=0.5),
            initializer=dict(lr_mult=0.5))))

# learning policy
param_scheduler = [
    dict(
        type='LinearLR', begin=0, end=50, start_factor=0.05, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=1,
        T_max=1,
        eta_min=2e-5,
        by_epoch=True,
        convert_to_iter_based=True)
]

default_hooks = dict(logger=dict(interval=25))

# convolutions of few channels are faster on a CPU in this order
custom_hooks = [
    dict(type='SyncBuffersHook'),
    dict(type='CheckpointGuardHook'),
    dict(type='ChannelsLastHook')
]

# codec settings
codec = dict(
    type='MSRAHeatmap',
    input_size=(128, 128),
    heatmap_size=(32, 32),
    sigma=1.5,
    unbiased=True)

# model settings
tiny_resnet = dict(depth=18, stem_channels=16, base_channels=16)
deconv = dict(
    in_channels=128,
    deconv_out_channels=(64, 48, 32),
    deconv_kernel_sizes=(4, 4, 4))
model = dict(
    backbone=tiny_resnet,
    feature_neck=deconv,
    initializer=dict(backbone=tiny_resnet, head=deconv),
    neck=dict(
        in_channels=32,
        heatmap_size=codec['heatmap_size'],
        residual_kernel=True),
    head=dict(in_channels=32, decoder=codec),
    # the image model that stage 1 trained on the same joints
    image_pretrained=dict(
        _delete_=True, checkpoint='work_dirs/demo/sbl_tiny/epoch_1.pth'),
    train_cfg=dict(
        compute_acc=False,
        initializer_gradient=False,
        initializer_loss_weight=1.0),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True))

# pipelines
train_pipeline = [
    dict(type='LoadClip'),
    dict(type='GetBBoxCenterScale', padding=1.15),
    dict(type='ClipRandomFlip', direction='horizontal'),
    dict(
        type='ForEachFrame',
        transforms=[
            dict(
                type='RandomBBoxTransform',
                shift_prob=0,
                scale_factor=(0.9, 1.15),
                rotate_factor=10,
                rotate_prob=1.0),
            dict(type='TopdownAffine', input_size=codec['input_size'])
        ]),
    dict(type='GenerateClipTarget', encoder=codec),
    dict(type='PackClipInputs')
]
val_pipeline = [
    dict(type='LoadClip'),
    dict(type='GetBBoxCenterScale', padding=1.15),
    dict(
        type='ForEachFrame',
        transforms=[
            dict(type='TopdownAffine', input_size=codec['input_size'])
        ]),
    dict(type='PackClipInputs')
]

# data loaders
data_root = 'data/synthetic_penn/'
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=val_pipeline))
test_dataloader = val_dataloader
