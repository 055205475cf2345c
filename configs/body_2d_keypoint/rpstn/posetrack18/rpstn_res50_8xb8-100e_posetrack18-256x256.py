_base_ = ['../penn_action/rpstn_res50_1xb8-100e_penn-256x256.py']

# automatically scaling LR based on the actual training batch size (clips)
auto_scale_lr = dict(base_batch_size=64)

# hooks
default_hooks = dict(checkpoint=dict(save_best='PoseTrack/Total'))

# model settings
num_joints = 17
model = dict(
    initializer=dict(head=dict(out_channels=num_joints)),
    neck=dict(num_joints=num_joints),
    head=dict(out_channels=num_joints),
    # for every PoseTrack18 joint the MPII joint it starts from; MPII has no
    # nose, and nobody labels the ears
    image_pretrained=dict(joints=[
        'upper_neck', 'upper_neck', 'head_top', 'upper_neck', 'upper_neck',
        'left_shoulder', 'right_shoulder', 'left_elbow', 'right_elbow',
        'left_wrist', 'right_wrist', 'left_hip', 'right_hip', 'left_knee',
        'right_knee', 'left_ankle', 'right_ankle'
    ]))

# base dataset settings
dataset_type = 'PoseTrackClipDataset'
data_root = 'data/posetrack18/'
# neighbours of labelled frames that the JSON files do not list
frame_pattern = '{:06d}.jpg'

# data loaders
train_dataloader = dict(
    dataset=dict(
        type=dataset_type, data_root=data_root, frame_pattern=frame_pattern))
# annotated boxes and tracks, of which the metric counts MOTA too
val_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        frame_pattern=frame_pattern,
        split='val'))
# detections, as in MMPose's PoseTrack18 recipes; each is the last frame of a
# clip. For annotated boxes: --cfg-options
# test_dataloader.dataset.bbox_file=None
# test_dataloader.dataset.bbox_score_thr=0
test_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        frame_pattern=frame_pattern,
        split='val',
        bbox_file=data_root +
        'annotations/posetrack18_val_human_detections.json',
        bbox_score_thr=0.4))

# evaluators
val_evaluator = dict(
    _delete_=True,
    type='PoseTrackClipMetric',
    gt_dir=data_root + 'annotations/val')
test_evaluator = val_evaluator
