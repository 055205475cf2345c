_base_ = ['../penn_action/rpstn_res50_1xb8-100e_penn-256x256.py']

# model settings
num_joints = 15
model = dict(
    initializer=dict(head=dict(out_channels=num_joints)),
    neck=dict(num_joints=num_joints),
    head=dict(out_channels=num_joints),
    # for every JHMDB joint the MPII joint it starts from
    image_pretrained=dict(joints=[
        'upper_neck', 'pelvis', 'head_top', 'right_shoulder', 'left_shoulder',
        'right_hip', 'left_hip', 'right_elbow', 'left_elbow', 'right_knee',
        'left_knee', 'right_wrist', 'left_wrist', 'right_ankle', 'left_ankle'
    ]))

# base dataset settings
dataset_type = 'JHMDBClipDataset'
data_root = 'data/jhmdb/'

# data loaders
train_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, sub=1))
val_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, sub=1))
test_dataloader = val_dataloader
