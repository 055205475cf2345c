# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a predictor scores that knows the mean pose alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation import ClipPCK, mean_pose, mean_pose_baseline


def mean_pose_result(train: Any, test: Any, out: Path) -> dict:
    """ClipPCK of the training set's mean pose, put into every box.

    Args:
        train: Clip data set of one frame a clip.
        test: The same for the test.
        out: JSON file to write.

    Returns:
        dict: What ClipPCK wrote.
    """
    keys = ('keypoints', 'keypoints_labeled', 'bbox')
    infos = [train.get_data_info(i) for i in range(len(train))]
    pose = mean_pose(
        *(np.concatenate([i[key] for i in infos]) for key in keys)
    )
    metric = ClipPCK(norm_item=['torso', 'person'], out_file=str(out))
    metric.dataset_meta = test.metainfo
    for i in range(len(test)):
        info = test.get_data_info(i)
        truth = {
            key: info[key]
            for key in ('keypoints', 'keypoints_visible', 'keypoints_labeled')
        }
        guess = mean_pose_baseline(pose, info['bbox'])
        metric.process(
            None,
            [
                dict(
                    gt_instances=dict(truth, bboxes=info['bbox']),
                    pred_instances=dict(keypoints=guess),
                )
            ],
        )
    metric.evaluate(len(test))
    return json.loads(out.read_text())
