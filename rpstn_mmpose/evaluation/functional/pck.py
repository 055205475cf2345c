# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Percentage of correct keypoints (PCK), with explicit degenerate cases."""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np

# Columns of the papers' tables, by joint name: a joint belongs to the column
# whose word is in its name. 'Mean' is taken over all joints.
PCK_GROUPS: dict[str, str] = {
    'Head': 'head',
    'Sho.': 'shoulder',
    'Elb.': 'elbow',
    'Wri.': 'wrist',
    'Hip': 'hip',
    'Knee': 'knee',
    'Ank.': 'ankle',
}

# A reference shorter than one pixel says nothing about a person's size.
MIN_REFERENCE = 1.0


def joint_groups(keypoint_names: Sequence[str]) -> dict[str, list[int]]:
    """Indices of the joints in each column of ``PCK_GROUPS``.

    A data set without a joint called head uses its nose or face for it.

    Args:
        keypoint_names: Names of the K joints, in order.

    Returns:
        dict[str, list[int]]: Column to joints, empty where there are none.

    Examples:
        >>> joint_groups(['nose', 'left_wrist', 'right_wrist'])['Wri.']
        [1, 2]
    """
    groups = {
        column: [i for i, name in enumerate(keypoint_names) if word in name]
        for column, word in PCK_GROUPS.items()
    }
    if not groups['Head']:
        groups['Head'] = [
            i
            for i, name in enumerate(keypoint_names)
            if name in ('nose', 'face')
        ]
    return groups


def reference_length(
    norm_item: str,
    keypoint_names: Sequence[str],
    keypoints: np.ndarray,
    keypoints_labeled: np.ndarray,
    bboxes: np.ndarray | None = None,
) -> np.ndarray:
    """The length that a distance is measured by, for each of N instances.

    Args:
        norm_item: ``'torso'``: from left shoulder to right hip.
            ``'person'``: the longer side of the box.
        keypoint_names: Names of the K joints, in order.
        keypoints: (N, K, 2) ground truth, pixels.
        keypoints_labeled: (N, K), nonzero where annotated, visible or not.
        bboxes: (N, 4), x1 y1 x2 y2, pixels; for ``'person'``.

    Returns:
        np.ndarray: (N,) float64 pixels; NaN where the length is undefined:
        one of the two joints is not labelled, or it is below one pixel.

    Raises:
        ValueError: An unknown item, or what it needs is missing.

    Examples:
        >>> shoulder, hip = [10, 20], [13, 24]  # 3 and 4 pixels apart
        >>> reference_length('torso', ['left_shoulder', 'right_hip'],
        ...                  [[shoulder, hip]], [[1, 1]])
        array([5.])
    """
    if norm_item == 'torso':
        ends = []
        for name in ('left_shoulder', 'right_hip'):
            if name not in keypoint_names:
                raise ValueError(
                    f"reference_length: 'torso' needs a joint {name!r}, but "
                    f'the data set has {list(keypoint_names)}; use '
                    "norm_item='person'"
                )
            ends.append(list(keypoint_names).index(name))
        start, end = (np.asarray(keypoints, np.float64)[:, i] for i in ends)
        length = np.hypot(*(start - end).T)
        known = (np.asarray(keypoints_labeled)[:, ends] > 0).all(axis=1)
        length = np.where(known, length, np.nan)
    elif norm_item == 'person':
        if bboxes is None:
            raise ValueError("reference_length: 'person' needs gt bboxes")
        boxes = np.asarray(bboxes, np.float64)
        length = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    else:
        raise ValueError(
            "reference_length: norm_item must be 'torso' or "
            f"'person', but got {norm_item!r}"
        )
    defined = np.isfinite(length) & (length >= MIN_REFERENCE)
    return np.where(defined, length, np.nan)


def pck_counts(
    pred: np.ndarray,
    gt: np.ndarray,
    mask: np.ndarray,
    ref_length: np.ndarray,
    thrs: float | Sequence[float],
) -> tuple[np.ndarray, np.ndarray]:
    """Count correct keypoints.

    A keypoint is correct if its distance to the truth is at most
    ``thr * ref_length`` (in float64, without tolerance). A prediction that
    is NaN is wrong. Instances of undefined reference length do not count.

    Args:
        pred: (N, K, 2) pixels.
        gt: (N, K, 2) pixels.
        mask: (N, K), nonzero where a joint counts.
        ref_length: (N,) pixels, NaN where undefined.
        thrs: M thresholds, or one.

    Returns:
        tuple[np.ndarray, np.ndarray]: Correct (M, K) and counted (K,)
        keypoints, int64.
    """
    ref_length = np.asarray(ref_length, np.float64)
    factors = np.atleast_1d(np.asarray(thrs, np.float64))
    counted = (np.asarray(mask) > 0) & np.isfinite(ref_length)[:, None]
    delta = np.asarray(pred, np.float64) - np.asarray(gt, np.float64)
    distance = np.hypot(delta[..., 0], delta[..., 1])
    # Comparisons with NaN are False: wrong where counted, ignored elsewhere.
    limit = factors[:, None, None] * ref_length[None, :, None]
    correct = (distance[None] <= limit) & counted[None]
    return correct.sum(axis=1), counted.sum(axis=0)


def _ratio(correct: np.ndarray, total: np.ndarray) -> np.ndarray:
    """correct / total, NaN where nothing was counted."""
    total = np.asarray(total, np.float64)
    return np.divide(
        correct,
        total,
        out=np.full(np.shape(correct), np.nan),
        where=np.broadcast_to(total > 0, np.shape(correct)),
    )


def pck(
    pred: np.ndarray,
    gt: np.ndarray,
    mask: np.ndarray,
    ref_length: np.ndarray,
    thrs: float | Sequence[float],
) -> np.ndarray:
    """PCK of each joint; see :func:`pck_counts` for the arguments.

    Returns:
        np.ndarray: (M, K), 0 to 1; NaN for joints without an instance.

    Examples:
        >>> truth = np.zeros((2, 1, 2))  # two people, one joint
        >>> found = truth + [[[3, 0]], [[0, 5]]]  # 3 and 5 pixels off
        >>> pck(found, truth, np.ones((2, 1)), [20, 20], [0.1, 0.2])
        array([[0. ],
               [0.5]])
    """
    return _ratio(*pck_counts(pred, gt, mask, ref_length, thrs))


def group_pck(
    correct: np.ndarray, total: np.ndarray, groups: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """Scores by column, from one threshold's counts.

    A column, and ``'Mean'`` over all joints, is the mean over its joints that
    have at least one counted keypoint, each joint weighted alike.

    Args:
        correct: (K,) correct keypoints.
        total: (K,) counted keypoints.
        groups: Column to joints, from :func:`joint_groups`.

    Returns:
        dict[str, float]: 0 to 1 by column, with ``'Mean'`` last; NaN where
        nothing was counted.
    """
    score = _ratio(np.asarray(correct), np.asarray(total))
    columns = dict(groups, Mean=range(len(score)))
    out = {}
    for column, joints in columns.items():
        known = score[list(joints)]
        known = known[~np.isnan(known)]
        out[column] = float(known.mean()) if len(known) else float('nan')
    return out
