_base_ = ['./td-hm_tiny_1xb16-4e_synthetic-penn-tracks-128x128.py']

# Another backbone, from scratch: what rpstn_tiny-res34 starts from.
load_from = None

# runtime
train_cfg = dict(max_epochs=6, val_interval=6)

# learning policy
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=6, T_max=6),
]

# model settings
model = dict(backbone=dict(depth=34))
