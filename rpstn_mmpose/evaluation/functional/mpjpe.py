# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Errors of 3D poses: pure functions of arrays (n, K, 3), in their unit.

Each gives one number a frame: the mean over the joints of the distance
between found and true joint, after what the protocol aligns.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np


def mpjpe(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Protocol 1: nothing is aligned; all joints count, the root too.

    Args:
        found: (n, K, 3).
        true: (n, K, 3).

    Returns:
        np.ndarray: (n,).

    Raises:
        ValueError: Arrays of other shapes.
    """
    found, true = _checked(found, true)
    return np.linalg.norm(found - true, axis=-1).mean(axis=-1)


def p_mpjpe(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Protocol 2: rotation, scale and translation of each frame aligned.

    Args:
        found: (n, K, 3).
        true: (n, K, 3).

    Returns:
        np.ndarray: (n,).

    Raises:
        ValueError: Arrays of other shapes.
    """
    return mpjpe(similarity_aligned(found, true), true)


def n_mpjpe(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Protocol 3: the scale of each frame aligned, about the origin.

    Args:
        found: (n, K, 3); all at the origin stay there.
        true: (n, K, 3).

    Returns:
        np.ndarray: (n,).

    Raises:
        ValueError: Arrays of other shapes.
    """
    found, true = _checked(found, true)
    inner = (found * true).sum(axis=(1, 2), keepdims=True)
    square = (found * found).sum(axis=(1, 2), keepdims=True)
    return mpjpe(found * _quotient(inner, square), true)


def mpjve(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Velocity error: MPJPE of the differences from frame to frame.

    Args:
        found: (n, K, 3), consecutive frames.
        true: (n, K, 3).

    Returns:
        np.ndarray: (n - 1,), by frame.

    Raises:
        ValueError: Arrays of other shapes, or no frame.
    """
    found, true = _checked(found, true)
    if not len(found):
        raise ValueError('no frame has no velocity')
    return mpjpe(np.diff(found, axis=0), np.diff(true, axis=0))


def similarity_aligned(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Rotated, scaled and moved to the least sum of squared distances.

    Never mirrored. Points that are all in one place are moved there where
    the true ones have their mean.

    Args:
        found: (n, K, 3).
        true: (n, K, 3).

    Returns:
        np.ndarray: (n, K, 3), float64.

    Raises:
        ValueError: Arrays of other shapes.
    """
    found, true = _checked(found, true)
    middle = true.mean(axis=1, keepdims=True)
    x = found - found.mean(axis=1, keepdims=True)
    y = true - middle
    u, s, vt = np.linalg.svd(np.swapaxes(x, 1, 2) @ y)
    # The last axis turns round where the best map would be a mirror.
    sign = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    u[..., -1] *= sign[:, None]
    s[..., -1] *= sign
    square = (x * x).sum(axis=(1, 2))
    scale = _quotient(s.sum(axis=-1), square)
    return scale[:, None, None] * (x @ u @ vt) + middle


def bone_length_spread(
    poses: np.ndarray, bones: Sequence[tuple[int, int]]
) -> float:
    """How much bones of one person change their length over time.

    Args:
        poses: (n, K, 3), n at least 1.
        bones: Pairs of joints.

    Returns:
        float: Mean over the bones of the standard deviation over the frames.
    """
    first, second = np.asarray(bones, dtype=int).T
    poses = np.asarray(poses, dtype=np.float64)
    lengths = np.linalg.norm(poses[:, first] - poses[:, second], axis=-1)
    return float(lengths.std(axis=0).mean())


def _quotient(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """0 where there is nothing to divide by."""
    safe = np.where(below > 0, below, 1)
    return np.where(below > 0, above / safe, 0)


def _checked(
    found: np.ndarray, true: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    found, true = (np.asarray(a, dtype=np.float64) for a in (found, true))
    if (
        found.shape != true.shape
        or found.ndim != 3
        or found.shape[1] < 1
        or found.shape[2] != 3
    ):
        raise ValueError(
            'poses (n, K, 3) of one shape are needed, but got '
            f'{found.shape} and {true.shape}'
        )
    return found, true
