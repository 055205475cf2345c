# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Boxes x1 y1 x2 y2, in continuous coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of all pairs of boxes.

    Args:
        first: (N, 4), x1 y1 x2 y2.
        second: (M, 4).

    Returns:
        np.ndarray: (N, M) float64, 0 to 1; 0 where both boxes have no area.

    Example:
        >>> box_iou([[0, 0, 10, 10]], [[0, 0, 10, 5], [20, 0, 30, 10]])
        array([[0.5, 0. ]])
    """
    first, second = (
        np.asarray(b, np.float64).reshape(-1, 4) for b in (first, second)
    )
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    inter = np.clip(high - low, 0, None).prod(axis=2)
    areas = [
        (b[:, 2:] - b[:, :2]).clip(0).prod(axis=1) for b in (first, second)
    ]
    union = areas[0][:, None] + areas[1][None] - inter
    return inter / np.maximum(union, 1e-9)


def check_boxes(boxes: Any, where: str) -> np.ndarray:
    """Bring boxes given by a user into shape.

    Args:
        boxes: (N, 4) or (N, 5): x1 y1 x2 y2 in pixels, score.
        where: Beginning of the error message.

    Returns:
        np.ndarray: (N, 5) float32; the score is 1 where none was given.

    Raises:
        ValueError: Another shape, or a box that is not finite or has no
            area.
    """
    try:
        array = np.asarray(boxes, dtype=np.float32)
    except (TypeError, ValueError):
        raise ValueError(
            f'{where}: boxes must be rows of 4 or 5 numbers, but got '
            f'{boxes!r:.80}'
        ) from None
    if array.size == 0:
        return np.zeros((0, 5), np.float32)
    if array.ndim != 2 or array.shape[1] not in (4, 5):
        raise ValueError(
            f'{where}: boxes must be N x 4 (x1 y1 x2 y2) or N x 5 with '
            f'scores, but got {array.shape}'
        )
    bad = ~(
        np.isfinite(array).all(axis=1)
        & (array[:, 2:4] > array[:, :2]).all(axis=1)
    )
    if bad.any():
        raise ValueError(
            f'{where}: the box {array[bad][0].tolist()} must be finite with '
            'x1 < x2 and y1 < y2'
        )
    if array.shape[1] == 4:
        ones = np.ones((len(array), 1), np.float32)
        array = np.concatenate([array, ones], axis=1)
    return array
