_base_ = ['./dsta_res50_1xb32-20e_posetrack17-256x192.py']

# model settings: five frames
clip_offsets = (-2, -1, 0, 1, 2)
model = dict(clip_offsets=clip_offsets)

# data loaders
train_dataloader = dict(dataset=dict(clip_offsets=clip_offsets))
val_dataloader = dict(dataset=dict(clip_offsets=clip_offsets))
test_dataloader = dict(dataset=dict(clip_offsets=clip_offsets))
