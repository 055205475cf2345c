# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Read the boxes of a video's people, of this package and of others."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping

import numpy as np
from mmengine.logging import print_log

from .box_lists import read_mot, read_yolo
from .boxes import check_boxes
from .foreign_boxes import ImageBoxes, VideoHints, frames_of, read_coco
from .people_files import (
    FilePath,
    is_coco,
    is_records,
    load_json,
    people_of_records,
)
from .video_people import PeopleError, VideoPeople, expect

_NO_HINTS = VideoHints()


def load_boxes(path: FilePath, hints: VideoHints = _NO_HINTS) -> VideoPeople:
    """Read boxes by frame; poses that may come with them are left out.

    Args:
        path: Of one of

            - a list with a list of boxes (x1 y1 x2 y2, score or none) for
              every frame, or an object of such lists by frame number;
            - people, as :func:`load_people` reads them, with or without
              ``meta_info``, or the list of people by frame that
              MMPoseInferencer writes;
            - COCO's results or annotations, and AlphaPose's results;
            - MOTChallenge's ``.txt``;
            - a folder of YOLO's label files.
        hints: What is known of the video.

    Returns:
        VideoPeople: With ``track_ids`` and ``bbox_scores`` where the file has
        them, and ``size`` where it tells that of the video: (1, 1) where
        boxes are fractions of the picture. Boxes without area are left out.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Another content, or a box that is none.
    """
    try:
        people = _read(path, hints)
    except PeopleError as problem:
        raise ValueError(
            f'{path} holds no boxes by frame: {problem}; see --help'
        ) from None
    sides = people.bboxes[:, 2:] - people.bboxes[:, :2]
    # Detectors cut boxes at the border, which may leave nothing of them.
    flat = (sides == 0).any(axis=1) & (sides >= 0).all(axis=1)
    if flat.any():
        print_log(
            f'{path}: {flat.sum()} of {len(flat)} boxes have no area and are '
            'left out',
            logger='current',
            level=logging.WARNING,
        )
        people = people.take(~flat)
    for frame, boxes in people.boxes_by_frame().items():
        check_boxes(boxes, f'{path}, frame {frame}')
    return people


def _read(path: FilePath, hints: VideoHints) -> VideoPeople:
    cat_ids, origin = hints.cat_ids, os.fspath(path)
    if os.path.isdir(path):
        return _people_of_images(read_yolo(path, cat_ids), hints, origin)
    if Path(path).suffix.lower() in ('.txt', '.csv') and os.path.isfile(path):
        text = Path(path).read_text(encoding='utf-8', errors='replace')
        return _people_of_images(read_mot(text, cat_ids), hints, origin)
    content = load_json(path, 'boxes')
    if is_coco(content):
        return _people_of_images(read_coco(content, cat_ids), hints, origin)
    expect(
        cat_ids is None,
        'it has no categories, of which cat_ids (--det-cat-ids) are; leave '
        'that out',
    )
    listed = isinstance(content, list)
    facts: dict[str, Any] = dict(listed=listed, origin=origin)
    if is_records(content):
        people = people_of_records(
            content, {}, None, (), hints.first_frame, **facts
        )
    elif isinstance(content, Mapping) and 'instance_info' in content:
        meta, records = content.get('meta_info'), content['instance_info']
        expect(is_records(records), '"instance_info" is no list of frames')
        meta = meta if isinstance(meta, Mapping) else {}
        people = people_of_records(
            records, meta, None, (), hints.first_frame, **facts
        )
    else:
        expect(
            not listed or hints.first_frame is None,
            'its frames have no numbers, of which first_frame '
            '(--boxes-first-frame) is one; leave that out',
        )
        frames = _boxes_of_frames(content, hints.first_frame or 0)
        people = VideoPeople.from_frames(frames, **facts)
    return people


def _people_of_images(
    found: ImageBoxes, hints: VideoHints, origin: str
) -> VideoPeople:
    frames = frames_of(found.people, hints, found.first)
    people = VideoPeople.from_frames(
        {frames[key]: boxes for key, boxes in found.people.items()},
        origin=origin,
    )
    return replace(people, size=found.size)


def _boxes_of_frames(content: Any, first: int) -> dict[int, list[dict]]:
    """Records of people from lists of boxes."""
    expect(isinstance(content, (list, Mapping)), 'it is no list and no object')
    if isinstance(content, list):
        content = dict(enumerate(content))
    frames: dict[int, list[dict]] = {}
    for key, boxes in content.items():
        try:
            frame = int(key) - first
        except ValueError:
            raise PeopleError(f'{key!r} is no number of a frame') from None
        expect(frame >= 0, f'there is a frame {key}')
        expect(isinstance(boxes, list), f'frame {key} has no list of boxes')
        try:
            array = np.asarray(boxes, float)
        except (TypeError, ValueError):
            array = np.zeros(0)
            expect(
                False,
                f'frame {key}: boxes must be rows of 4 or 5 numbers, but are '
                f'{boxes!r:.80}',
            )
        expect(
            not boxes or (array.ndim == 2 and array.shape[1] in (4, 5)),
            f'frame {key}: boxes must be N x 4 (x1 y1 x2 y2) or N x 5 with '
            f'scores, but are {array.shape}',
        )
        frames[frame] = [
            dict(
                bbox=box[:4],
                bbox_score=float(box[4]) if box[4:].size else None,
            )
            for box in array
        ]
    return frames
