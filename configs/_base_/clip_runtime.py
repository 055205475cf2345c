_base_ = ['mmpose::_base_/default_runtime.py']

custom_imports = dict(imports=['rpstn_mmpose'], allow_failed_imports=False)

# A kill at any moment leaves a complete checkpoint that --resume finds.
default_hooks = dict(
    checkpoint=dict(
        type='AtomicCheckpointHook',
        interval=1,
        max_keep_ckpts=2,
        save_best='PCK/mPCK',
        rule='greater',
    ),
    visualization=dict(type='ClipVisualizationHook', enable=False),
)

# Refuses to test a checkpoint of another model.
custom_hooks = [dict(type='SyncBuffersHook'), dict(type='CheckpointGuardHook')]

# Workers stack the clips of a batch, which else the training's own process
# does while the GPU waits.
train_dataloader = dict(collate_fn=dict(type='stack_in_worker'))
val_dataloader = train_dataloader
test_dataloader = train_dataloader
