# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import os.path as osp
import re
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np
from mmpose.registry import DATASETS

from ..file_access import join_address, read_bytes
from ..jhmdb_label import NUM_JOINTS
from ..label_fields import (
    field,
    file_name_of,
    is_place,
    list_field,
    numbers,
    object_list,
    picture_size,
    read_json,
    whole_number,
)
from ..penn_action_label import mend_boxes
from ..tracks import Track
from .base_clip_dataset import BaseClipDataset
from .jhmdb_clip_dataset import JHMDBClipDataset

# What was done about each irregularity of the annotations.
_REMEDY = {
    'NaN joints': 'unlabelled',
    'boxes not finite': 'made from joints or neighbours',
}


class _Image(NamedTuple):
    """An image of the file; its size is width and height in pixels."""

    id: int
    file_name: str
    size: tuple[int, int]


@DATASETS.register_module()
class JHMDBCocoClipDataset(BaseClipDataset):
    """Clips of sub-JHMDB, read from MMPose's COCO-style annotations.

    These are ``Sub1_train.json``, ``Sub1_test.json`` and so on, which
    :class:`mmpose.datasets.JhmdbDataset` reads image by image. Images whose
    ``file_name`` has the same folder make a video, the number in the file's
    name is the frame. Boxes and keypoints come out as they do there: 1-based
    coordinates become 0-based, boxes end at the picture's border, and every
    joint with a flag above 0 is visible. Joints and boxes that are not
    finite, or far outside of any picture, are counted in ``repairs`` and
    logged.

    An image without annotation stays in its video, but no prediction of it
    is wanted.

    Args:
        data_root (str): Root folder of the data set.
        ann_file (str): The annotations, below ``data_root``, absolute, or
            an address.
        kwargs: See :class:`BaseClipDataset`, but no ``split``: a file is one.
            ``data_prefix`` defaults to ``dict(img='')``.

    Raises:
        FileNotFoundError: No such ``ann_file``.
        ValueError: It is not of that form, or holds no annotation.
    """

    METAINFO: dict = JHMDBClipDataset.METAINFO
    SPLITS = ('all',)

    def __init__(self, data_root: str, ann_file: str, **kwargs) -> None:
        # BaseDataset.ann_file is its own and stays empty.
        self._ann_path = join_address(data_root, ann_file)
        super().__init__(data_root=data_root, split='all', **kwargs)

    def load_tracks(self) -> list[Track]:
        """Read the annotations.

        Returns:
            list[Track]: In order of the videos' names.
        """
        path = self._ann_path
        content = read_json(self._read_file(), path)
        if not isinstance(content, dict) or not isinstance(
            content.get('images'), list
        ):
            raise ValueError(
                f"{path}: not MMPose's JHMDB annotations, which "
                "have a list 'images'; download the file again"
            )
        self.repairs.clear()
        annotations = self._by_image(content)
        videos: dict[str, dict[int, _Image]] = defaultdict(dict)
        ids = set()
        for entry in content['images']:
            video, frame, image = self._image(entry)
            if frame in videos[video]:
                raise ValueError(
                    f'{path}: {video} has two images of the '
                    'same frame; delete one of them'
                )
            if image.id in ids:
                raise ValueError(
                    f'{path}: two images have the id {image.id}; '
                    'give each of them one of its own'
                )
            videos[video][frame] = image
            ids.add(image.id)
        tracks = [
            self._track(video, videos[video], annotations)
            for video in sorted(videos)
        ]
        tracks = [track for track in tracks if track.annotated.any()]
        if not tracks:
            raise ValueError(
                f'{path}: no image is annotated; use another ann_file'
            )
        self.log_repairs(
            f'{path}: {len(tracks)} videos, {sum(map(len, tracks))} frames',
            _REMEDY,
        )
        return tracks

    def _read_file(self) -> bytes:
        try:
            return read_bytes(self._ann_path, self.backend_args)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'{self.__class__.__name__}: no file {self._ann_path!r}; '
                'check data_root and ann_file'
            ) from None

    def _by_image(self, content: dict) -> dict[int, tuple[np.ndarray, ...]]:
        """Keypoints (15, 3) and box (4,) by image id, as in the file."""
        path = self._ann_path
        found: dict[int, tuple[np.ndarray, ...]] = {}
        for annotation in object_list(content, 'annotations', path):
            image = whole_number(
                field(annotation, 'image_id', 'an annotation', path),
                "'image_id' of an annotation",
                path,
            )
            if image in found:
                raise ValueError(
                    f'{path}: image {image} has several annotations, but a '
                    'frame of JHMDB has one person; keep one of them'
                )
            what = f'the annotation of image {image}'
            keypoints, box = (
                numbers(
                    list_field(annotation, key, what, path),
                    f'{key!r} of {what}',
                    path,
                )
                for key in ('keypoints', 'bbox')
            )
            if len(keypoints) != 3 * NUM_JOINTS or len(box) != 4:
                raise ValueError(
                    f'{path}: {what} must have {3 * NUM_JOINTS} keypoint '
                    'numbers (x, y, flag) and a box of 4; download the file '
                    'again'
                )
            found[image] = keypoints.reshape(NUM_JOINTS, 3), box
        return found

    def _image(self, entry: Any) -> tuple[str, int, _Image]:
        """Its video, its frame, and the rest."""
        path = self._ann_path
        file_name = file_name_of(entry, path)
        folder, base = osp.split(file_name)
        stem = osp.splitext(base)[0]
        if not folder or not re.fullmatch('[0-9]{1,15}', stem):
            raise ValueError(
                f'{path}: the file_name {file_name!r} must be '
                'VIDEO/NUMBER.png; download the file again'
            )
        what = f'the image {file_name}'
        number = whole_number(
            field(entry, 'id', what, path), f"'id' of {what}", path
        )
        size = picture_size(entry, what, path)
        if size is None:
            raise ValueError(
                f"{path}: {what} has no 'width' or no 'height'; "
                'download the file again'
            )
        return folder, int(stem), _Image(number, file_name, size)

    def _track(
        self,
        video: str,
        images: dict[int, _Image],
        annotations: dict[int, tuple[np.ndarray, ...]],
    ) -> Track:
        frames = sorted(images)
        rows = [images[frame] for frame in frames]
        sizes = np.array([image.size for image in rows])
        boxes = np.full((len(frames), 4), np.nan)
        joints = np.zeros((len(frames), NUM_JOINTS, 3))
        annotated = np.zeros(len(frames), dtype=bool)
        for row, image in enumerate(rows):
            if image.id in annotations:
                joints[row], (x, y, w, h) = annotations[image.id]
                boxes[row] = x - 1, y - 1, x - 1 + w, y - 1 + h
                annotated[row] = True
        good = is_place(boxes).all(axis=1)
        self.repairs['boxes not finite'] += int((annotated & ~good).sum())
        boxes[~good] = np.nan
        finite = is_place(joints).all(axis=-1)
        self.repairs['NaN joints'] += int((~finite).sum())
        labeled = (joints[..., 2] > 0) & finite
        keypoints = np.where(finite[..., None], joints[..., :2] - 1, 0)
        boxes = mend_boxes(boxes, keypoints, labeled, *sizes.max(axis=0))
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        return Track(
            video_id=video,
            frame_ids=frames,
            img_paths=[
                osp.join(self.data_prefix['img'], image.file_name)
                for image in rows
            ],
            frame_sizes=sizes,
            bbox=boxes,
            keypoints=np.where(labeled[..., None], keypoints, centre[:, None]),
            keypoints_visible=labeled,
            keypoints_labeled=labeled,
            annotated=annotated,
        )
