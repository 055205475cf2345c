_base_ = ['./dsta_res50_1xb32-20e_posetrack17-256x192.py']

# model settings: the twin of single frames, with the same head
clip_offsets = (0,)
model = dict(clip_offsets=clip_offsets)

# data loaders
train_dataloader = dict(dataset=dict(clip_offsets=clip_offsets))
val_dataloader = dict(dataset=dict(clip_offsets=clip_offsets))
test_dataloader = dict(dataset=dict(clip_offsets=clip_offsets))
