# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""One person over the frames of one video, and compact storage of many."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ..structures.columns import COLUMNS, KINDS, Column


class Track:
    """Annotations of one person over a video's n frames.

    Coordinates are 0-based image pixels, all of them finite.

    Args:
        video_id: Name of the video, unique in the data set.
        annotated: (n,) bool, False for frames without labels, which may
            surround others in a clip but are never wanted. None: all are.
        columns: Values by the name of their column, see
            :class:`~rpstn_mmpose.structures.columns.Column`; they are
            attributes of the track, None where it has none. A data set may
            declare more than

            - ``frame_ids`` (n,) int, as in the file names; every track has
              them;
            - ``img_paths``: n paths;
            - ``bbox`` (n, 4), x1 y1 x2 y2, of positive area;
            - ``keypoints`` (n, K, 2);
            - ``keypoints_visible`` (n, K), 1 where annotated and visible,
              else 0;
            - ``keypoints_labeled`` (n, K), 1 where the coordinates are
              annotated;
            - ``track_id``: the person's number in a video of several people;
              the pieces of a person who was away for a while share it;
            - ``image_ids`` (n,) int, the data set's own numbers of the
              frames;
            - ``bbox_score`` (n,), a detector's. None: 1;
            - ``frame_sizes`` (n, 2), width and height of the frames as the
              label tells them, pixels; 0, 0 where it does not.
    """

    def __init__(
        self,
        video_id: str,
        annotated: np.ndarray | None = None,
        **columns: Any,
    ) -> None:
        self.video_id = video_id
        self.annotated = annotated
        self.columns = {
            name: values
            for name, values in columns.items()
            if values is not None
        }

    def __getattr__(self, name: str) -> Any:
        columns = self.__dict__.get('columns', {})
        if name in columns:
            return columns[name]
        if any(name == column.name for column in COLUMNS):
            return None
        raise AttributeError(f'Track has no column {name!r}')

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
        columns: Columns that the tracks may have.

    Raises:
        ValueError: A track whose arrays differ in length, a field that some
            tracks have and others lack, or one that is not declared.
    """

    def __init__(
        self, tracks: Sequence[Track], columns: Sequence[Column] = COLUMNS
    ) -> None:
        self.columns = self._given(tracks, columns)
        for track in tracks:
            lengths = {
                column.name: len(getattr(track, column.name))
                for column in self.columns
                if not column.of_track
            }
            if len(set(lengths.values())) != 1:
                raise ValueError(
                    f'Track {track.video_id}: its arrays must be of one '
                    f'length, but got {lengths}'
                )
        self.video_ids = np.array([t.video_id for t in tracks])
        self._begin = np.cumsum([0] + [len(t) for t in tracks])
        self._data: dict[str, np.ndarray] = {}
        self._annotated: np.ndarray | None = None
        if any(track.annotated is not None for track in tracks):
            self._annotated = np.concatenate(
                [
                    np.ones(len(t), bool)
                    if t.annotated is None
                    else np.asarray(t.annotated, dtype=bool)
                    for t in tracks
                ]
            )
        for column in self.columns:
            self._store(column, [getattr(t, column.name) for t in tracks])
        for array in self._data.values():
            array.flags.writeable = False

    def _store(self, column: Column, values: list[Any]) -> None:
        name, dtype = column.name, column.dtype or KINDS[column.kind]
        if column.kind != 'path':
            arrays = [np.asarray(value, dtype=dtype) for value in values]
            join = np.stack if column.of_track else np.concatenate
            self._data[name] = join(arrays)
            return
        # UTF-8 bytes take a quarter of the room that numpy's str takes.
        numbers: dict[bytes, int] = {}
        self._data[f'{name} number'] = np.array(
            [
                numbers.setdefault(str(path).encode(), len(numbers))
                for paths in values
                for path in ([paths] if column.of_track else paths)
            ],
            dtype=np.int32,
        )
        self._data[name] = np.array(list(numbers))

    @staticmethod
    def _given(
        tracks: Sequence[Track], columns: Sequence[Column]
    ) -> tuple[Column, ...]:
        """The columns that the tracks have."""
        known = {column.name for column in columns}
        for track in tracks:
            unknown = [name for name in track.columns if name not in known]
            if unknown:
                raise ValueError(
                    f'Track {track.video_id}: no column {unknown[0]!r} is '
                    "declared; write it into the data set's COLUMNS"
                )
        given = []
        for column in columns:
            lacking = [t for t in tracks if column.name not in t.columns]
            if not lacking:
                given.append(column)
            elif len(lacking) < len(tracks):
                raise ValueError(
                    f'Track {lacking[0].video_id}: it has no {column.name}, '
                    'but other tracks have; give it to all of them or to none'
                )
        return tuple(given)

    def __len__(self) -> int:
        return len(self.video_ids)

    def __deepcopy__(self, memo: dict) -> TrackStore:
        return self

    def column(self, name: str) -> np.ndarray:
        """One array over all frames of all tracks, read-only.

        Args:
            name: Of a column that the tracks have, ``'img_paths'`` excepted.
        """
        return self._data[name]

    def num_frames(self, track: int) -> int:
        """Frames of a track."""
        return int(self._begin[track + 1] - self._begin[track])

    def annotated(self, track: int) -> np.ndarray | None:
        """Which frames of a track may be wanted, (n,) bool; None: all."""
        if self._annotated is None:
            return None
        return self._annotated[self._begin[track] : self._begin[track + 1]]

    def clip(self, track: int, rows: Sequence[int]) -> dict:
        """Copy some frames of a track out.

        Args:
            track: Index of the track.
            rows: T frame indices into it.

        Returns:
            dict: ``video_id`` and the tracks' columns by name: arrays of T
            rows, for paths and single whole numbers lists of T; what is of
            the track by itself.
        """
        index = self._begin[track] + np.asarray(rows, dtype=np.int64)
        clip: dict[str, Any] = dict(video_id=str(self.video_ids[track]))
        for column in self.columns:
            name = column.name
            where = track if column.of_track else index
            if column.kind == 'path':
                paths = self._data[name][self._data[f'{name} number'][where]]
                clip[name] = np.char.decode(paths, 'utf-8').tolist()
                continue
            values = np.array(self._data[name][where])
            numbers = column.kind == 'index' and values.ndim == 1
            if not values.ndim or (numbers and not column.of_track):
                values = values.tolist()
            clip[name] = values
        return clip
