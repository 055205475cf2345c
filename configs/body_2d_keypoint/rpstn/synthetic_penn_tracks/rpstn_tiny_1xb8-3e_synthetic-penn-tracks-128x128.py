_base_ = ['../synthetic_penn/rpstn_tiny_1xb8-1e_synthetic-penn-128x128.py']

# The base of the ablations: people rendered along real trajectories, written
# by make_synthetic_penn.py --trajectories. Every variant beside this file
# overrides nothing but what its name says.

# runtime
train_cfg = dict(max_epochs=3, val_interval=3)

# learning policy
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=3, T_max=3)
]

# data loaders
data_root = 'data/synthetic_penn_tracks/'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
