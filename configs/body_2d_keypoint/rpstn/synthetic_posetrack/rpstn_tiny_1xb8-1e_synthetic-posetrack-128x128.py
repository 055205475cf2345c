_base_ = ['../synthetic_penn/rpstn_tiny_1xb8-1e_synthetic-penn-128x128.py']

# hooks
default_hooks = dict(checkpoint=dict(save_best='PoseTrack/Total'))

# model settings; there is no image model of these joints to start from
num_joints = 17
model = dict(
    initializer=dict(head=dict(out_channels=num_joints)),
    neck=dict(num_joints=num_joints),
    head=dict(out_channels=num_joints),
    image_pretrained=None)

# base dataset settings
dataset_type = 'PoseTrackClipDataset'
data_root = 'data/synthetic_posetrack/'

# data loaders
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, split='val'))
test_dataloader = val_dataloader

# evaluators
val_evaluator = dict(
    _delete_=True,
    type='PoseTrackClipMetric',
    gt_dir=data_root + 'annotations/val')
test_evaluator = val_evaluator
