# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import json
import os.path as osp
from collections import defaultdict
from typing import Any, Dict, List

import numpy as np
from mmpose.registry import DATASETS

from ..file_access import join_address, read_bytes
from ..jhmdb_label import NUM_JOINTS
from ..penn_action_label import mend_boxes
from ..tracks import Track
from .base_clip_dataset import BaseClipDataset
from .jhmdb_clip_dataset import JHMDBClipDataset


def _are_numbers(values: Any, count: int) -> bool:
    """Whether ``values`` are a plain list of so many numbers."""
    return len(values) == count and all(
        isinstance(value, (int, float)) for value in values)


@DATASETS.register_module()
class JHMDBCocoClipDataset(BaseClipDataset):
    """Clips of sub-JHMDB, read from MMPose's COCO-style annotations.

    These are ``Sub1_train.json``, ``Sub1_test.json`` and so on, which
    :class:`mmpose.datasets.JhmdbDataset` reads image by image. Images whose
    ``file_name`` has the same folder make a video, the number in the file's
    name is the frame. Boxes and keypoints come out as they do there: 1-based
    coordinates become 0-based, boxes end at the picture's border, and every
    joint with a flag above 0 is visible.

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
    SPLITS = ('all', )

    def __init__(self, data_root: str, ann_file: str, **kwargs):
        # BaseDataset.ann_file is its own and stays empty.
        self._ann_path = join_address(data_root, ann_file)
        super().__init__(data_root=data_root, split='all', **kwargs)

    def load_tracks(self) -> List[Track]:
        """Read the annotations.

        Returns:
            list[Track]: In order of the videos' names.
        """
        content = self._load_json()
        try:
            annotations = self._by_image(content)
            videos: Dict[str, list] = defaultdict(list)
            for image in content['images']:
                folder, frame = self._video_and_frame(image['file_name'])
                videos[folder].append((frame, image))
            tracks = [
                self._track(video, videos[video], annotations)
                for video in sorted(videos)
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{self._ann_path}: not MMPose's JHMDB annotations "
                f'({type(error).__name__}: {error}); download the file again'
            ) from error
        tracks = [track for track in tracks if track.annotated.any()]
        if not tracks:
            raise ValueError(f'{self._ann_path}: no image is annotated; use '
                             'another ann_file')
        return tracks

    def _load_json(self) -> dict:
        try:
            data = read_bytes(self._ann_path, self.backend_args)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'{self.__class__.__name__}: no file {self._ann_path!r}; '
                'check data_root and ann_file') from None
        try:
            return json.loads(data)
        except ValueError as error:  # no UTF-8, or no JSON
            raise ValueError(f'{self._ann_path}: not a readable JSON file '
                             f'({error}); download it again') from error

    def _by_image(self, content: dict) -> Dict[Any, dict]:
        """The annotation of each image id."""
        found: Dict[Any, dict] = {}
        for annotation in content['annotations']:
            image = annotation['image_id']
            if image in found:
                raise ValueError(
                    f'{self._ann_path}: image {image} has several '
                    'annotations, but a frame of JHMDB has one person; keep '
                    'one of them')
            if not (_are_numbers(annotation['keypoints'], 3 * NUM_JOINTS)
                    and _are_numbers(annotation['bbox'], 4)):
                raise ValueError(
                    f'{self._ann_path}: the annotation of image {image} must '
                    f'have {3 * NUM_JOINTS} keypoint numbers (x, y, flag) '
                    'and a box of 4; download the file again')
            found[image] = annotation
        return found

    def _video_and_frame(self, file_name: str) -> tuple:
        folder, base = osp.split(file_name)
        stem = osp.splitext(base)[0]
        if not folder or not stem.isdigit():
            raise ValueError(
                f'{self._ann_path}: the file_name {file_name!r} must be '
                'VIDEO/NUMBER.png; download the file again')
        return folder, int(stem)

    def _track(self, video: str, frames: list,
               annotations: Dict[Any, dict]) -> Track:
        frames = sorted(frames, key=lambda pair: pair[0])
        numbers = [number for number, _ in frames]
        images = [image for _, image in frames]
        if len(set(numbers)) != len(numbers):
            raise ValueError(f'{self._ann_path}: {video} has two images of '
                             'the same frame; delete one of them')
        width, height = (max(image[side] for image in images)
                         for side in ('width', 'height'))
        boxes = np.full((len(frames), 4), np.nan)
        joints = np.zeros((len(frames), NUM_JOINTS, 3))
        annotated = np.zeros(len(frames), dtype=bool)
        for row, image in enumerate(images):
            annotation = annotations.get(image['id'])
            if annotation is None:
                continue
            annotated[row] = True
            x, y, w, h = annotation['bbox']
            boxes[row] = x - 1, y - 1, x - 1 + w, y - 1 + h
            joints[row] = np.reshape(annotation['keypoints'], (-1, 3))
            joints[row, :, :2] -= 1
        keypoints = joints[..., :2]
        labeled = (joints[..., 2] > 0) & np.isfinite(keypoints).all(axis=-1)
        boxes = mend_boxes(boxes, keypoints, labeled, width, height)
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        return Track(
            video_id=video,
            frame_ids=numbers,
            img_paths=[
                osp.join(self.data_prefix['img'], image['file_name'])
                for image in images
            ],
            bbox=boxes,
            keypoints=np.where(labeled[..., None], keypoints,
                               centre[:, None]),
            keypoints_visible=labeled,
            keypoints_labeled=labeled,
            annotated=annotated)
