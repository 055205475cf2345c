_base_ = ['./posewarper_hrnet-w48_8xb8-20e_posetrack18-384x288.py']

# How the authors' code trains and tests, where it differs from the recipe.

# learning policy: the code's drops come an epoch early
param_scheduler = [dict(_base_.param_scheduler[0], milestones=[9, 14])]

# model settings: the image model's batch norms take the statistics of the
# batch and go on moving; the loss is half of MMPose's
model = dict(
    head=dict(loss=dict(loss_weight=0.5)),
    train_cfg=dict(image_norm_eval=False),
)

# data loaders: the authors' boxes
test_dataloader = dict(
    dataset=dict(
        bbox_file='data/posetrack18/annotations/val_boxes.json',
        bbox_score_thr=0.2,
    )
)

# evaluators: the neck is the middle of the shoulders, and joints are ranked
# by their score times that of the box
val_evaluator = dict(
    nms_thr=None, neck='shoulders', score_mode='bbox_keypoint'
)
test_evaluator = val_evaluator
