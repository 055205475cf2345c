# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from collections import Counter
from typing import Mapping, Sequence

import numpy as np
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmpose.registry import DATASETS
from tqdm import tqdm

from ..file_access import join_address, list_files
from ..hieve_label import LABELS, read_hieve_video
from ..hieve_video import (
    HIEVE_VIDEOS,
    HiEveVideo,
    ListedFrame,
    check_videos,
    make_video,
)
from ..posetrack_fields import frame_number
from ..posetrack_video import PersonLabel
from .people_clip_dataset import REMEDIES, PeopleClipDataset


@DATASETS.register_module()
class HiEveClipDataset(PeopleClipDataset):
    """Clips of HiEve: crowds and complex events, every frame labelled.

    "HiEve: A Large-Scale Benchmark for Human-centric Video Analysis in
    Complex Events", arXiv 2005.04490; 14 joints, videos 1 to 19 with labels
    and 20 to 32 without::

        data_root
        |-- images/N/000000.jpg                    (frames of the videos)
        `-- labels/train
            |-- track2&3/N.json                    (poses)
            |-- all-track/N/000000.xml             (poses and actions)
            `-- track1/N.txt                       (boxes)

    Clips of several people's videos, and what ``bbox_file`` makes of them,
    are told by :class:`PeopleClipDataset`. Images are numbered as
    :func:`~rpstn_mmpose.datasets.hieve_video.hieve_image_id` does; detections
    give such an ``image_id``, or an ``image_name`` such as
    ``'20/000000.jpg'``.

    A person keeps the number over absences; each stay is a track of its own.
    Small or heavily hidden people have a box and no pose: they are never
    wanted. Joints that are annotated and cannot be seen are labelled and not
    visible. What is irregular is mended and logged by kind, ``repairs`` keeps
    the numbers, ``actions`` what the labels ``all-track`` tell of people's
    actions.

    Boxes alone (``track1``, or a tracker's file in MOT's format at its
    place) are for tests: each box of each frame is wanted, people keep their
    numbers.

    Args:
        split (str): ``'train'`` (videos 1 to 19), ``'train15'`` and
            ``'val4'`` (the 15 and 4 of them that RPSTN is selected with) or
            ``'test'``.
        labels (str, optional): ``'track2&3'``, ``'all-track'`` or
            ``'track1'``. None: ``'track2&3'``, and for the test split none:
            its frames are those in the image folders.
        videos (Sequence[int], optional): Numbers of videos in place of the
            split's.
        first_frame (int): Number of a video's first frame in ``track1``; a
            tracker in MOT's format counts from 1.
        kwargs: See :class:`PeopleClipDataset`. ``data_prefix`` defaults to
            ``dict(img='images', ann='labels')``.

    Raises:
        FileNotFoundError: A video has no labels or no frames, or there are
            no detections.
        ValueError: A video that HiEve does not have, a file that is not of
            the format, options that contradict each other, or nothing to be
            wanted.
    """

    METAINFO: dict = dict(from_file='configs/_base_/datasets/hieve.py')
    SPLITS = tuple(HIEVE_VIDEOS)
    DATA_PREFIX: dict = dict(img='images', ann='labels')
    REMEDIES: Mapping[str, str] = {
        **REMEDIES,
        'joints twice in a person': 'the first one taken',
        'ignore regions of another form': 'left out',
        'entries of no joint': 'left out',
        'actions of other names': 'left out',
    }

    def __init__(
        self,
        data_root: str,
        split: str,
        labels: str | None = None,
        videos: Sequence[int] | None = None,
        first_frame: int = 0,
        test_mode: bool = False,
        **kwargs,
    ) -> None:
        name = self.__class__.__name__
        if labels is None and split != 'test':
            labels = LABELS[0]
        if labels is not None and labels not in LABELS:
            raise ValueError(
                f'{name}: labels must be one of {list(LABELS)}, but got '
                f'{labels!r}'
            )
        if labels == 'track1' and not test_mode:
            raise ValueError(
                f"{name}: labels='track1' are boxes without joints, which "
                f'nothing can be trained on; use {LABELS[0]!r}'
            )
        if first_frame and labels != 'track1':
            raise ValueError(
                f'{name}: first_frame={first_frame} is of use with '
                "labels='track1' alone; other files name their frames"
            )
        self.labels, self.first_frame = labels, first_frame
        self.videos = None if videos is None else check_videos(videos, name)
        self.actions: dict[int, dict[int, set[str]]] = {}
        super().__init__(
            data_root=data_root, split=split, test_mode=test_mode, **kwargs
        )

    def load_videos(self) -> list[HiEveVideo]:
        """Read the labels of the split's videos.

        Returns:
            list[HiEveVideo]: In order of their numbers.
        """
        name = self.__class__.__name__
        self.repairs.clear()
        self.actions.clear()
        videos, scores = [], Counter[float]()
        numbers = sorted(self.videos or HIEVE_VIDEOS[self.split])
        hidden = None if is_main_process() else True
        for number in tqdm(numbers, desc=f'{name} labels', disable=hidden):
            video = self._load_video(number)
            self.repairs.update(video.repairs)
            self.actions[number] = video.actions
            scores.update(video.scores)
            videos.append(video)
        if scores:
            counts = ', '.join(
                f'{s:g} ({n})' for s, n in scores.most_common(6)
            )
            print_log(
                f'{name} {self.split}: scores of joints, which are taken for '
                f'visible above 0: {counts}{", ..." * (len(scores) > 6)}',
                'current',
            )
        return videos

    def _load_video(self, number: int) -> HiEveVideo:
        name = self.__class__.__name__
        try:
            if self.labels is None:
                return self._frames_without_labels(number)
            part = 'test' if self.split == 'test' else 'train'
            return read_hieve_video(
                join_address(self.data_prefix['ann'], part),
                number,
                self.labels,
                self.first_frame,
                self.backend_args,
            )
        except FileNotFoundError as error:
            raise FileNotFoundError(f'{name}: {error}') from None

    def _frames_without_labels(self, number: int) -> HiEveVideo:
        folder = join_address(self.data_prefix['img'], str(number))
        names = list_files(folder, ('.jpg', '.png'), self.backend_args)
        if not names:
            raise FileNotFoundError(
                f'no frames of video {number} in {folder}; extract them as '
                '000000.jpg and so on, or name the videos that there are '
                '(videos=[...])'
            )
        frames = {
            frame_number(file, folder): ListedFrame(file, None, [], [])
            for file in names
        }
        return make_video(number, frames, Counter())

    def _wanted(
        self, labels: Mapping[int, PersonLabel], labeled: np.ndarray
    ) -> np.ndarray:
        if self.labels != 'track1':
            return super()._wanted(labels, labeled)
        return np.isin(np.arange(len(labeled)), list(labels))
