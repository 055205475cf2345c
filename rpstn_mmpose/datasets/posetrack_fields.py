# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What the entries of PoseTrack's JSON mean, for readers and evaluators.

Each function gives the value or raises one ValueError that names the file.
"""

from __future__ import annotations

import os.path as osp
import re
from typing import Any

import numpy as np

from .label_fields import (
    field,
    file_name_of,
    is_place,
    list_field,
    numbers,
    object_list,
    shown,
    whole_number,
)


def frame_number(file_name: str, path: str) -> int:
    """Number of a frame: the digits that its file's name ends with.

    Args:
        file_name: E.g. ``'images/val/000001_mpii_test/000012.jpg'``.
        path: Annotation file, for the message.
    """
    digits = re.search(r'([0-9]+)$', osp.splitext(osp.basename(file_name))[0])
    if digits is None or len(digits.group(1).lstrip('0')) > 15:
        raise ValueError(
            f'{path}: the frame {shown(file_name)} has no '
            'number in its name; frames are files such as '
            '000012.jpg'
        )
    return int(digits.group(1))


def image_number(image: Any, path: str) -> int:
    """The ``id`` of one of a file's images, 0 or above."""
    what = f'the image {file_name_of(image, path)}'
    number = whole_number(
        field(image, 'id', what, path), f"'id' of {what}", path
    )
    if number < 0:
        raise ValueError(
            f"{path}: 'id' of {what} is {number}; write the "
            'file again with ids of 0 and above'
        )
    return number


def ignore_polygons(image: dict, path: str) -> list[np.ndarray]:
    """Polygons of an image in which people are not annotated.

    PoseTrack18 has lists of polygons, ``[[x, ...], ...]``; in PoseTrack21
    there are images with one flat polygon, ``[x, ...]``, too.

    Args:
        image: Entry of a file's ``images``.
        path: Of the file.

    Returns:
        list[np.ndarray]: (m, 2) float64 pixels each; empty ones are left
        out.

    Raises:
        ValueError: Not as many x as y, or something else than numbers.
    """
    what = f'image {shown(image.get("id"))}'
    columns = []
    for key in ('ignore_regions_x', 'ignore_regions_y'):
        values = list_field(image, key, what, path)
        if values and not any(isinstance(value, list) for value in values):
            values = [values]
        columns.append(
            [numbers(v, f'{key!r} of {what}', path) for v in values]
        )
    if [len(x) for x in columns[0]] != [len(y) for y in columns[1]]:
        raise ValueError(
            f'{path}: the ignore regions of {what} have not as '
            'many x as y; download or write the file again'
        )
    polygons = [np.stack(xy, axis=1) for xy in zip(*columns) if len(xy[0])]
    if not all(is_place(polygon).all() for polygon in polygons):
        raise ValueError(
            f'{path}: the ignore regions of {what} have numbers '
            'that are no places; download or write the file '
            'again'
        )
    return polygons


def keypoint_rows(
    annotation: dict, count: int, what: str, path: str
) -> np.ndarray | None:
    """The ``keypoints`` of an annotation.

    Args:
        annotation: Entry of a file's ``annotations``.
        count: Joints of the file.
        what: Of whom they are, for the message.
        path: Of the file.

    Returns:
        np.ndarray | None: (count, 3) float64, x, y and flag, which may hold
        NaN. None: the person has a box alone, as many in PoseTrack21.

    Raises:
        ValueError: Another number of them, or something else than numbers.
    """
    given = list_field(annotation, 'keypoints', what, path)
    if not given:
        return None
    found = numbers(given, f"'keypoints' of {what}", path)
    if found.size != 3 * count:
        raise ValueError(
            f'{path}: {what} has {found.size} numbers for {count} keypoints, '
            f'which need {3 * count}; write the file again'
        )
    return found.reshape(count, 3)


def joint_scores(annotation: dict, count: int) -> np.ndarray | None:
    """The ``scores`` of an annotation's joints.

    Labels that a program made have them; PoseTrack's own have an empty list
    there.

    Args:
        annotation: Entry of a file's ``annotations``.
        count: Joints of the file.

    Returns:
        np.ndarray | None: (count,), 0 to 1; NaN where they are something
        else. None: there are none.
    """
    given = annotation.get('scores')
    if given is None or given == []:
        return None
    try:
        scores = np.asarray(given, np.float64)
    except (TypeError, ValueError, OverflowError):
        scores = np.zeros(0)
    with np.errstate(invalid='ignore'):
        good = scores.shape == (count,) and bool(
            ((scores >= 0) & (scores <= 1)).all()
        )
    return scores if good else np.full(count, np.nan)


def joint_names(content: dict, path: str) -> list[str] | None:
    """Names of a file's joints, from its ``categories``.

    Returns:
        list[str] | None: None: the file does not name them.

    Raises:
        ValueError: A name that is no text or is there twice.
    """
    for category in object_list(content, 'categories', path):
        names = list_field(category, 'keypoints', 'a category', path)
        if names:
            good = all(isinstance(name, str) for name in names)
            if not good or len(set(names)) != len(names):
                raise ValueError(
                    f"{path}: 'keypoints' of a category must be names of "
                    f'different joints, but are {shown(names)}; write the '
                    'file again'
                )
            return names
    return None
