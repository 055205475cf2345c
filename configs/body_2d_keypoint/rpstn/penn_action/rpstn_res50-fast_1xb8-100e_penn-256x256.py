_base_ = ['./rpstn_res50_1xb8-100e_penn-256x256.py']

# The same training and the same heatmaps up to rounding, in less time; see
# docs/benchmarks.md. These two settings do for any recipe.
default_hooks = dict(
    channels_last=dict(type='ChannelsLastHook'),
    fast_inference=dict(type='FastInferenceHook'))
optim_wrapper = dict(optimizer=dict(fused=True))
