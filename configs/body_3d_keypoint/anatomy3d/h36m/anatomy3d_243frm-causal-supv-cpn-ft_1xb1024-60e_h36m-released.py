# The causal network with the authors' arithmetic, but for the lengths of bones
# from the 51st frame on: they come from all frames so far, not from 50 drawn.
_base_ = ['./anatomy3d_243frm-supv-cpn-ft_1xb1024-60e_h36m.py']

# model settings
model = dict(backbone=dict(causal=True))

# data loaders
before, after = 242, 0
train_dataloader = dict(
    dataset=dict(window=dict(clip_offsets=list(range(-before, after + 1))))
)
val_dataloader = dict(dataset=dict(window=dict(before=before, after=after)))
test_dataloader = val_dataloader
