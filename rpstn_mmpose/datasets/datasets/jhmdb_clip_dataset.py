# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import os.path as osp
from collections import Counter

import mmcv
import numpy as np
from mmengine.dist import is_main_process
from mmpose.registry import DATASETS
from tqdm import tqdm

from ..file_access import is_missing_folder, list_files, read_bytes
from ..jhmdb_label import (
    JHMDBLabel,
    make_jhmdb_label,
    parse_joint_positions,
    parse_puppet_mask,
)
from ..tracks import Track
from .base_clip_dataset import BaseClipDataset

# What was done about each irregularity that a video's label may hold.
_REMEDY = {
    'NaN joints': 'unlabelled',
    'joints outside the picture': 'labelled, not visible',
    'frames without visible joint': 'kept',
    'masks missing': 'boxes from joints',
    'masks beyond the last frame': 'dropped',
    'empty masks': 'boxes from joints',
    'masks under one pixel': 'boxes from joints',
    'frames without box of their own': "the nearest frame's box",
    'videos with more frames than labels': 'the first ones are taken',
}
_FLAGS = {'1': 'train', '2': 'test'}


@DATASETS.register_module()
class JHMDBClipDataset(BaseClipDataset):
    """Clips of JHMDB or sub-JHMDB, read from the original folders.

    "Towards Understanding Action Recognition", ICCV 2013: one labelled person
    a video, 15 joints; sub-JHMDB are the videos with the whole body in the
    picture, in three splits::

        data_root
        |-- Rename_Images/ACTION/VIDEO/NNNNN.png        (from 00001)
        |-- joint_positions/ACTION/VIDEO/joint_positions.mat
        |-- puppet_mask/ACTION/VIDEO/puppet_mask.mat
        `-- sub_splits/ACTION_test_split1.txt           (or _split_1.txt)

    1-based coordinates become 0-based. Boxes are those of the puppet masks,
    or made from the joints. Which joints are visible, and how irregular
    labels are mended, says :func:`make_jhmdb_label`; the repairs are logged
    by kind, ``repairs`` keeps the numbers. Joints have MMPose's names, which
    calls JHMDB's face ``head``.

    Only ``split`` is listed (with ``split='all'`` only ``ann``); everything
    else is read by name and may be where folders cannot be listed.

    Args:
        split (str): ``'train'`` or ``'test'`` of the split ``sub``; or
            ``'all'``: every video that has joint positions, which needs no
            split files.
        sub (int, optional): 1, 2 or 3. Not with ``split='all'``.
        bbox_source (str): ``'auto'``: a video's puppet masks if they are
            there, else its joints. ``'mask'``: the masks must be there.
            ``'joints'``: masks are not read.
        data_prefix (dict, optional): Other folders under ``data_root``, by
            ``img``, ``ann``, ``mask`` and ``split``; e.g.
            ``dict(split='splits')`` for the splits of the whole JHMDB.
        kwargs: See :class:`BaseClipDataset`.

    Raises:
        FileNotFoundError: A folder, split file or label file is missing.
        ValueError: An option of no sense, a split file or label that cannot
            be read, no video of the split, or folders that cannot be listed.
    """

    METAINFO: dict = dict(from_file='configs/_base_/datasets/jhmdb.py')
    SPLITS = ('train', 'test', 'all')
    DATA_PREFIX: dict = dict(
        img='Rename_Images',
        ann='joint_positions',
        mask='puppet_mask',
        split='sub_splits',
    )

    def __init__(
        self,
        data_root: str,
        split: str,
        sub: int | None = None,
        bbox_source: str = 'auto',
        **kwargs,
    ) -> None:
        name = self.__class__.__name__
        if bbox_source not in ('auto', 'mask', 'joints'):
            raise ValueError(
                f"{name}: bbox_source must be 'auto', 'mask' or "
                f"'joints', but got {bbox_source!r}"
            )
        if split == 'all' and sub is not None:
            raise ValueError(
                f"{name}: split='all' takes every video; leave sub={sub!r} out"
            )
        if split in ('train', 'test') and sub not in (1, 2, 3):
            raise ValueError(
                f'{name}: split={split!r} needs sub=1, 2 or 3, but got {sub!r}'
            )
        self.sub = sub
        self.bbox_source = bbox_source
        super().__init__(data_root=data_root, split=split, **kwargs)

    def load_tracks(self) -> list[Track]:
        """Read the labels of the split's videos.

        Returns:
            list[Track]: In order of actions and videos.
        """
        name = self.__class__.__name__
        folder = self.data_prefix['ann']
        if is_missing_folder(folder, self.backend_args):
            raise FileNotFoundError(
                f'{name}: no folder {folder!r}; data_root must hold '
                'joint_positions/ and Rename_Images/ of JHMDB'
            )
        # None: a bar on a terminal only, nothing in a log file.
        hidden = None if is_main_process() else True
        self.repairs.clear()
        self._box_sources: Counter = Counter()
        tracks = []
        for action, video in tqdm(
            self._videos(), desc=f'{name} labels', disable=hidden
        ):
            label = self._label(action, video)
            tracks.append(self._track(action, video, label))
            self.repairs.update(label.repairs)
        self._log(tracks)
        return tracks

    def _videos(self) -> list[tuple[str, str]]:
        """Actions and names of the split's videos, sorted."""
        if self.split == 'all':
            files = (
                list_files(
                    self.data_prefix['ann'],
                    'joint_positions.mat',
                    self.backend_args,
                    recursive=True,
                )
                or []
            )
            parts = [path.replace('\\', '/').split('/') for path in files]
            return sorted(
                (part[0], part[1])
                for part in parts
                if part[2:] == ['joint_positions.mat']
            )
        videos = []
        for action, path in sorted(self._split_files().items()):
            flags = self._read_split(path)
            videos += [
                (action, video)
                for video in sorted(flags)
                if flags[video] == self.split
            ]
        return videos

    def _split_files(self) -> dict[str, str]:
        """The file of each action that belongs to ``self.sub``."""
        name = self.__class__.__name__
        folder = self.data_prefix['split']
        endings = tuple(
            f'_test_{text}{self.sub}.txt' for text in ('split', 'split_')
        )
        found: dict[str, str] = {}
        for file in list_files(folder, endings, self.backend_args) or []:
            action = file[: file.rindex('_test_split')]
            if action in found:
                raise ValueError(
                    f'{name}: {found[action]} and {file} are both split '
                    f'{self.sub} of {action!r}; delete one of them'
                )
            found[action] = osp.join(folder, file)
        if not found:
            raise FileNotFoundError(
                f'{name}: no ACTION{endings[0]} in {folder!r}; put the '
                "data set's split files there, or use split='all'"
            )
        return found

    def _read_split(self, path: str) -> dict[str, str]:
        """``'train'`` or ``'test'`` by video."""
        try:
            text = read_bytes(path, self.backend_args).decode('utf-8-sig')
        except UnicodeDecodeError as error:
            raise ValueError(
                f'{path}: not a text file ({error}); download it again'
            ) from error
        flags: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            video, _, flag = line.strip().rpartition(' ')
            video = osp.splitext(video.strip())[0]
            if not video or flag not in _FLAGS:
                raise ValueError(
                    f'{path}, line {number}: must be "VIDEO.avi 1" (train) '
                    f'or "VIDEO.avi 2" (test), but is {line!r}; mend it'
                )
            if video in flags:
                raise ValueError(
                    f'{path}, line {number}: {video} is there '
                    'twice; delete one of its lines'
                )
            flags[video] = _FLAGS[flag]
        return flags

    def _label(self, action: str, video: str) -> JHMDBLabel:
        name = self.__class__.__name__
        path = osp.join(
            self.data_prefix['ann'], action, video, 'joint_positions.mat'
        )
        try:
            data = read_bytes(path, self.backend_args)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'{name}: no {path}, which a split file names; extract the '
                "data set's joint positions again"
            ) from None
        positions = parse_joint_positions(data, path)

        masks = None
        if self.bbox_source != 'joints':
            path = osp.join(
                self.data_prefix['mask'], action, video, 'puppet_mask.mat'
            )
            try:
                masks = parse_puppet_mask(
                    read_bytes(path, self.backend_args), path
                )
            except FileNotFoundError:
                if self.bbox_source == 'mask':
                    raise FileNotFoundError(
                        f"{name}: no {path}, which bbox_source='mask' needs; "
                        "extract the data set's puppet masks, or use 'auto'"
                    ) from None
        self._box_sources['joints' if masks is None else 'masks'] += 1
        if masks is not None:
            size = masks.shape[2], masks.shape[1]
        else:
            size = self._picture_size(action, video)
        return make_jhmdb_label(positions, size, masks)

    def _frame_path(self, action: str, video: str, frame: int) -> str:
        return osp.join(
            self.data_prefix['img'], action, video, f'{frame:05d}.png'
        )

    def _picture_size(self, action: str, video: str) -> tuple[int, int]:
        """Width and height, which the joint positions do not tell."""
        name = self.__class__.__name__
        path = self._frame_path(action, video, 1)
        try:
            data = read_bytes(path, self.backend_args)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'{name}: neither a puppet mask nor {path} tells the size of '
                "the video's pictures; extract the data set's frames"
            ) from None
        try:
            image = mmcv.imfrombytes(data) if data else None
        except Exception:  # OpenCV's, of a header that asks for too much
            image = None
        if image is None:
            raise ValueError(
                f'{name}: {path} cannot be decoded as an image; copy it again'
            )
        return image.shape[1], image.shape[0]

    def _track(self, action: str, video: str, label: JHMDBLabel) -> Track:
        num = len(label.bbox)
        *paths, beyond = (
            self._frame_path(action, video, i) for i in range(1, num + 2)
        )
        if osp.exists(beyond):  # on a disk; elsewhere nothing is looked for
            self.repairs['videos with more frames than labels'] += 1
        return Track(
            video_id=f'{action}/{video}',
            frame_ids=range(1, num + 1),
            img_paths=paths,
            frame_sizes=np.tile(label.size, (num, 1)),
            bbox=label.bbox,
            keypoints=label.keypoints,
            keypoints_visible=label.visible,
            keypoints_labeled=label.labeled,
        )

    def _log(self, tracks: list[Track]) -> None:
        split = (
            self.split
            if self.sub is None
            else (f'{self.split} of split {self.sub}')
        )
        sources = ' and '.join(
            f'{count} from {source}'
            for source, count in sorted(self._box_sources.items())
        )
        self.log_repairs(
            f'{split}: {len(tracks)} videos, {sum(map(len, tracks))} frames, '
            f'boxes: {sources or "none"}',
            _REMEDY,
        )
