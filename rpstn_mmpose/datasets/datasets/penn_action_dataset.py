# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import os.path as osp
from collections import Counter
from typing import List

from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmpose.registry import DATASETS
from tqdm import tqdm

from ..file_access import list_files, read_bytes
from ..penn_action_label import parse_penn_label
from ..tracks import Track
from .base_clip_dataset import BaseClipDataset

# What was done about each irregularity that a label file may hold.
_REMEDY = {
    'boxes missing': 'made from joints or neighbours',
    'boxes beyond the last frame': 'dropped',
    'boxes not finite': 'made from joints or neighbours',
    'zero-area boxes': 'made from joints or neighbours',
    'boxes under one pixel in the picture': 'made from joints or neighbours',
    'boxes clipped to the picture': 'clipped',
    'placeholder joints': 'unlabelled',
    'NaN joints': 'unlabelled',
    'visible joints outside the picture': 'kept',
    'frames without visible joint': 'kept',
}


@DATASETS.register_module()
class PennActionDataset(BaseClipDataset):
    """Clips of Penn Action, read from its original folders.

    "From Actemes to Action: A Strongly-supervised Representation for Detailed
    Action Understanding", ICCV 2013: 2,326 videos of one labelled person, 13
    joints::

        data_root
        |-- frames/NNNN/NNNNNN.jpg   (from 000001)
        `-- labels/NNNN.mat

    ``split`` follows the labels' own ``train`` flag (1,258 and 1,068 videos).
    1-based coordinates become 0-based. Irregular labels are mended and the
    repairs logged by kind, see :func:`parse_penn_label`; ``repairs`` keeps
    the numbers. Frames are not looked for before they are read. They may be
    anywhere; labels must be where folders can be listed, which HTTP is not.

    Args:
        See :class:`BaseClipDataset`. ``data_prefix`` defaults to
        ``dict(img='frames', ann='labels')``.

    Raises:
        FileNotFoundError: No ``labels`` folder under ``data_root``.
        ValueError: No label of the split, a label that cannot be read, or
            a ``labels`` folder that cannot be listed.
    """

    METAINFO: dict = dict(from_file='configs/_base_/datasets/penn_action.py')
    SPLITS = ('train', 'test')
    DATA_PREFIX: dict = dict(img='frames', ann='labels')

    def load_tracks(self) -> List[Track]:
        """Read every label file, keep those of the split.

        Returns:
            list[Track]: In order of the videos' names.
        """
        name = self.__class__.__name__
        folder = self.data_prefix['ann']
        files = list_files(folder, '.mat', self.backend_args)
        if files is None:
            raise FileNotFoundError(
                f'{name}: no folder {folder!r}; data_root must hold frames/ '
                'and labels/ of Penn Action')
        # None: a bar on a terminal only, nothing in a log file.
        hidden = None if is_main_process() else True
        self.repairs: Counter = Counter()
        tracks = []
        for file in tqdm(files, desc=f'{name} labels', disable=hidden):
            path = osp.join(folder, file)
            label = parse_penn_label(
                read_bytes(path, self.backend_args), path)
            if label.train == (self.split == 'train'):
                video = osp.splitext(file)[0]
                tracks.append(self._track(video, label))
                self.repairs.update(label.repairs)
        if not files:
            raise ValueError(f'{name}: no .mat file in {folder!r}; put the '
                             "data set's labels there")
        self._log(tracks)
        return tracks

    def _track(self, video: str, label) -> Track:
        frame_ids = range(1, len(label.bbox) + 1)
        frames = osp.join(self.data_prefix['img'], video)
        return Track(
            video_id=video,
            frame_ids=frame_ids,
            img_paths=[osp.join(frames, f'{i:06d}.jpg') for i in frame_ids],
            bbox=label.bbox,
            keypoints=label.keypoints,
            keypoints_visible=label.visible,
            keypoints_labeled=label.labeled)

    def _log(self, tracks: List[Track]) -> None:
        lines = [
            f'{self.__class__.__name__} {self.split}: {len(tracks)} videos, '
            f'{sum(map(len, tracks))} frames'
        ]
        found = [kind for kind in _REMEDY if self.repairs[kind]]
        if found:
            lines[0] += '; irregular labels:'
            width = max(map(len, found))
            lines += [
                f'  {kind:<{width}}  {self.repairs[kind]:>7}  '
                f'{_REMEDY[kind]}' for kind in found
            ]
        print_log('\n'.join(lines), 'current')
