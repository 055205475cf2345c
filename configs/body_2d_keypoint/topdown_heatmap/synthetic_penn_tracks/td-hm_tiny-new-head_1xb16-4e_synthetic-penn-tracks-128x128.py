_base_ = ['./td-hm_tiny_1xb16-4e_synthetic-penn-tracks-128x128.py']

# The heatmap twin of dsta_tiny_1xb16-4e_synthetic-penn-tracks-128x128.py: the
# same start of the backbone, steps and optimizer, and a head that is as new.
load_from = None

# optimizer
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.01)
)

# model settings
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            prefix='backbone.',
            checkpoint='work_dirs/'
            'td-hm_tiny_1xb16-4e_synthetic-penn-tracks-128x128/epoch_4.pth',
        )
    )
)
