# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import os.path as osp

import numpy as np
from mmengine.dist import is_main_process
from mmpose.registry import DATASETS
from tqdm import tqdm

from ...structures.columns import Column
from ...structures.hidden_joints import frames_unseen
from ..file_access import list_files, read_bytes
from ..penn_action_label import PennLabel, parse_penn_label
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
    'videos with more frames than labels': 'the first ones are taken',
    'videos that do not tell what hides joints': 'no video tells it',
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
    the numbers. Frames are not looked for before they are read, but for one
    look on a disk whether a video has more of them than its label. They may
    be anywhere; labels must be where folders can be listed, which HTTP is
    not.

    Where the labels tell what hides each joint, as the generator's do, the
    samples have ``hidden_by`` and ``frames_unseen``, T x 13, see
    :mod:`rpstn_mmpose.structures.hidden_joints`.

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
    COLUMNS = (
        Column('hidden_by', 'flag', dtype=np.uint8),
        Column('frames_unseen', 'flag', dtype=np.int32),
    )

    def load_tracks(self) -> list[Track]:
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
                'and labels/ of Penn Action'
            )
        # None: a bar on a terminal only, nothing in a log file.
        hidden = None if is_main_process() else True
        self.repairs.clear()
        tracks = []
        for file in tqdm(files, desc=f'{name} labels', disable=hidden):
            path = osp.join(folder, file)
            label = parse_penn_label(read_bytes(path, self.backend_args), path)
            if label.train == (self.split == 'train'):
                video = osp.splitext(file)[0]
                tracks.append(self._track(video, label))
                self.repairs.update(label.repairs)
        if not files:
            raise ValueError(
                f'{name}: no .mat file in {folder!r}; put the '
                "data set's labels there"
            )
        self._tell_all_or_none(tracks)
        self.log_repairs(
            f'{self.split}: {len(tracks)} videos, {sum(map(len, tracks))} '
            'frames',
            _REMEDY,
        )
        return tracks

    def _tell_all_or_none(self, tracks: list[Track]) -> None:
        """Take ``hidden_by`` away where not all of the videos have it."""
        silent = sum('hidden_by' not in track.columns for track in tracks)
        if 0 < silent < len(tracks):
            self.repairs['videos that do not tell what hides joints'] = silent
            for track in tracks:
                track.columns.pop('hidden_by', None)
                track.columns.pop('frames_unseen', None)

    def _track(self, video: str, label: PennLabel) -> Track:
        num = len(label.bbox)
        frames = osp.join(self.data_prefix['img'], video)
        *paths, beyond = (
            osp.join(frames, f'{i:06d}.jpg') for i in range(1, num + 2)
        )
        if osp.exists(beyond):  # on a disk; elsewhere nothing is looked for
            self.repairs['videos with more frames than labels'] += 1
        return Track(
            video_id=video,
            frame_ids=range(1, num + 1),
            img_paths=paths,
            frame_sizes=np.tile(label.size, (num, 1)),
            bbox=label.bbox,
            keypoints=label.keypoints,
            keypoints_visible=label.visible,
            keypoints_labeled=label.labeled,
            hidden_by=label.hidden_by,
            frames_unseen=None
            if label.hidden_by is None
            else frames_unseen(label.visible),
        )
