_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_ViTPose-base_8xb64-210e_coco-256x192.py'
]

custom_imports = dict(
    imports=[
        'rpstn_mmpose',
        'mmpose.engine.optim_wrappers.layer_decay_optim_wrapper',
    ],
    allow_failed_imports=False,
)

# model settings
model = dict(head=dict(type='JREHead'))

# hooks
default_hooks = dict(checkpoint=dict(type='AtomicCheckpointHook'))
custom_hooks = [dict(type='SyncBuffersHook'), dict(type='CheckpointGuardHook')]
