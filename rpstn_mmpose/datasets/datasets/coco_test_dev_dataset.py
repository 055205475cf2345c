# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.fileio import exists
from mmpose.datasets.datasets import CocoDataset
from mmpose.registry import DATASETS

from ..file_access import read_bytes
from ..label_fields import (
    MAX_FLOAT32,
    field,
    file_name_of,
    is_place,
    object_list,
    picture_size,
    read_json,
    shown,
    whole_number,
)
from ..transforms.clip_checks import check_frame_sizes

PERSON = 1


class DetectionFileError(OSError):
    """A file of detections, or of images, that cannot be used."""


@DATASETS.register_module()
class CocoTestDevDataset(CocoDataset):
    """COCO images without annotations, persons from a detection file.

    :class:`mmpose.datasets.CocoDataset` reads such files already; this one
    checks them first and says in one line what is wrong.

    Args:
        *args: See ``CocoDataset``. ``ann_file`` (under ``data_root``) needs
            ``images`` and ``categories`` only, as
            ``image_info_test-dev2017.json`` has them. ``bbox_file`` (not
            under ``data_root``) is a JSON list of ``image_id``,
            ``category_id`` (1: person, others are left out), ``bbox`` (x, y,
            width, height in pixels) and ``score``.
        **kwargs: See ``CocoDataset``.

    Raises:
        FileNotFoundError: One of the files is not there.
        DetectionFileError: No ``bbox_file`` is given, it has no person, a
            person in it is not in an image of ``ann_file`` or has no finite
            box and score; a file that is not of the format.
        ValueError: An image of another size than ``ann_file`` says.
    """

    def load_data_list(self) -> list[dict]:
        """One sample a detected person.

        Returns:
            list[dict]: See ``CocoDataset``; keypoints are dummies.
        """
        name = self.__class__.__name__
        if not self.bbox_file:
            raise DetectionFileError(
                f'{name}: {self.ann_file} has no persons; give the detected '
                'ones with test_dataloader.dataset.bbox_file'
            )
        for path, fix in (
            (self.ann_file, 'set data_root and ann_file'),
            (self.bbox_file, 'set test_dataloader.dataset.bbox_file'),
        ):
            if not exists(path):
                raise FileNotFoundError(
                    f'{name}: no file {path}; {fix} to one that is there'
                )
        info, detections = _read(self.ann_file), _read(self.bbox_file)
        if not isinstance(info, dict) or not {'images', 'categories'} <= set(
            info
        ):
            raise DetectionFileError(
                f"{name}: {self.ann_file} has no 'images' or no "
                "'categories'; use COCO's image_info_test-dev2017.json as "
                'it is distributed'
            )
        self._check(detections, _image_ids(info, self.ann_file))
        try:
            return super().load_data_list()
        except Exception as error:  # of what else COCO's reader looks at
            raise DetectionFileError(
                f'{name}: {self.ann_file} and {self.bbox_file} cannot be '
                f'read ({type(error).__name__}: {shown(str(error))}); get '
                'them again'
            ) from error

    def prepare_data(self, idx: int) -> Any:
        """An image through the pipeline.

        Raises:
            ValueError: It is of another size than ``ann_file`` says.
        """
        info = self.get_data_info(idx)
        told = np.array([info['img_shape'][::-1]])
        info['dataset'] = self  # as MMPose does for its mixing transforms
        packed = self.pipeline(info)
        if info.get('ori_shape') is not None:
            check_frame_sizes(
                told,
                info['ori_shape'],
                [info['img_path']],
                self.ann_file,
                self.__class__.__name__,
            )
        return packed

    def _check(self, detections: Any, images: set) -> None:
        where = f'{self.__class__.__name__}: {self.bbox_file}'
        if not isinstance(detections, list):
            raise DetectionFileError(
                f'{where} must be a list of detections, but is a '
                f'{type(detections).__name__}; use the results file of the '
                'detector'
            )
        keys = ('image_id', 'category_id', 'bbox', 'score')
        persons, strange = 0, []
        for index, detection in enumerate(detections):
            if not isinstance(detection, dict) or not all(
                key in detection for key in keys
            ):
                raise DetectionFileError(
                    f'{where}, detection {index}: must have '
                    f'{", ".join(keys)}; use the results file of the '
                    'detector'
                )
            if detection['category_id'] != PERSON:
                continue
            persons += 1
            if not isinstance(detection['image_id'], (int, float)) or (
                detection['image_id'] not in images
            ):
                strange.append(shown(detection['image_id']))
            if not _is_fit(detection):
                raise DetectionFileError(
                    f'{where}, detection {index}: bbox must be 4 finite '
                    'numbers x, y, width > 0, height > 0, and score a finite '
                    f'number, but got {shown(detection["bbox"])} and '
                    f'{shown(detection["score"])}; remove it'
                )
        if not persons:
            raise DetectionFileError(
                f'{where} has no detection of a person (category_id '
                f'{PERSON}) among its {len(detections)}; run the detector on '
                'the images of this subset'
            )
        if strange:
            raise DetectionFileError(
                f'{where} has {len(strange)} persons in images that '
                f'{self.ann_file} does not have, the first in image '
                f'{strange[0]}; use the detections and the image file of the '
                'same subset'
            )


def _read(path: str) -> Any:
    try:
        return read_json(read_bytes(path), path)
    except ValueError as error:
        raise DetectionFileError(str(error)) from None


def _image_ids(info: dict, path: str) -> set:
    """Ids of the images, each of which must have a name and a size."""
    try:
        return {
            _image_id(image, path)
            for image in object_list(info, 'images', path)
        }
    except ValueError as error:
        raise DetectionFileError(str(error)) from None


def _image_id(image: dict, path: str) -> int:
    what = f'the image {file_name_of(image, path)}'
    number = field(image, 'id', what, path)
    if number != whole_number(number, f"'id' of {what}", path) or (
        picture_size(image, what, path) is None
    ):
        raise ValueError(
            f'{path}: {what} must have a number as its id, '
            'width and height; get the file again'
        )
    return number


def _is_fit(detection: dict) -> bool:
    try:
        box = np.asarray(detection['bbox'][:4], dtype=np.float64)
        values = np.append(box, float(detection['score']))
    except (KeyError, TypeError, ValueError, OverflowError):
        return False
    return bool(
        values.shape == (5,)
        and is_place(box).all()
        and abs(values[4]) <= MAX_FLOAT32
        and (box[2:] > 0).all()
    )
