# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from abc import ABCMeta, abstractmethod

import numpy as np


class BaseTracker(metaclass=ABCMeta):
    """Gives the boxes of one frame after the other the ids of people.

    Subclasses are registered in MMPose's ``TASK_UTILS``. What they remember
    must not grow with the length of the video.

    Attributes:
        uses_keypoints (bool): Whether :meth:`update` wants the poses of the
            frame. A recurrent pose model cannot give them: it has to know
            first whose pose it continues.
        lowest_score (float, optional): Of the boxes that :meth:`update`
            wants; ``None`` where it does not look at the scores.
    """

    uses_keypoints: bool = False
    lowest_score: float | None = None

    @abstractmethod
    def reset(self) -> None:
        """Forget everybody; the next frame is the first of a video."""

    @abstractmethod
    def update(
        self,
        bboxes: np.ndarray,
        scores: np.ndarray,
        keypoints: np.ndarray | None = None,
    ) -> np.ndarray:
        """Track the people of the next frame.

        Args:
            bboxes: (N, 4), x1 y1 x2 y2 in pixels of the frame; N may be 0.
            scores: (N,).
            keypoints: (N, K, 2), pixels of the frame, where the tracker
                ``uses_keypoints``.

        Returns:
            np.ndarray: (N,) ids, counted from 0; -1 for boxes that belong to
            nobody.
        """

    @property
    @abstractmethod
    def person_ids(self) -> list[int]:
        """Those who are remembered, people out of sight included."""

    def _checked(
        self, bboxes: np.ndarray, scores: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        bboxes = np.asarray(bboxes, dtype=np.float64).reshape(-1, 4)
        scores = np.asarray(scores, dtype=np.float64).reshape(-1)
        if len(bboxes) != len(scores):
            raise ValueError(
                f'{self.__class__.__name__}: {len(bboxes)} boxes '
                f'but {len(scores)} scores'
            )
        return bboxes, scores
