# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Detected boxes of PoseTrack's frames, as MMPose publishes them."""

from __future__ import annotations

from collections import Counter
from typing import Any, Sequence

import numpy as np

from .file_access import read_bytes
from .label_fields import MAX_FLOAT32, is_place, numbers, read_json, shown
from .posetrack_video import PoseTrackVideo


def load_detections(
    path: str,
    videos: Sequence[PoseTrackVideo],
    score_thr: float,
    backend_args: dict | None,
    owner: str,
) -> tuple[list, list, int, Counter]:
    """Boxes of people in labelled frames.

    Args:
        path: JSON file, a list of dicts with ``image_id`` (or
            ``image_name``), ``bbox`` (x, y, width, height) and ``score``.
        videos: Whose frames they are of.
        score_thr: Lowest score.
        backend_args: mmengine file backend.
        owner: Who asks, for messages.

    Returns:
        tuple: Boxes (x1 y1 x2 y2 score), the video and the row of each, the
        number of detections in the file, and what was left out by kind.

    Raises:
        FileNotFoundError: No such file.
        ValueError: It holds something else.
    """
    try:
        data = read_bytes(path, backend_args)
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{owner}: no bbox_file {path!r}; give a path relative to the '
            'working folder, or an address'
        ) from None
    found = read_json(data, path)
    if not isinstance(found, list):
        raise ValueError(f'{path}: detections must be a list of dicts')
    places: dict[Any, tuple[int, int]] = {}
    for number, video in enumerate(videos):
        for row, image_id in enumerate(video.image_ids):
            if image_id != -1:
                places[image_id] = number, row
                places[video.file_names[row]] = number, row
    boxes, where, left_out = [], [], Counter[str]()
    for detection in found:
        image, box, category = _parsed(detection, path)
        place = places.get(image)
        if category != 1:
            left_out['detections of other classes'] += 1
        elif place is None:
            left_out['detections of other images'] += 1
        elif not videos[place[0]].labelled[place[1]]:
            left_out['detections of unlabelled frames'] += 1
        elif box[4] < score_thr:
            left_out['detections below the threshold'] += 1
        elif not _has_area(box):
            left_out['detections without area'] += 1
        else:
            boxes.append(box)
            where.append(place)
    return boxes, where, len(found), left_out


def _parsed(detection: Any, path: str) -> tuple[Any, list[float], Any]:
    """Image, box x1 y1 x2 y2 score, and class of a detection."""
    try:
        image = detection.get('image_id', detection.get('image_name'))
        if isinstance(image, str):  # Windows writes backslashes
            image = image.replace('\\', '/')
        hash(image)
        x, y, width, height = numbers(detection['bbox'], '', path)[:4]
        score = float(detection['score'])
        category = detection.get('category_id', 1)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        raise ValueError(
            f'{path}: a detection must have image_id, bbox (x, y, '
            f'width, height) and score, but got {shown(detection)}'
        ) from None
    return image, [x, y, x + width, y + height, score], category


def _has_area(box: Sequence[float]) -> bool:
    x1, y1, x2, y2, score = box
    return bool(
        is_place(np.array(box[:4])).all()
        and x2 - x1 > 0
        and y2 - y1 > 0
        and abs(score) <= MAX_FLOAT32
    )
