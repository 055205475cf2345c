_base_ = ['../synthetic_penn/td-hm_tiny_1xb16-1e_synthetic-penn-128x128.py']

# The image model that the ablations start from, as the paper's start from
# one that was trained on MPII. It starts from the quick start's.
load_from = 'work_dirs/demo/sbl_tiny/epoch_1.pth'

# runtime
train_cfg = dict(max_epochs=4, val_interval=4)

# learning policy
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=4, T_max=4)
]

# data loaders
data_root = 'data/synthetic_penn_tracks/'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
