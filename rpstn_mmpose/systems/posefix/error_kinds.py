# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What kind of error an estimator made, joint by joint."""

from __future__ import annotations

import numpy as np

from .pose_errors import GOOD, INVERSION, JITTER, MISS, NOTHING, SWAP


def error_kinds(
    places: np.ndarray, points: np.ndarray, rings: np.ndarray
) -> np.ndarray:
    """The kinds that :func:`.draw_errors` draws, found in poses.

    By the object keypoint similarity with the truth: good from 0.85, jitter
    from 0.5. What is less similar is an inversion or a swap, if it is at
    least 0.5 with the person's mirrored joint or with the joint or the
    mirrored joint of somebody beside (the nearest of them), and else a miss.

    Args:
        places (np.ndarray): (S, 2), found joints.
        points (np.ndarray): (S, R, 2), see :func:`.reference_points`.
        rings (np.ndarray): (S, 3), see :func:`.radii`.

    Returns:
        np.ndarray: (S,) numbers of kinds; -1 where the truth is not known. A
        place that is not finite is a miss.
    """
    gaps = np.linalg.norm(places[:, None] - points, axis=2)
    gaps = np.where(np.isfinite(gaps), gaps, np.inf)
    near, half, _ = rings.T
    kinds = np.full(len(places), MISS)
    others = gaps[:, 1:]
    if others.shape[1]:
        taken = others.argmin(axis=1)
        found = others.min(axis=1) <= half
        kinds[found & (taken == 0)] = INVERSION
        kinds[found & (taken > 0)] = SWAP
    kinds[gaps[:, 0] <= half] = JITTER
    kinds[gaps[:, 0] <= near] = GOOD
    kinds[~np.isfinite(points[:, 0, 0])] = NOTHING
    return kinds
