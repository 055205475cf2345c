# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Made-up samples of 13 joints, as mmengine's Evaluator hands them on."""

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

PENN = [
    'head',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
]
META = dict(
    dataset_name='penn_action',
    num_keypoints=13,
    keypoint_id2name=dict(enumerate(PENN)),
    sigmas=np.full(13, 0.05, np.float32),
    CLASSES=[dict(id=1, name='person')],
)


def body():
    """Joints 10 apart on a line; torso |joint 1 - joint 8| = 70."""
    return np.stack([np.arange(13) * 10.0, np.full(13, 5.0)], axis=1)


def clip(clip_id=0, num=3, mask=None, first_frame=1, shift=0.0):
    """A clip whose predictions are the truth plus ``shift`` in y."""
    truth = np.tile(body(), (num, 1, 1)).astype(np.float32)
    sample = PoseDataSample(
        metainfo=dict(
            id=clip_id,
            img_id=f'0001/{first_frame}',
            video_id='0001',
            frame_ids=list(range(first_frame, first_frame + num)),
            img_path='1.jpg',
            img_paths=[f'{i}.jpg' for i in range(num)],
            category_id=1,
            ori_shape=(200, 200),
            input_center=np.arange(2.0 * num).reshape(num, 1, 2),
            input_scale=np.full((num, 1, 2), 50.0),
            frame_mask=np.ones(num, bool)
            if mask is None
            else np.array(mask, bool),
        )
    )
    sample.gt_instances = InstanceData(
        bboxes=np.tile(np.array([0, 0, 120, 60], np.float32), (num, 1)),
        bbox_scores=np.ones(num, np.float32),
        keypoints=truth,
        keypoints_visible=np.ones((num, 13), np.float32),
        keypoints_labeled=np.ones((num, 13), np.float32),
    )
    sample.pred_instances = InstanceData(
        keypoints=truth + np.array([0, shift], np.float32),
        keypoint_scores=np.ones((num, 13), np.float32),
    )
    return sample


def single(shift=0.0):
    """A stock single-frame sample: no mask, no video, no labeled."""
    truth = body()[None].astype(np.float32)
    sample = PoseDataSample(
        metainfo=dict(id=5, img_id=9, img_path='9.jpg', ori_shape=(99, 99))
    )
    sample.gt_instances = InstanceData(
        bboxes=np.array([(0, 0, 120, 60)], np.float32),
        keypoints=truth,
        keypoints_visible=np.ones((1, 13, 1), np.float32),
    )
    sample.pred_instances = InstanceData(
        keypoints=torch.tensor(truth + np.array([0, shift], np.float32)),
        keypoint_scores=torch.ones(1, 13),
    )
    return sample
