# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Files of images and of detections with something else in their fields.

What becomes of whole ones: ``tests/test_evaluation/test_coco_submission.py``.
"""

import json

import pytest

from rpstn_mmpose.datasets import CocoTestDevDataset
from rpstn_mmpose.datasets.datasets.coco_test_dev_dataset import (
    DetectionFileError,
)

IMAGE = dict(id=3, file_name='a.jpg', width=96, height=72)
BOX = dict(image_id=3, category_id=1, bbox=[1, 2, 30, 40], score=0.5)


def load(folder, images, boxes, categories=None):
    categories = categories or [dict(id=1, name='person')]
    (folder / 'info.json').write_text(
        json.dumps(dict(images=images, categories=categories))
    )
    (folder / 'boxes.json').write_text(json.dumps(boxes))
    return CocoTestDevDataset(
        data_root=str(folder),
        ann_file='info.json',
        test_mode=True,
        bbox_file=str(folder / 'boxes.json'),
    )


def test_whole_files(tmp_path):
    assert len(load(tmp_path, [IMAGE], [BOX, BOX])) == 2


@pytest.mark.parametrize(
    'images, boxes, message',
    [
        (5, [BOX], "info.json: 'images' of the file must be a list"),
        ([5], [BOX], "info.json: entry 0 of 'images' must be an object"),
        (
            [dict(IMAGE, id=[3])],
            [BOX],
            "info.json: 'id' of the image a.jpg must",
        ),
        (
            [dict(IMAGE, id='3')],
            [BOX],
            'info.json: the image a.jpg must have a',
        ),
        (
            [dict(IMAGE, width=None)],
            [BOX],
            'info.json: the image a.jpg must hav',
        ),
        (
            [dict(IMAGE, height='x')],
            [BOX],
            "info.json: 'height' of the image a",
        ),
        (
            [dict(IMAGE, file_name=7)],
            [BOX],
            "info.json: 'file_name' of an image",
        ),
        (
            [IMAGE],
            [dict(BOX, image_id={})],
            'boxes.json has 1 persons in images',
        ),
        (
            [IMAGE],
            [dict(BOX, image_id='3')],
            'boxes.json has 1 persons in imag',
        ),
        (
            [IMAGE],
            [dict(BOX, bbox={})],
            'boxes.json, detection 0: bbox must be',
        ),
        (
            [IMAGE],
            [dict(BOX, bbox=[1, 2, 1e31, 4])],
            'detection 0: bbox must be',
        ),
        (
            [IMAGE],
            [dict(BOX, bbox=[10**400, 2, 3, 4])],
            'detection 0: bbox must',
        ),
        (
            [IMAGE],
            [BOX, dict(BOX, score=1e39)],
            'detection 1: bbox must be 4 fi',
        ),
        (
            [IMAGE],
            [BOX, dict(BOX, score=None)],
            'detection 1: bbox must be 4 fi',
        ),
    ],
)
def test_fields_of_another_kind(tmp_path, images, boxes, message):
    with pytest.raises(DetectionFileError, match=message) as error:
        load(tmp_path, images, boxes)
    assert '\n' not in str(error.value) and str(tmp_path) in str(error.value)


def test_what_cocos_reader_cannot_read(tmp_path):
    with pytest.raises(
        DetectionFileError,
        match='info.json and .*boxes.json cannot be read .KeyError',
    ):
        load(tmp_path, [IMAGE], [BOX], categories=[dict(name='person')])
