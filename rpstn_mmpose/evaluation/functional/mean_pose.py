# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The baseline that looks at no pixel: the training set's mean pose."""

from __future__ import annotations

import numpy as np


def mean_pose(
    keypoints: np.ndarray, keypoints_labeled: np.ndarray, bboxes: np.ndarray
) -> np.ndarray:
    """Mean position of each joint within the person's box.

    Args:
        keypoints: (N, K, 2) pixels.
        keypoints_labeled: (N, K), nonzero where annotated.
        bboxes: (N, 4), x1 y1 x2 y2, pixels, of positive area.

    Returns:
        np.ndarray: (K, 2) float64 in box coordinates: (0, 0) is the box's
        upper left corner and (1, 1) its lower right one. Joints that are
        labelled nowhere get the centre.

    Examples:
        >>> # The second joint is not labelled.
        >>> mean_pose([[[12, 30]], [[14, 0]]], [[1], [0]],
        ...           [[10, 10, 20, 50], [0, 0, 9, 9]])
        array([[0.2, 0.5]])
    """
    boxes = np.asarray(bboxes, np.float64)
    labeled = (np.asarray(keypoints_labeled) > 0)[..., None]
    size = boxes[:, None, 2:] - boxes[:, None, :2]
    position = (np.asarray(keypoints, np.float64) - boxes[:, None, :2]) / size
    count = labeled.sum(axis=0)
    total = np.where(labeled, position, 0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), 0.5)


def mean_pose_baseline(pose: np.ndarray, bboxes: np.ndarray) -> np.ndarray:
    """Predict the mean pose in every box.

    Args:
        pose: (K, 2), from :func:`mean_pose`.
        bboxes: (N, 4), x1 y1 x2 y2, pixels.

    Returns:
        np.ndarray: (N, K, 2) float64 pixels.
    """
    boxes = np.asarray(bboxes, np.float64)
    size = boxes[:, None, 2:] - boxes[:, None, :2]
    return boxes[:, None, :2] + np.asarray(pose, np.float64)[None] * size
