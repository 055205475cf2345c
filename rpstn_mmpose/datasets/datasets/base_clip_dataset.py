# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from typing import (
    Any,
    Callable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import numpy as np
from mmengine.logging import MessageHub, print_log
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.datasets.transforms import PackPoseInputs

from ..clip_sampling import clip_windows, offset_windows
from ..file_access import join_address
from ..metainfo import resolve_metainfo_file
from ..tracks import Track, TrackStore
from ..transforms.clip_checks import check_frame_sizes


class BaseClipDataset(BaseCocoStyleDataset):
    """Base class of data sets whose samples are clips of one person.

    A subclass reads its format in :meth:`load_tracks`; this class cuts the
    tracks into clips. See :func:`clip_windows` and :func:`offset_windows` for
    how, and ``get_data_info`` for what a sample holds. With ``clip_length=1``
    the samples also run through MMPose's stock top-down pipeline.

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
        serialize_data (bool): See :class:`mmengine.dataset.BaseDataset`.
        lazy_init (bool): See :class:`mmengine.dataset.BaseDataset`.
        max_refetch (int): See :class:`mmengine.dataset.BaseDataset`.

    Raises:
        ValueError: An unknown split, contradicting clip options, or a split
            without videos.
    """

    SPLITS: Tuple[str, ...] = ('train', 'test')
    DATA_PREFIX: dict = dict(img='')

    def __init__(self,
                 data_root: str,
                 split: str,
                 clip_length: Optional[int] = None,
                 clip_stride: Optional[int] = None,
                 frame_interval: int = 1,
                 clip_offsets: Optional[Sequence[int]] = None,
                 test_mode: bool = False,
                 pipeline: Sequence[Union[dict, Callable]] = (),
                 metainfo: Optional[dict] = None,
                 data_prefix: Optional[dict] = None,
                 backend_args: Optional[dict] = None,
                 indices: Optional[Union[int, Sequence[int]]] = None,
                 serialize_data: bool = True,
                 lazy_init: bool = False,
                 max_refetch: int = 1000):
        name = self.__class__.__name__
        if split not in self.SPLITS:
            raise ValueError(f'{name}: split must be one of '
                             f'{list(self.SPLITS)}, but got {split!r}')
        if clip_offsets is not None:
            clip_offsets = tuple(clip_offsets)
            if clip_length not in (None, len(clip_offsets)):
                raise ValueError(
                    f'{name}: clip_length={clip_length} contradicts the '
                    f'{len(clip_offsets)} clip_offsets; leave it out')
            if frame_interval != 1:
                raise ValueError(
                    f'{name}: frame_interval={frame_interval} does not go '
                    'with clip_offsets; write the distances into the offsets')
            clip_length = len(clip_offsets)
        self.split = split
        self.clip_length = 5 if clip_length is None else clip_length
        self.clip_stride = clip_stride
        self.frame_interval = frame_interval
        self.clip_offsets = clip_offsets
        self.backend_args = backend_args
        self.tracks: Optional[TrackStore] = None
        self.repairs: Counter = Counter()

        # Bad options are reported before minutes are spent on reading files.
        self._windows(num_frames=1, test_mode=test_mode)
        super().__init__(
            data_root=data_root,
            data_prefix={
                **self.DATA_PREFIX,
                **(data_prefix or {})
            },
            metainfo=metainfo,
            indices=indices,
            serialize_data=serialize_data,
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
            max_refetch=max_refetch)
        if test_mode:
            # MMPose leaves its (here empty) ann_file in the message hub,
            # where CocoMetric would take it for a file to open.
            MessageHub.get_current_instance().pop_info(
                f'{self.metainfo["dataset_name"]}_ann_file', None)

    @classmethod
    def _load_metainfo(cls, metainfo: Optional[dict] = None) -> dict:
        metainfo = dict(cls.METAINFO if metainfo is None else metainfo)
        if 'from_file' in metainfo:
            metainfo['from_file'] = resolve_metainfo_file(
                metainfo['from_file'])
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

    @abstractmethod
    def load_tracks(self) -> List[Track]:
        """Read the tracks of ``self.split``, in a reproducible order."""

    def _windows(self, num_frames: int, test_mode: bool) -> list:
        try:
            if self.clip_offsets is not None:
                return offset_windows(
                    num_frames,
                    self.clip_offsets,
                    stride=self.clip_stride,
                    test_mode=test_mode)
            return clip_windows(
                num_frames,
                self.clip_length,
                stride=self.clip_stride,
                frame_interval=self.frame_interval,
                test_mode=test_mode)
        except ValueError as error:
            raise ValueError(f'{self.__class__.__name__}: {error}') from None

    def _track_windows(self, track: Track) -> list:
        """Windows of a track; they want nothing of unlabelled frames."""
        if track.annotated is None:
            return self._windows(len(track), self.test_mode)
        annotated = np.asarray(track.annotated, dtype=bool)
        if self.clip_offsets is not None:
            # A stride over all frames could miss every labelled one.
            windows = offset_windows(len(track), self.clip_offsets)
            centres = np.flatnonzero(annotated)[::self.clip_stride or 1]
            return [windows[row] for row in centres]
        return [(rows, mask & annotated[rows])
                for rows, mask in self._windows(len(track), self.test_mode)]

    def load_data_list(self) -> List[dict]:
        """Cut the tracks into clips.

        Returns:
            list[dict]: One light dict per clip (``id``, ``track``, ``rows``,
            ``frame_mask``); the arrays stay in ``self.tracks``.
        """
        tracks = self.load_tracks()
        if not tracks:
            raise ValueError(
                f'{self.__class__.__name__}: no videos of the split '
                f'{self.split!r} under {self.data_root!r}; check data_root '
                'and split')
        self.tracks = TrackStore(tracks)
        # CocoMetric writes these into the ground truth that it makes.
        self._metainfo['CLASSES'] = [dict(id=1, name='person')]

        data_list = []
        for number, track in enumerate(tracks):
            for rows, mask in self._track_windows(track):
                if mask.any():
                    data_list.append(
                        dict(
                            id=len(data_list),
                            track=number,
                            rows=rows.tolist(),
                            frame_mask=mask.tolist()))
        return data_list

    def get_data_info(self, idx: int) -> dict:
        """A clip of T frames and K keypoints; pixels are 0-based.

        Args:
            idx (int): Index of the clip.

        Returns:
            dict: ``id`` (unique in the data set, the same in its subsets),
            ``video_id``, ``frame_ids`` (list of T), ``img_id`` (of row 0),
            ``img_paths`` (list of T), ``img_path`` (of row 0), ``bbox``
            T x 4, ``bbox_score`` T, ``keypoints`` T x K x 2,
            ``keypoints_visible`` and ``keypoints_labeled`` T x K (float32,
            0 or 1), ``frame_mask`` T (bool), ``category_id``,
            ``instance_mapping_table``, and the metainfo that MMPose adds.
            Where the data set has them, ``track_id`` (int, of a person in a
            video), ``image_ids`` (list of T ints, row 0's is ``img_id``) and
            ``frame_sizes`` (T x 2, width and height that the label tells).
        """
        info = super().get_data_info(idx)
        info.update(self.tracks.clip(info.pop('track'), info.pop('rows')))
        info['frame_mask'] = np.array(info['frame_mask'], dtype=bool)
        info.setdefault('bbox_score',
                        np.ones(len(info['bbox']), dtype=np.float32))
        info['img_id'] = f'{info["video_id"]}/{info["frame_ids"][0]}'
        if 'image_ids' in info:
            info['img_id'] = info['image_ids'][0]
        info['img_path'] = info['img_paths'][0]
        info['category_id'] = 1
        info['instance_mapping_table'] = dict(
            PackPoseInputs.instance_mapping_table,
            keypoints_labeled='keypoints_labeled')
        return info

    def prepare_data(self, idx: int) -> Any:
        """A clip through the pipeline.

        Frames are compared with the size that the label tells, whichever
        transform loads them (LoadClip does so itself, before they are used).
        """
        info = self.get_data_info(idx)
        info['dataset'] = self  # as MMPose does for its mixing transforms
        packed = self.pipeline(info)
        if info.get('ori_shape') is not None:
            check_frame_sizes(
                info.get('frame_sizes'), info['ori_shape'], info['img_paths'],
                f'video {info["video_id"]}', self.__class__.__name__)
        return packed

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
                f'  {kind:<{width}}  {self.repairs[kind]:>7}  '
                f'{remedies[kind]}' for kind in found
            ]
        print_log('\n'.join(lines), 'current')
