# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""One person over the frames of one video, and compact storage of many."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

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
        track_id: The person's number in a video of several people; the
            pieces of a person who was away for a while share it.
        image_ids: (n,) int, the data set's own numbers of the frames.
        bbox_score: (n,), a detector's. None: 1.
        frame_sizes: (n, 2), width and height of the frames as the label
            tells them, pixels; 0, 0 where it does not. None: nowhere.
    """
    video_id: str
    frame_ids: Sequence[int]
    img_paths: Sequence[str]
    bbox: np.ndarray
    keypoints: np.ndarray
    keypoints_visible: np.ndarray
    keypoints_labeled: np.ndarray
    annotated: Optional[np.ndarray] = None
    track_id: Optional[int] = None
    image_ids: Optional[Sequence[int]] = None
    bbox_score: Optional[np.ndarray] = None
    frame_sizes: Optional[np.ndarray] = None

    def __len__(self) -> int:
        return len(self.frame_ids)


class TrackStore:
    """The frames of all tracks, end to end in a few read-only arrays.

    Few large arrays, because data loader workers share them with the parent
    process (a list of 164k paths would be copied page by page as reference
    counts change). A path that several people of a video share is kept once.
    Copies are the store itself: it never changes.

    Args:
        tracks: Tracks of one common number of keypoints.

    Raises:
        ValueError: A track whose arrays differ in length, or a field that
            some tracks have and others lack.
    """

    _ARRAYS = ('frame_ids', 'bbox', 'keypoints', 'keypoints_visible',
               'keypoints_labeled')
    _OPTIONAL = ('track_id', 'image_ids', 'bbox_score', 'frame_sizes')
    _DTYPES = dict(
        frame_ids=np.int64, image_ids=np.int64, frame_sizes=np.int32)

    def __init__(self, tracks: Sequence[Track]):
        optional = self._given(tracks)
        per_frame = self._ARRAYS + tuple(n for n in optional
                                         if n != 'track_id')
        for track in tracks:
            lengths = {
                name: len(getattr(track, name))
                for name in per_frame + ('img_paths', )
            }
            if len(set(lengths.values())) != 1:
                raise ValueError(f'Track {track.video_id}: its arrays must '
                                 f'be of one length, but got {lengths}')
        self.video_ids = np.array([t.video_id for t in tracks])
        self._begin = np.cumsum([0] + [len(t) for t in tracks])
        self._data: Dict[str, np.ndarray] = {}
        for name in per_frame:
            dtype = self._DTYPES.get(name, np.float32)
            self._data[name] = np.concatenate(
                [np.asarray(getattr(t, name), dtype=dtype) for t in tracks])
        if 'track_id' in optional:
            self._data['track_id'] = np.array([t.track_id for t in tracks])
        # UTF-8 bytes take a quarter of the room that numpy's str takes.
        numbers: Dict[bytes, int] = {}
        self._data['path_number'] = np.array([
            numbers.setdefault(str(path).encode(), len(numbers))
            for track in tracks for path in track.img_paths
        ], dtype=np.int32)
        self._data['img_paths'] = np.array(list(numbers))
        for array in self._data.values():
            array.flags.writeable = False

    def _given(self, tracks: Sequence[Track]) -> Tuple[str, ...]:
        """The optional fields that the tracks have."""
        given = []
        for name in self._OPTIONAL:
            lacking = [t for t in tracks if getattr(t, name) is None]
            if not lacking:
                given.append(name)
            elif len(lacking) < len(tracks):
                raise ValueError(
                    f'Track {lacking[0].video_id}: it has no {name}, but '
                    'other tracks have; give it to all of them or to none')
        return tuple(given)

    def __len__(self) -> int:
        return len(self.video_ids)

    def __deepcopy__(self, memo: dict) -> TrackStore:
        return self

    def column(self, name: str) -> np.ndarray:
        """One array over all frames of all tracks, read-only.

        Args:
            name: ``'frame_ids'``, ``'bbox'``, ``'keypoints'``,
                ``'keypoints_visible'`` or ``'keypoints_labeled'``; and
                ``'image_ids'``, ``'bbox_score'`` or ``'frame_sizes'`` where
                the tracks have them.
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
            and ``keypoints_labeled`` T x K; and where the tracks have them
            ``track_id`` (int), ``image_ids`` (list of T ints),
            ``bbox_score`` T and ``frame_sizes`` T x 2.
        """
        index = self._begin[track] + np.asarray(rows, dtype=np.int64)
        clip = {name: self._data[name][index] for name in self._ARRAYS[1:]}
        paths: List[str] = [
            path.decode() for path in self._data['img_paths'][
                self._data['path_number'][index]]
        ]
        clip.update(
            video_id=str(self.video_ids[track]),
            frame_ids=self._data['frame_ids'][index].tolist(),
            img_paths=paths)
        if 'track_id' in self._data:
            clip['track_id'] = int(self._data['track_id'][track])
        if 'image_ids' in self._data:
            clip['image_ids'] = self._data['image_ids'][index].tolist()
        for name in ('bbox_score', 'frame_sizes'):
            if name in self._data:
                clip[name] = self._data[name][index]
        return clip
