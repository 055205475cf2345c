_base_ = ['../synthetic_penn/rpstn_tiny_1xb8-1e_synthetic-penn-128x128.py']

# model settings; there is no image model of these joints to start from
num_joints = 15
model = dict(
    initializer=dict(head=dict(out_channels=num_joints)),
    neck=dict(num_joints=num_joints),
    head=dict(out_channels=num_joints),
    image_pretrained=None)

# base dataset settings
dataset_type = 'JHMDBClipDataset'
data_root = 'data/synthetic_jhmdb/'

# data loaders
train_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, sub=1))
val_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, sub=1))
test_dataloader = val_dataloader
