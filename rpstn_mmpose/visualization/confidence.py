# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""How sure a model is of the joints of a tracked person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..structures import VideoPeople


@dataclass
class Track:
    """One person over n frames.

    Attributes:
        track_id: At least 0.
        frames: (n,) int, rising; those whose record has the person, with the
            damaged ones, which repeat the frame before.
        scores: (n, K), to 4 decimals; NaN in damaged frames and where the
            predictions have none.
        bboxes: (n, 4), x1 y1 x2 y2, pixels; NaN where there is none.
    """

    track_id: int
    frames: np.ndarray
    scores: np.ndarray
    bboxes: np.ndarray

    def medians(self) -> np.ndarray:
        """(K,), of each joint's scores; NaN for a joint without any."""
        result = np.full(self.scores.shape[1], np.nan)
        for joint, column in enumerate(self.scores.T):
            if np.isfinite(column).any():
                result[joint] = np.median(column[np.isfinite(column)])
        return result

    def limits(self, fraction: float) -> np.ndarray:
        """Below which a joint is taken for occluded.

        Args:
            fraction: Of the joint's median.

        Returns:
            np.ndarray: (K,); NaN where the median is not positive, which
            leaves nothing to be a fraction of.
        """
        medians = self.medians()
        limits = np.full_like(medians, np.nan)
        good = np.isfinite(medians) & (medians > 0)
        limits[good] = np.round(fraction * medians[good], 6)
        return limits

    def occluded(self, fraction: float) -> np.ndarray:
        """(n, K) bool, the estimate; see :meth:`limits`."""
        with np.errstate(invalid='ignore'):
            return self.scores < self.limits(fraction)


def tracks_of(people: VideoPeople) -> dict[int, Track]:
    """The tracked people by id, those with the most frames first.

    Args:
        people: With scores of the joints.
    """
    damaged = np.isin(people.frame_ids, list(people.damaged))
    tracks = {}
    for track_id in people.tracked_ids():
        rows = people.track_ids == track_id
        scores = np.round(people.keypoint_scores[rows], 4)
        scores[damaged[rows]] = np.nan
        tracks[track_id] = Track(
            track_id, people.frame_ids[rows], scores, people.bboxes[rows]
        )
    return tracks
