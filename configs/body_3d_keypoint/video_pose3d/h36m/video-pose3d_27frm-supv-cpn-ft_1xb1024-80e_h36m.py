_base_ = ['./video-pose3d_243frm-supv-cpn-ft_1xb1024-80e_h36m.py']

# model settings
model = dict(backbone=dict(num_blocks=2, kernel_sizes=(3, 3, 3)))

# data loaders
before, after = 13, 13
train_dataloader = dict(
    dataset=dict(window=dict(clip_offsets=list(range(-before, after + 1))))
)
val_dataloader = dict(dataset=dict(window=dict(before=before, after=after)))
test_dataloader = val_dataloader
