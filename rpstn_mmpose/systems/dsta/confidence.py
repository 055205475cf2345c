# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Confidences of joints from the sigmas of their coordinates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, NamedTuple, Sequence

import numpy as np

Confidence = Callable[[np.ndarray], np.ndarray]


def one_minus_sigma(sigmas: np.ndarray) -> np.ndarray:
    """``RegressionLabel``'s score, (..., K) of (..., K, 2)."""
    return (1 - sigmas).mean(axis=-1)


def exp_minus_sigma(sigmas: np.ndarray) -> np.ndarray:
    """Exponential of minus the mean, (..., K) of (..., K, 2)."""
    return np.exp(-sigmas.mean(axis=-1))


class CalibratedConfidence(NamedTuple):
    """Probability that a joint is right, by its sigma.

    Attributes:
        slope (np.ndarray): (K,), of the logarithm of the mean sigma.
        offset (np.ndarray): (K,).
    """

    slope: np.ndarray
    offset: np.ndarray

    def __call__(self, sigmas: np.ndarray) -> np.ndarray:
        """Confidences (..., K) of sigmas (..., K, 2)."""
        logits = self.offset - self.slope * log_sigma(sigmas)
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


NAMED: dict[str, Confidence] = {
    '1-sigma': one_minus_sigma,
    'exp(-sigma)': exp_minus_sigma,
}


def log_sigma(sigmas: np.ndarray) -> np.ndarray:
    """Logarithm of the mean over x and y, (..., K) of (..., K, 2)."""
    return np.log(np.maximum(sigmas.mean(axis=-1), 1e-12))


def read_confidence(score: str, num_joints: int) -> Confidence:
    """A confidence by its name or file.

    Args:
        score (str): See :class:`JointTokenHead`.
        num_joints (int): K.

    Raises:
        ValueError: Another name, or a file of other joints.
    """
    if score in NAMED:
        return NAMED[score]
    if not str(score).endswith('.json'):
        raise ValueError(
            f'score must be one of {list(NAMED)} or a .json of '
            f'calibrate_scores.py, but got {score!r}'
        )
    try:
        content = json.loads(Path(score).read_text(encoding='utf-8'))
        slope, offset = (
            np.asarray(content[key], dtype=float)
            for key in ('slope', 'offset')
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'{score}: not a file of calibrate_scores.py ({error})'
        ) from None
    if slope.shape != (num_joints,) or offset.shape != (num_joints,):
        raise ValueError(
            f'{score}: has {slope.size} joints, and the model {num_joints}; '
            'calibrate this model'
        )
    calibrated: Any = CalibratedConfidence(slope, offset)
    return calibrated


def calibrate(
    sigmas: np.ndarray, right: np.ndarray, known: np.ndarray, steps: int = 50
) -> CalibratedConfidence:
    """Fit confidences to which joints were right.

    A logistic regression for each joint on the logarithm of its sigma, with
    a slight pull (one joint's worth) to the fit of all joints together, which
    a joint that is never labelled gets.

    Args:
        sigmas (np.ndarray): (N, K, 2).
        right (np.ndarray): (N, K) bool.
        known (np.ndarray): (N, K) bool; joints that are labelled.
        steps (int): Newton steps.

    Raises:
        ValueError: No joint is labelled.
    """
    logs = log_sigma(sigmas)
    if not known.any():
        raise ValueError('no joint is labelled, so that nothing can be fitted')
    together = _fit(logs[known], right[known], np.zeros(2), 1e-3, steps)
    each = [
        _fit(logs[row, k], right[row, k], together, 1.0, steps)
        for k, row in enumerate(known.T)
    ]
    offset, slope = np.array(each).T
    calibrated: Any = CalibratedConfidence(slope, offset)
    return calibrated


def _fit(
    logs: np.ndarray,
    right: Sequence[bool],
    start: np.ndarray,
    pull: float,
    steps: int,
) -> np.ndarray:
    """Offset and slope (2,) of one logistic regression, by Newton's method
    with steps that are halved until they help.
    """
    inputs = np.stack([np.ones_like(logs), -logs], axis=1)
    target = np.asarray(right, dtype=float)

    def cost(weights: np.ndarray) -> float:
        logits = inputs @ weights
        surprise = np.logaddexp(0, logits) - target * logits
        return surprise.sum() + pull / 2 * ((weights - start) ** 2).sum()

    weights = start.copy()
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -50, 50)))
        slope = inputs.T @ (chance - target) + pull * (weights - start)
        curve = (inputs * (chance * (1 - chance))[:, None]).T @ inputs
        step = np.linalg.solve(curve + pull * np.eye(2), slope)
        before = cost(weights)
        while cost(weights - step) > before and np.abs(step).max() > 1e-12:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights
