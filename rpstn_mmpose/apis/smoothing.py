# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Smooth keypoints over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np
from mmpose.registry import TASK_UTILS

DERIVATIVE_CUTOFF = 1.0


def smoothing_factor(cutoff: np.ndarray, seconds: float) -> np.ndarray:
    """Weight of the new value in a first-order low-pass filter.

    Args:
        cutoff: Cutoff frequency, Hz.
        seconds: Since the last value.

    Returns:
        np.ndarray: In (0, 1), shaped like ``cutoff``.
    """
    rate = 2 * np.pi * np.asarray(cutoff) * seconds
    return rate / (rate + 1)


@dataclass
class _Past:
    """Filtered values of one person.

    Attributes:
        points: (K, 2).
        velocity: (K, 2), pixels a second.
        frame: Of these values.
        time: Of the frame, seconds; None where only the rate is known.
    """

    points: np.ndarray
    velocity: np.ndarray
    frame: int
    time: float | None = None


@TASK_UTILS.register_module()
class OneEuroFilter:
    """The 1 Euro filter for the joints of tracked people.

    `Casiez et al., CHI 2012 <https://doi.org/10.1145/2207676.2208639>`_: a
    low-pass filter whose cutoff rises with speed, so that a still joint does
    not tremble and a fast one does not lag. The speed is that of the joint
    in the plane, in sizes of the person a second, so that one setting serves
    all resolutions and distances.

    Args:
        min_cutoff (float): Cutoff of a joint at rest, Hz; lower is smoother.
            Defaults to 1.7.
        beta (float): How much the cutoff rises with the speed, Hz for one
            size of the person a second. Defaults to 6.
        derivative_cutoff (float): Of the filter of the speed, Hz. Defaults
            to 1.
        max_gap (int): A person who was missing for more frames begins anew.
            Defaults to 5.

    Raises:
        ValueError: An option out of range, or a ``derivative_cutoff`` with
            ``beta=0``, where the speed does not count.
    """

    def __init__(
        self,
        min_cutoff: float = 1.7,
        beta: float = 6.0,
        derivative_cutoff: float = DERIVATIVE_CUTOFF,
        max_gap: int = 5,
    ) -> None:
        # Written so that NaN is refused.
        if not (
            min_cutoff > 0
            and derivative_cutoff > 0
            and beta >= 0
            and max_gap >= 0
        ):
            raise ValueError(
                f'{self.__class__.__name__}: cutoffs must be above 0, beta '
                f'and max_gap at least 0, but got min_cutoff={min_cutoff}, '
                f'derivative_cutoff={derivative_cutoff}, beta={beta}, '
                f'max_gap={max_gap}'
            )
        if beta == 0 and derivative_cutoff != DERIVATIVE_CUTOFF:
            raise ValueError(
                f'{self.__class__.__name__}: derivative_cutoff='
                f'{derivative_cutoff} does nothing with beta=0; set beta, or '
                'leave it out'
            )
        self.min_cutoff = min_cutoff
        self.beta = beta
        self.derivative_cutoff = derivative_cutoff
        self.max_gap = max_gap
        self.reset()

    def reset(self) -> None:
        """Forget everybody; the next frame is the first of a video."""
        self._frame = -1
        self._past: dict[int, _Past] = {}

    def skip_frame(self) -> None:
        """Pass a frame in which nobody is seen."""
        self._frame += 1
        self._past = {
            key: past
            for key, past in self._past.items()
            if self._frame - past.frame <= self.max_gap + 1
        }

    def __call__(
        self,
        person_ids: Sequence[int],
        points: np.ndarray,
        fps: float,
        sizes: np.ndarray | None = None,
        time: float | None = None,
    ) -> np.ndarray:
        """Filter the points of the next frame.

        Args:
            person_ids: N different ones.
            points: (N, K, 2), pixels. Points that are not finite stay so
                and leave no trace.
            fps: Frames a second of the video.
            sizes: (N,) of the people, pixels. None: 1, so that ``beta`` is
                for pixels a second.
            time: When the frame is shown, seconds, later than the one
                before. None: frames are ``1 / fps`` apart.

        Returns:
            np.ndarray: (N, K, 2), in the dtype of ``points``.
        """
        self.skip_frame()
        points = np.asarray(points)
        result = points.copy()
        for row, key in enumerate(person_ids):
            size = 1.0 if sizes is None else max(float(sizes[row]), 1e-6)
            result[row] = self._filter(
                int(key), points[row].astype(np.float64), fps, size, time
            )
        return result

    def _filter(
        self,
        key: int,
        points: np.ndarray,
        fps: float,
        size: float,
        time: float | None,
    ) -> np.ndarray:
        past = self._past.get(key)
        finite = np.isfinite(points).all(axis=1, keepdims=True)
        if past is None:
            self._past[key] = _Past(
                points, np.zeros_like(points), self._frame, time
            )
            return points
        if time is None or past.time is None:
            seconds = (self._frame - past.frame) / fps
        else:
            seconds = time - past.time
        # A point that comes back after having been not finite starts anew.
        before = np.where(np.isfinite(past.points), past.points, points)
        velocity = past.velocity + smoothing_factor(
            self.derivative_cutoff, seconds
        ) * ((points - before) / seconds - past.velocity)
        speed = np.hypot(*velocity.T)[:, None] / size
        weight = smoothing_factor(self.min_cutoff + self.beta * speed, seconds)
        filtered = before + weight * (points - before)
        self._past[key] = _Past(
            np.where(finite, filtered, past.points),
            np.where(finite, velocity, 0.0),
            self._frame,
            time,
        )
        return np.where(finite, filtered, points)
