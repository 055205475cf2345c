# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import os.path as osp
from typing import Iterator

import numpy as np
from mmengine.dist import is_main_process
from mmpose.registry import DATASETS
from tqdm import tqdm

from ...structures.columns import Column
from ..file_access import join_address, list_files, read_bytes
from ..posetrack_label import BOX_MARGIN, parse_posetrack
from ..posetrack_video import PoseTrackVideo
from .people_clip_dataset import PeopleClipDataset


def _counts(frame_pattern: str) -> bool:
    """Whether the pattern makes different names of different numbers."""
    try:
        return frame_pattern.format(1) != frame_pattern.format(2)
    except (IndexError, KeyError, ValueError):
        return False


@DATASETS.register_module()
class PoseTrackClipDataset(PeopleClipDataset):
    """Clips of PoseTrack18: several people a video, some frames labelled.

    "PoseTrack: A Benchmark for Human Pose Estimation and Tracking", CVPR
    2018; 17 joints, of which 15 are annotated (no ears)::

        data_root
        |-- annotations/{train,val,test}/SEQUENCE.json   (one a sequence)
        |-- annotations/posetrack18_val.json             (or MMPose's merged)
        `-- images/{train,val,test}/SEQUENCE/NNNNNN.jpg

    A track is one person (``track_id``) in one sequence; labelled frames are
    those of images marked ``is_labeled``. What clips of several people's
    videos are, and what ``bbox_file`` makes of them, is told by
    :class:`PeopleClipDataset`.

    Boxes are the annotations', clipped to the picture where its size is
    given; missing ones are made from the labelled joints. What is irregular
    is mended and logged by kind, ``repairs`` keeps the numbers.
    ``ignore_regions`` has the polygons by ``image_id``. Where labels have
    ``scores`` of joints, 0 to 1, as those that were carried over from other
    frames, samples have ``keypoint_scores``; other labels' are 1.

    PoseTrack21 and 17 (in the JSON of 2018) need no other class: give
    ``data_prefix``, ``metainfo``, ``frame_pattern`` and ``first_frame``.

    Args:
        split (str): ``'train'``, ``'val'`` or ``'test'``, the folder below
            ``data_prefix['ann']``.
        ann_file (str, optional): One file of all sequences, relative to
            ``data_root`` or an address, in place of the folder, which has to
            be where folders can be listed.
        box_margin (float): Of a box made from joints: part of their width
            and height that is added on every side. PoseTrack's own is 0.15.
        frame_pattern (str, optional): E.g. ``'{:06d}.jpg'``: frames up to
            ``nframes`` that the JSON does not list are context too, as far
            from listed ones as a clip can need them.
        first_frame (int): Number of a sequence's first frame, for
            ``frame_pattern`` (PoseTrack17: 1).
        kwargs: See :class:`PeopleClipDataset`. ``data_prefix`` defaults to
            ``dict(img='', ann='annotations')``: file names in the JSON begin
            with ``images/``.

    Raises:
        FileNotFoundError: The annotations or detections are not there.
        ValueError: A file that is not of the format, options that contradict
            each other, or nothing to be wanted.
    """

    METAINFO: dict = dict(from_file='configs/_base_/datasets/posetrack18.py')
    SPLITS = ('train', 'val', 'test')
    DATA_PREFIX: dict = dict(img='', ann='annotations')
    COLUMNS = (Column('keypoint_scores', 'score', packed=False),)

    def __init__(
        self,
        data_root: str,
        split: str,
        ann_file: str | None = None,
        box_margin: float = BOX_MARGIN,
        frame_pattern: str | None = None,
        first_frame: int = 0,
        **kwargs,
    ) -> None:
        name = self.__class__.__name__
        if box_margin < 0:
            raise ValueError(
                f'{name}: box_margin must not be negative, but '
                f'got {box_margin}'
            )
        if frame_pattern is not None and not _counts(frame_pattern):
            raise ValueError(
                f'{name}: frame_pattern must make file names of '
                "frame numbers, as '{:06d}.jpg' does, but got "
                f'{frame_pattern!r}'
            )
        # ann_file is MMPose's own attribute, which BaseClipDataset leaves
        # empty.
        self.merged_file = ann_file
        self.box_margin = box_margin
        self.frame_pattern = frame_pattern
        self.first_frame = first_frame
        self.ignore_regions: dict[int, list[np.ndarray]] = {}
        super().__init__(data_root=data_root, split=split, **kwargs)

    def load_videos(self) -> list[PoseTrackVideo]:
        """Read the annotations of the split.

        Returns:
            list[PoseTrackVideo]: In order of the sequences' names.
        """
        videos: list[PoseTrackVideo] = []
        self.repairs.clear()
        self.ignore_regions.clear()
        for path, sequence in self._annotation_files():
            videos += parse_posetrack(
                self._read_annotations(path),
                path,
                joints=self.joint_names,
                video_id=sequence,
                box_margin=self.box_margin,
                frame_pattern=self.frame_pattern,
                first_frame=self.first_frame,
                reach=max(self.max_gap, *map(abs, self._around().offsets)),
            )
        owners: dict[int, str] = {}
        for video in videos:
            self.repairs.update(video.repairs)
            self.ignore_regions.update(video.ignore_regions)
            for number in video.image_ids:
                if (
                    number != -1
                    and owners.setdefault(number, video.video_id)
                    != video.video_id
                ):
                    raise ValueError(
                        f'{self.__class__.__name__}: images of '
                        f'{owners[number]} and of {video.video_id} have the '
                        f'id {number}; give each of them one of its own'
                    )
        return videos

    def _read_annotations(self, path: str) -> bytes:
        try:
            return read_bytes(path, self.backend_args)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'{self.__class__.__name__}: no ann_file {path!r}; give its '
                'path below data_root'
            ) from None

    def _annotation_files(self) -> Iterator[tuple[str, str | None]]:
        """Paths, and the name of a path's one sequence."""
        name = self.__class__.__name__
        if self.merged_file is not None:
            yield join_address(self.data_root, self.merged_file), None
            return
        folder = osp.join(self.data_prefix['ann'], self.split)
        files = list_files(folder, '.json', self.backend_args)
        if files is None:
            raise FileNotFoundError(
                f'{name}: no folder {folder!r}; it must hold one JSON file a '
                'sequence, or give ann_file'
            )
        if not files:
            raise ValueError(
                f'{name}: no .json file in {folder!r}; put the '
                "data set's annotations there"
            )
        # None: a bar on a terminal only, nothing in a log file.
        hidden = None if is_main_process() else True
        for file in tqdm(files, desc=f'{name} labels', disable=hidden):
            yield osp.join(folder, file), osp.splitext(file)[0]
