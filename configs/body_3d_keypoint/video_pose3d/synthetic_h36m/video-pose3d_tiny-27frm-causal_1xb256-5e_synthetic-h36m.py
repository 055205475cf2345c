_base_ = ['./video-pose3d_tiny-27frm_1xb256-5e_synthetic-h36m.py']

# model settings
model = dict(backbone=dict(causal=True))

# data loaders
before, after = 26, 0
train_dataloader = dict(
    dataset=dict(window=dict(clip_offsets=list(range(-before, after + 1))))
)
val_dataloader = dict(dataset=dict(window=dict(before=before, after=after)))
test_dataloader = val_dataloader
