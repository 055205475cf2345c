_base_ = ['./rpstn_res50_1xb8-100e_penn-256x256.py']

# The same training, crops and heatmaps up to float32's rounding, in less time;
# see docs/benchmarks.md. The first two settings do for any recipe.
default_hooks = dict(
    channels_last=dict(type='ChannelsLastHook'),
    fast_inference=dict(type='FastInferenceHook'),
)
optim_wrapper = dict(optimizer=dict(fused=True))
# Copies to a GPU go on while it computes.
model = dict(data_preprocessor=dict(non_blocking=True))

# Frames are decoded when they are cropped. With nvidia-nvimgcodec-cu12
# installed, imdecode_backend='nvimgcodec' decodes the crops' regions alone.
codec = _base_.codec
loading = dict(type='LoadClip', lazy=True)
crop = dict(type='ReducedTopdownAffine', input_size=codec['input_size'])
train_pipeline = [
    loading,
    dict(type='GetBBoxCenterScale'),
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
            )
        ],
    ),
    crop,
    dict(type='GenerateClipTarget', encoder=codec),
    dict(type='PackClipInputs'),
]
val_pipeline = [
    loading,
    dict(type='GetBBoxCenterScale'),
    crop,
    dict(type='PackClipInputs'),
]
train_dataloader = dict(pin_memory=True, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(pin_memory=True, dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
