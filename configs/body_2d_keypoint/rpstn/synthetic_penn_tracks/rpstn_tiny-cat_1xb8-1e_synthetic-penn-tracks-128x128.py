_base_ = ['./rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; the first frame's heatmaps come from its own features
model = dict(
    initializer='features', train_cfg=dict(initializer_loss_weight=0.0))
