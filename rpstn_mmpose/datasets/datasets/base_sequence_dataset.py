# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from typing import Any, Callable, Mapping, Sequence

import numpy as np
from mmengine.logging import MessageHub, print_log
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.datasets.transforms import PackPoseInputs

from ...structures.columns import COLUMNS, Column
from ..clip_index import ClipIndex
from ..file_access import join_address
from ..metainfo import resolve_metainfo_file
from ..sparse_labels import keep_every
from ..tracks import Track, TrackStore
from ..window_options import make_window
from ..windows import ClipWindow, FramesAround, FrameWindow


class BaseSequenceDataset(BaseCocoStyleDataset):
    """Base class of data sets whose samples are clips of one person.

    A subclass reads its format in :meth:`load_tracks`, and declares in
    ``COLUMNS`` what its tracks have beside the columns of all data sets; this
    class cuts the tracks into clips. Rows of a clip are worked out when it is
    asked for, see :class:`~rpstn_mmpose.datasets.windows.FrameWindow`. The
    tracks need no images and no boxes; those of :class:`BaseClipDataset` do.

    Args:
        data_root (str): Root folder of the data set, or an address such as
            ``s3://bucket/penn``.
        split (str): One of the class's ``SPLITS``.
        clip_length (int, optional): Frames T of a clip. None: 5, or as many
            as there are ``clip_offsets``.
        clip_stride (int, optional): Frames from the start of a clip to the
            start of the next. None: clips that do not overlap, but for a
            video's last one; with ``clip_offsets``: 1, counted in labelled
            frames where a video has others too.
        frame_interval (int): Distance between neighbours in a clip.
        clip_offsets (Sequence[int], optional): Frame offsets from a clip's
            own frame, e.g. ``(-2, -1, 0, 1, 2)``: one clip per frame, wanted
            at offset 0 only, borders repeat the first or last frame.
        window (dict, optional): In place of these four: config of a window,
            ``ConsecutiveFrames``, ``FramesAround``, ``NearPair`` or one of
            your own.
        label_every (int, optional): Let each k-th labelled frame of a video
            alone count as labelled, for training on few labels. See
            :func:`~rpstn_mmpose.datasets.sparse_labels.keep_every`.
        label_seed (int): Of the draw of each video's first one.
        test_mode (bool): True: every annotated frame of every video is
            wanted exactly once.
        pipeline (list): Transforms.
        metainfo (dict, optional): Overrides the class's ``METAINFO``.
        data_prefix (dict, optional): Folders under ``data_root``, absolute
            paths or addresses, in place of those of the class's
            ``DATA_PREFIX``.
        backend_args (dict, optional): mmengine file backend the annotations
            are read with. None: that of the address. Frames are read by
            ``LoadClip``, which has ``backend_args`` of its own.
        indices (int | Sequence[int], optional): Use these clips only.
        serialize_data (bool): Taken from configs of MMEngine's data sets.
            Clips are numbers in arrays, which workers share without it.
        lazy_init (bool): See :class:`mmengine.dataset.BaseDataset`.
        max_refetch (int): See :class:`mmengine.dataset.BaseDataset`.

    Raises:
        ValueError: An unknown split, contradicting clip options, a split
            without videos, or ``label_every`` in test mode.
    """

    SPLITS: tuple[str, ...] = ('train', 'test')
    DATA_PREFIX: dict = {}
    COLUMNS: tuple[Column, ...] = ()
    data_prefix: dict

    def __init__(
        self,
        data_root: str,
        split: str,
        clip_length: int | None = None,
        clip_stride: int | None = None,
        frame_interval: int = 1,
        clip_offsets: Sequence[int] | None = None,
        window: FrameWindow | dict | None = None,
        label_every: int | None = None,
        label_seed: int = 0,
        test_mode: bool = False,
        pipeline: Sequence[dict | Callable] = (),
        metainfo: dict | None = None,
        data_prefix: dict | None = None,
        backend_args: dict | None = None,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        lazy_init: bool = False,
        max_refetch: int = 1000,
    ) -> None:
        name = self.__class__.__name__
        if split not in self.SPLITS:
            raise ValueError(
                f'{name}: split must be one of {list(self.SPLITS)}, but got '
                f'{split!r}'
            )
        # Bad options are reported before minutes are spent on reading files.
        try:
            self.window = make_window(
                window, clip_length, clip_stride, frame_interval, clip_offsets
            )
            self.window.check(test_mode)
        except ValueError as error:
            raise ValueError(f'{name}: {error}') from None
        if label_every is not None and test_mode:
            raise ValueError(
                f'{name}: label_every={label_every} would leave frames out of '
                'the evaluation; leave it out'
            )
        self.label_every, self.label_seed = label_every, label_seed
        self.split = split
        self.backend_args = backend_args
        self.tracks: Any = None  # a TrackStore, once the files are read
        self.repairs: Counter = Counter()
        super().__init__(
            data_root=data_root,
            data_prefix={**self.DATA_PREFIX, **(data_prefix or {})},
            metainfo=metainfo,
            indices=indices,
            serialize_data=False,
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
            max_refetch=max_refetch,
        )
        if test_mode:
            # MMPose leaves its (here empty) ann_file in the message hub,
            # where CocoMetric would take it for a file to open.
            MessageHub.get_current_instance().pop_info(
                f'{self.metainfo["dataset_name"]}_ann_file', None
            )

    @property
    def clip_length(self) -> int:
        """Frames T of a clip."""
        return self.window.length

    @property
    def clip_offsets(self) -> tuple[int, ...] | None:
        """Of the clips of a ``FramesAround``, else None."""
        if isinstance(self.window, FramesAround):
            return self.window.offsets
        return None

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        metainfo = dict(cls.METAINFO if metainfo is None else metainfo)
        if 'from_file' in metainfo:
            metainfo['from_file'] = resolve_metainfo_file(
                metainfo['from_file']
            )
        return super()._load_metainfo(metainfo)

    def _join_prefix(self) -> None:
        # mmengine knows three kinds of addresses, and asks their back-ends
        # to join paths, which not all of them can.
        paths = (self.data_root, *self.data_prefix.values())
        if not any('://' in str(path) for path in paths):
            super()._join_prefix()
            return
        self.data_prefix = {
            key: join_address(self.data_root, str(prefix))
            for key, prefix in self.data_prefix.items()
        }

    def _get_unserialized_subset(
        self, indices: int | Sequence[int]
    ) -> ClipIndex:
        if isinstance(indices, int):
            return super()._get_unserialized_subset(indices)
        return self.data_list[indices]

    @abstractmethod
    def load_tracks(self) -> list[Track]:
        """Read the tracks of ``self.split``, in a reproducible order."""

    def _stored(self, tracks: Sequence[Track]) -> TrackStore:
        # CocoMetric writes these into the ground truth that it makes.
        self._metainfo['CLASSES'] = [dict(id=1, name='person')]
        return TrackStore(tracks, (*COLUMNS, *self.COLUMNS))

    def load_data_list(self) -> ClipIndex:
        """Cut the tracks into clips; the arrays are in ``self.tracks``."""
        tracks = self.load_tracks()
        if not tracks:
            raise ValueError(
                f'{self.__class__.__name__}: no videos of the split '
                f'{self.split!r} under {self.data_root!r}; check data_root '
                'and split'
            )
        if self.label_every is not None:
            keep_every(tracks, self.label_every, self.label_seed)
        self.tracks = self._stored(tracks)
        places = [
            self.window.places(len(track), track.annotated, self.test_mode)
            for track in tracks
        ]
        numbers = np.repeat(np.arange(len(tracks)), list(map(len, places)))
        return ClipIndex(numbers, np.concatenate(places))

    def clip_window(self, track: int, place: Sequence[int]) -> ClipWindow:
        """Rows of a clip in its track, and which of them are wanted.

        Args:
            track: Number of the track.
            place: See :class:`~rpstn_mmpose.datasets.windows.FrameWindow`.
        """
        return self.window.clip(
            place, self.tracks.num_frames(track), self.tracks.annotated(track)
        )

    def get_data_info(self, idx: int) -> dict:
        """A clip of T frames and K keypoints; pixels are 0-based.

        Args:
            idx (int): Index of the clip.

        Returns:
            dict: ``id`` (unique in the data set, the same in its subsets),
            ``video_id``, the tracks' columns (see
            :class:`~rpstn_mmpose.datasets.tracks.Track`), ``frame_mask`` T
            (bool), ``img_id`` (of row 0), ``category_id``,
            ``instance_mapping_table``, ``columns`` where the data set
            declares some, and the metainfo that MMPose adds.
        """
        info = super().get_data_info(idx)
        track = info.pop('track')
        rows, mask = self.clip_window(track, info.pop('place'))
        info.update(self.tracks.clip(track, rows))
        info['frame_mask'] = mask
        info['img_id'] = f'{info["video_id"]}/{info["frame_ids"][0]}'
        if 'image_ids' in info:
            info['img_id'] = info['image_ids'][0]
        info['category_id'] = 1
        table = PackPoseInputs.instance_mapping_table
        info['instance_mapping_table'] = {
            **table,
            **{
                column.name: table.get(column.name, column.name)
                for column in self.tracks.columns
                if column.packed and not column.in_metainfo
            },
        }
        if self.COLUMNS:
            info['columns'] = self.COLUMNS
        return info

    def log_repairs(self, summary: str, remedies: Mapping[str, str]) -> None:
        """Log what was read, and what was irregular in it.

        Args:
            summary: The first line.
            remedies: What was done about each kind in ``self.repairs``.
        """
        lines = [f'{self.__class__.__name__} {summary}']
        found = [kind for kind in remedies if self.repairs[kind]]
        if found:
            lines[0] += '; irregular labels:'
            width = max(map(len, found))
            lines += [
                f'  {kind:<{width}}  {self.repairs[kind]:>7}  {remedies[kind]}'
                for kind in found
            ]
        print_log('\n'.join(lines), 'current')
