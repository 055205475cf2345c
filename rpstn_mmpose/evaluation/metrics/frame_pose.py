# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np


@dataclass(frozen=True)
class FramePose:
    """One person in one image."""

    image_id: Any
    track_id: int  # -1: none
    keypoints: np.ndarray  # (K, 3) of x, y, score
    bbox: np.ndarray  # x1, y1, x2, y2
    score: float
    bbox_score: float


def numbered(people: Sequence[FramePose]) -> list[tuple[int, FramePose]]:
    """The people of an image with numbers: their track's, or unused ones."""
    unused = 1 + max([pose.track_id for pose in people], default=-1)
    found = []
    for pose in people:
        track = pose.track_id
        if track < 0:
            track, unused = unused, unused + 1
        found.append((track, pose))
    return found
