# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from mmengine.fileio import exists, get_local_path
from mmengine.logging import print_log
from mmpose.datasets.datasets import CocoDataset
from mmpose.registry import DATASETS
from xtcocotools.coco import COCO

from ...structures import box_iou
from .pose_files import MIN_IOU, best_match, read_poses
from .transforms import NEAR_IOU


@DATASETS.register_module()
class CocoRefineDataset(CocoDataset):
    """People of COCO's images with poses of another method.

    In training, each annotated person, with ``near_keypoints`` (M, K, 2), the
    people whose boxes overlap, and ``input_keypoints`` (1, K, 3), the pose of
    the file in the person's box, where there is one. In a test, each pose of
    the file; ``ann_file`` may then be one without annotations, such as
    test-dev's. Who is in one of the files alone is left out.

    Args:
        args: See ``CocoDataset``.
        pose_file (str, optional): Results of a pose estimator, not under
            ``data_root``; see
            :func:`~rpstn_mmpose.systems.posefix.pose_files.read_poses`. Not
            needed in training.
        min_iou (float): Least overlap of an annotated box with that of its
            pose.
        kwargs: See ``CocoDataset``.

    Raises:
        FileNotFoundError: One of the files is not there.
        ValueError: No ``pose_file`` in a test, a ``bbox_file``, a file that is
            not of the format, or no pose in any of the images.
    """

    def __init__(
        self,
        *args: Any,
        pose_file: str | None = None,
        min_iou: float = MIN_IOU,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        if kwargs.get('bbox_file'):
            raise ValueError(
                f'{name}: tests the poses of pose_file, which have their own '
                'boxes; leave bbox_file out'
            )
        if kwargs.get('test_mode') and pose_file is None:
            raise ValueError(
                f'{name}: there is nothing to refine; give pose_file, the '
                'results of a pose estimator'
            )
        self.pose_file, self.min_iou = pose_file, min_iou
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        """One sample an annotated person, or, in a test, a pose."""
        name = type(self).__name__
        if not exists(self.ann_file):
            raise FileNotFoundError(
                f'{name}: no file {self.ann_file}; set data_root and ann_file'
            )
        number = self.metainfo['num_keypoints']
        poses = {}
        if self.pose_file is not None:
            poses = read_poses(self.pose_file, number)
        if self.test_mode:
            return self._poses_of_images(poses)
        people = super().load_data_list()
        by_image = defaultdict(list)
        for person in people:
            by_image[person['img_id']].append(person)
        found = 0
        for image, group in by_image.items():
            self._add_near(group)
            for person in group:
                pose = best_match(
                    person['bbox'][0], poses.get(str(image), []), self.min_iou
                )
                if pose is not None:
                    person['input_keypoints'] = pose.keypoints[None]
                    found += 1
        if self.pose_file is not None:
            print_log(
                f'{name}: {self.pose_file} has poses of {found} of '
                f'{len(people)} people',
                'current',
            )
        return people

    @staticmethod
    def _add_near(group: list[dict]) -> None:
        """Tell people of one image who is beside them."""
        boxes = np.concatenate([person['bbox'] for person in group])
        points = np.concatenate([person['keypoints'] for person in group])
        known = np.concatenate([p['keypoints_visible'] for p in group]) > 0
        points = np.where(known[..., None], points, np.nan)
        beside = box_iou(boxes, boxes) >= NEAR_IOU
        np.fill_diagonal(beside, False)
        for person, others in zip(group, beside):
            person['near_keypoints'] = points[others].astype(np.float32)

    def _poses_of_images(self, poses: dict) -> list[dict]:
        with get_local_path(self.ann_file) as path:
            self.coco = COCO(path)
        self._metainfo['CLASSES'] = self.coco.loadCats(self.coco.getCatIds())
        images = {str(key): image for key, image in self.coco.imgs.items()}
        samples: list[dict] = []
        for key, people in poses.items():
            if key not in images:
                continue
            for pose in people:
                samples.append(self._sample(images[key], pose, len(samples)))
        del self.coco
        total = sum(map(len, poses.values()))
        if not samples:
            raise ValueError(
                f'{type(self).__name__}: none of the {total} poses of '
                f'{self.pose_file} is in an image of {self.ann_file}; use '
                'the results and the images of the same subset'
            )
        if len(samples) < total:
            print_log(
                f'{type(self).__name__}: {total - len(samples)} of {total} '
                f'poses of {self.pose_file} are in images that '
                f'{self.ann_file} does not have, and are left out',
                'current',
            )
        return samples

    def _sample(self, image: dict, pose: Any, number: int) -> dict:
        joints = len(pose.keypoints)
        folder = self.data_prefix['img'].rstrip('/')
        name = image['file_name']
        return dict(
            id=number,
            img_id=image['id'],
            img_path=f'{folder}/{name}' if folder else name,
            img_shape=(image['height'], image['width']),
            bbox=np.asarray(pose.bbox, np.float32)[None],
            bbox_score=np.array([pose.score], np.float32),
            input_keypoints=pose.keypoints[None],
            # nobody knows the truth
            keypoints=np.zeros((1, joints, 2), np.float32),
            keypoints_visible=np.ones((1, joints), np.float32),
        )
