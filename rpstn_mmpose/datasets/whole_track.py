# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

import numpy as np
from mmpose.registry import TASK_UTILS

from .windows import ClipWindow, FrameWindow


@TASK_UTILS.register_module()
class WholeTrack(FrameWindow):
    """One clip of all frames of a track, its first and last ones repeated.

    Args:
        before (int): Copies of the first frame in front of it, unwanted.
            Defaults to 0.
        after (int): Copies of the last frame behind it. Defaults to 0.

    Raises:
        ValueError: A number below 0.
    """

    length = 1
    span = 1

    def __init__(self, before: int = 0, after: int = 0) -> None:
        if before < 0 or after < 0:
            raise ValueError(
                'before and after of a WholeTrack must be at least 0, but '
                f'got {before} and {after}'
            )
        self.before, self.after = before, after

    def places(
        self,
        num_frames: int,
        annotated: np.ndarray | None = None,
        test_mode: bool = False,
    ) -> np.ndarray:
        """One place."""
        if annotated is not None and not np.any(annotated):
            return np.zeros((0, 1), int)
        return np.zeros((1, 1), int)

    def clip(
        self,
        place: Sequence[int],
        num_frames: int,
        annotated: np.ndarray | None = None,
    ) -> ClipWindow:
        """See the base class."""
        rows = np.arange(-self.before, num_frames + self.after)
        inside = (rows >= 0) & (rows < num_frames)
        rows = rows.clip(0, num_frames - 1)
        if annotated is not None:
            inside &= np.asarray(annotated, dtype=bool)[rows]
        return ClipWindow(rows, inside)
