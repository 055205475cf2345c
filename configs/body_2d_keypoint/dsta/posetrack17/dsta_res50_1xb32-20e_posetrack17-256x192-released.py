_base_ = ['./dsta_res50_1xb32-20e_posetrack17-256x192.py']

# How the authors' code differs from the recipe.

# model settings: the ears have no token of their own, and the likelihood is
# another one
model = dict(
    aggregator=dict(
        joint_groups=[
            ['head_top', 'nose', 'head_bottom'],
            ['left_shoulder', 'left_elbow', 'left_wrist'],
            ['right_shoulder', 'right_elbow', 'right_wrist'],
            ['left_hip', 'left_knee', 'left_ankle'],
            ['right_hip', 'right_knee', 'right_ankle'],
        ],
        aliases=dict(left_ear='head_top', right_ear='head_top'),
    ),
    head=dict(
        loss=dict(
            q_distribution='released',
            prior_mean=(0.5, 0.5),
            flow_start='default',
        )
    ),
)

# evaluators: of detections, no duplicates are dropped
test_evaluator = dict(nms_thr=None)
