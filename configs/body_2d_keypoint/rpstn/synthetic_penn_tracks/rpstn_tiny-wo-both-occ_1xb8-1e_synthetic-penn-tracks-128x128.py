_base_ = ['./rpstn_tiny-occ_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; those of rpstn_tiny-wo-both
model = dict(
    neck=None,
    initializer='features',
    head=dict(relation=None, norm_cfg=None),
    train_cfg=dict(initializer_loss_weight=0.0))
