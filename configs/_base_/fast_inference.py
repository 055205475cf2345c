# Validation and test with a faster copy of the model, whose heatmaps are the
# same up to float32's rounding. Put it behind the runtime in _base_, or add to
# a command: --cfg-options
# default_hooks.fast_inference.type=FastInferenceHook and, for 16 bits,
# default_hooks.fast_inference.dtype=bfloat16
default_hooks = dict(fast_inference=dict(type='FastInferenceHook'))
