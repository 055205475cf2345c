# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Sequence

import numpy as np


class ClipIndex(Sequence):
    """Which clips a data set has: a few bytes each, in read-only arrays.

    Workers share the arrays with the main process. A copy is the index
    itself: it never changes.

    Args:
        tracks: (N,) int, number of each clip's track.
        places: (N, 1 or 2) int, see
            :class:`~rpstn_mmpose.datasets.windows.FrameWindow`.
        ids: (N,) int, numbers of the clips. None: from 0.
    """

    def __init__(
        self,
        tracks: np.ndarray,
        places: np.ndarray,
        ids: np.ndarray | None = None,
    ) -> None:
        if ids is None:
            ids = np.arange(len(tracks))
        self.arrays = tuple(
            np.array(array, dtype=np.int32) for array in (ids, tracks, places)
        )
        for array in self.arrays:
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, item: Any) -> Any:
        """A clip (dict of ``id``, ``track`` and ``place``), or the index of
        some, for a slice or several numbers.
        """
        ids, tracks, places = (
            array[item if isinstance(item, slice) else np.asarray(item, int)]
            for array in self.arrays
        )
        if np.ndim(ids):
            return ClipIndex(tracks, places, ids)
        return dict(id=int(ids), track=int(tracks), place=places.tolist())

    def __deepcopy__(self, memo: dict) -> ClipIndex:
        return self
