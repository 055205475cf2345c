# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
