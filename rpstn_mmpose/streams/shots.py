# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Nobody is followed from one shot of a video into the next one."""

from __future__ import annotations

from typing import Any

import numpy as np

_BITS = 32


def shot_ids(ids: Any, shot: int) -> np.ndarray:
    """Ids of people that are others in each shot, for what keeps states.

    Args:
        ids: (N,) of the people, 0 to 2**32 - 1.
        shot: Number of the shot.

    Returns:
        np.ndarray: (N,) int64.
    """
    return np.asarray(ids, dtype=np.int64) + (shot << _BITS)


def own_ids(ids: Any) -> np.ndarray:
    """The ids that :func:`shot_ids` was given."""
    return np.asarray(ids, dtype=np.int64) & ((1 << _BITS) - 1)


class ShotTracker:
    """A tracker that begins anew with each shot; its ids go on.

    Args:
        tracker (BaseTracker): Of one shot.
    """

    def __init__(self, tracker: Any) -> None:
        self.tracker = tracker
        self.reset()

    def reset(self) -> None:
        """Forget the last video."""
        self.tracker.reset()
        self._shot = self._first = self._next = 0

    def update(self, shot: int, *seen: np.ndarray) -> np.ndarray:
        """Track the people of the next frame.

        Args:
            shot: Number of the frame's shot.
            *seen: As the tracker wants it.

        Returns:
            np.ndarray: (N,) ids; -1 for boxes that belong to nobody.
        """
        if shot != self._shot:
            self.tracker.reset()
            self._shot, self._first = shot, self._next
        ids = np.asarray(self.tracker.update(*seen))
        ids = np.where(ids >= 0, ids + self._first, ids)
        self._next = max(self._next, int(ids.max(initial=-1)) + 1)
        return ids
