# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""One person over the frames of one video, and compact storage of many."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

import numpy as np


@dataclass
class Track:
    """Annotations of one person over a video's n frames.

    Coordinates are 0-based image pixels, all of them finite.

    Attributes:
        video_id: Name of the video, unique in the data set.
        frame_ids: (n,) frame numbers, as in the file names.
        img_paths: n paths.
        bbox: (n, 4), x1 y1 x2 y2, of positive area.
        keypoints: (n, K, 2).
        keypoints_visible: (n, K), 1 where annotated and visible, else 0.
        keypoints_labeled: (n, K), 1 where the coordinates are annotated.
        annotated: (n,) bool, False for frames without labels, which may
            surround others in a clip but are never wanted. None: all are.
    """
    video_id: str
    frame_ids: Sequence[int]
    img_paths: Sequence[str]
    bbox: np.ndarray
    keypoints: np.ndarray
    keypoints_visible: np.ndarray
    keypoints_labeled: np.ndarray
    annotated: Optional[np.ndarray] = None

    def __len__(self) -> int:
        return len(self.frame_ids)


class TrackStore:
    """The frames of all tracks, end to end in a few read-only arrays.

    Few large arrays, because data loader workers share them with the parent
    process (a list of 164k paths would be copied page by page as reference
    counts change). Copies are the store itself: it never changes.

    Args:
        tracks: Tracks of one common number of keypoints.

    Raises:
        ValueError: A track whose arrays differ in length.
    """

    _ARRAYS = ('frame_ids', 'bbox', 'keypoints', 'keypoints_visible',
               'keypoints_labeled')

    def __init__(self, tracks: Sequence[Track]):
        for track in tracks:
            lengths = {
                name: len(getattr(track, name))
                for name in self._ARRAYS + ('img_paths', )
            }
            if len(set(lengths.values())) != 1:
                raise ValueError(f'Track {track.video_id}: its arrays must '
                                 f'be of one length, but got {lengths}')
        self.video_ids = np.array([t.video_id for t in tracks])
        self._begin = np.cumsum([0] + [len(t) for t in tracks])
        self._data: Dict[str, np.ndarray] = {}
        for name in self._ARRAYS:
            dtype = np.int64 if name == 'frame_ids' else np.float32
            self._data[name] = np.concatenate(
                [np.asarray(getattr(t, name), dtype=dtype) for t in tracks])
        # UTF-8 bytes take a quarter of the room that numpy's str takes.
        self._data['img_paths'] = np.concatenate(
            [np.array([str(p).encode() for p in t.img_paths])
             for t in tracks])
        for array in self._data.values():
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.video_ids)

    def __deepcopy__(self, memo: dict) -> TrackStore:
        return self

    def column(self, name: str) -> np.ndarray:
        """One array over all frames of all tracks, read-only.

        Args:
            name: ``'frame_ids'``, ``'bbox'``, ``'keypoints'``,
                ``'keypoints_visible'`` or ``'keypoints_labeled'``.
        """
        return self._data[name]

    def clip(self, track: int, rows: Sequence[int]) -> dict:
        """Copy some frames of a track out.

        Args:
            track: Index of the track.
            rows: T frame indices into it.

        Returns:
            dict: ``video_id``, ``frame_ids`` and ``img_paths`` (lists of T),
            ``bbox`` T x 4, ``keypoints`` T x K x 2, ``keypoints_visible``
            and ``keypoints_labeled`` T x K.
        """
        index = self._begin[track] + np.asarray(rows, dtype=np.int64)
        clip = {name: self._data[name][index] for name in self._ARRAYS[1:]}
        paths: List[str] = [
            path.decode() for path in self._data['img_paths'][index]
        ]
        clip.update(
            video_id=str(self.video_ids[track]),
            frame_ids=self._data['frame_ids'][index].tolist(),
            img_paths=paths)
        return clip
