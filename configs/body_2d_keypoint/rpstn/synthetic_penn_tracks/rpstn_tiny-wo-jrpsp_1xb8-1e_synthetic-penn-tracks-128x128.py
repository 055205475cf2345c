_base_ = ['./rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; every frame by itself, through its own features, so that no
# pose initializer is needed
model = dict(
    neck=None,
    initializer='features',
    train_cfg=dict(initializer_loss_weight=0.0))
