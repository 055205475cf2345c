# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The boxes of a file, fitted to the video that they are of."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import Any, Mapping, Sequence

import numpy as np
from mmengine.logging import print_log
from mmpose.evaluation.functional import nms

from ..structures import VideoHints, VideoPeople, check_boxes, load_boxes
from .video_io import FrameSource

# Of a frame: crowds have fewer, detectors' lists before thresholds more.
MAX_BOXES = 500
# Of boxes whose centre is outside of the picture; above it, they are of
# another picture.
_MAX_OUTSIDE = 0.1
# Largest difference of two pictures' aspect ratios, by rounded sizes.
_SAME_SHAPE = 0.02


def load_boxes_of(
    path: str | os.PathLike,
    source: FrameSource,
    first_frame: int | None = None,
    cat_ids: Sequence[int] | None = None,
) -> VideoPeople:
    """Read the boxes of a video's people, scaled to its picture.

    Args:
        path: See :func:`~rpstn_mmpose.structures.load_boxes`.
        source: The video, from :func:`~rpstn_mmpose.apis.open_source`.
        first_frame: Number that the file gives to the first frame. None: to
            be found out.
        cat_ids: Categories of the file that are taken. None: people.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Other content, or boxes of another video.
    """
    items = getattr(source, 'items', None)
    items = items if isinstance(items, list) else []
    hints = VideoHints(
        first_frame=first_frame,
        num_frames=source.num_frames,
        names=[
            os.fspath(i) for i in items if isinstance(i, (str, os.PathLike))
        ],
        cat_ids=cat_ids,
    )
    return fit_boxes(load_boxes(path, hints), source)


def fit_boxes(people: VideoPeople, source: FrameSource) -> VideoPeople:
    """Boxes scaled to a video's picture, without those outside of it.

    Args:
        people: With ``size``, where their file tells it.
        source: The video. What it does not tell is not checked.

    Returns:
        VideoPeople: Of the ``size`` of the video.

    Raises:
        ValueError: Boxes of another video, by their size or their frames.
    """
    name = getattr(source, 'path', source.name)
    last = max(people.frames, default=-1)
    if source.num_frames is not None and last >= source.num_frames:
        raise ValueError(
            f'{people.source} has boxes for frame {last}, but {name} has '
            f'{source.num_frames} frames, counted from 0; give the file of '
            'this video, or first_frame (--boxes-first-frame), the number '
            'that it gives to the first frame'
        )
    size = source.size
    if size is None or not len(people):
        if people.size == (1, 1) and len(people):
            raise ValueError(
                f'{people.source} has fractions of the picture, but {name} '
                'does not tell its size beforehand; give boxes in pixels'
            )
        return people
    width, height = size
    told = people.size or _guess(people, name, size)
    ratio = (told[0] * height) / (told[1] * width)
    if told != (1, 1) and abs(ratio - 1) > _SAME_SHAPE:
        raise ValueError(
            f'{people.source} is of another video: of {told[0]}x{told[1]} '
            f'pixels, but {name} has {width}x{height}'
        )
    scale = np.array([width / told[0], height / told[1]] * 2)
    people = replace(
        people, bboxes=people.bboxes * scale, size=(width, height)
    )
    low, high = people.bboxes[:, :2], people.bboxes[:, 2:]
    inside = ((high > 0) & (low < size)).all(axis=1)
    if not inside.all():
        print_log(
            f'{people.source}: {(~inside).sum()} of {len(inside)} boxes are '
            'outside of the picture and left out',
            logger='current',
            level=logging.WARNING,
        )
    return people.take(inside)


def _guess(
    people: VideoPeople, name: str, size: tuple[int, int]
) -> tuple[int, int]:
    """The video's size, unless the boxes say that theirs is another one.

    Raises:
        ValueError: They do.
    """
    low, high = people.bboxes[:, :2], people.bboxes[:, 2:]
    if (high - low).max() <= 1:
        raise ValueError(
            f'{people.source}: all boxes are smaller than a pixel, so they '
            'are fractions of a picture; multiply them by its width and '
            f'height ({size[0]} and {size[1]} for {name})'
        )
    middle = (low + high) / 2
    outside = ((middle < 0) | (middle > size)).any(axis=1)
    if outside.mean() > _MAX_OUTSIDE:
        right, bottom = high.max(axis=0)
        raise ValueError(
            f'{people.source} is of another video, or of another '
            f'resolution: {outside.sum()} of {len(outside)} boxes are '
            f'outside of the {size[0]}x{size[1]} pixels of {name}, up to '
            f'x {right:.0f} and y {bottom:.0f}; scale them, or tell the '
            'size of their picture as "meta_info": {"video": {"width": '
            '..., "height": ...}}'
        )
    return size


def best_rows(
    boxes: np.ndarray,
    bbox_thr: float | None,
    nms_thr: float | None,
    where: str,
) -> np.ndarray:
    """Boxes of a frame that are taken.

    Args:
        boxes: (N, 5), x1 y1 x2 y2 score.
        bbox_thr: Lowest score. None: any.
        nms_thr: Of two boxes that overlap more, the better one stays. None:
            both do.
        where: Beginning of the error message.

    Returns:
        np.ndarray: Numbers of rows, rising.

    Raises:
        ValueError: More than :data:`MAX_BOXES` are left.
    """
    rows = np.arange(len(boxes))
    if bbox_thr is not None:
        rows = rows[boxes[:, 4] > bbox_thr]
    if nms_thr is not None:
        rows = rows[np.sort(np.array(nms(boxes[rows], nms_thr), int))]
    if len(rows) > MAX_BOXES:
        raise ValueError(
            f'{where}: {len(rows)} boxes are too many, at most {MAX_BOXES} '
            'of a frame are taken; give bbox_thr and nms_thr (--bbox-thr, '
            '--nms-thr), or fewer boxes'
        )
    return rows


class GivenBoxes:
    """Boxes that are given with a video, frame by frame.

    Args:
        boxes: A list with an entry for every frame, a mapping by frame
            number, a function of (image, frame number), or people, as
            :func:`load_boxes_of` reads them.
        bbox_thr: See :func:`best_rows`.
        nms_thr: See there.

    Attributes:
        with_ids: Whether the people come with ids, which are kept.

    Raises:
        ValueError: A threshold of scores that are not known, too many boxes,
            or an id twice in a frame.
    """

    def __init__(
        self,
        boxes: Any,
        bbox_thr: float | None = None,
        nms_thr: float | None = None,
    ) -> None:
        self.boxes = boxes
        self.limits = bbox_thr, nms_thr
        self.with_ids = False
        if isinstance(boxes, VideoPeople):
            people = self._chosen(boxes)
            self.with_ids = len(people) > 0 and has_ids(people)
            self.boxes = people.boxes_by_frame()
            self.ids = {
                frame: people.at(frame).track_ids for frame in self.boxes
            }
            # Done above, for all frames.
            self.limits = None, None

    def _chosen(self, people: VideoPeople) -> VideoPeople:
        scores = people.bbox_scores
        if self.limits[0] is not None and len(people):
            if scores is None or np.isnan(scores).all():
                raise ValueError(
                    f'{people.source} has no scores, of which bbox_thr '
                    '(--bbox-thr) is the lowest; leave that out'
                )
        rows, start = [np.zeros(0, int)], 0
        for frame, boxes in people.boxes_by_frame().items():
            where = f'{people.source}, frame {frame}'
            rows.append(start + best_rows(boxes, *self.limits, where))
            start += len(boxes)
        people = people.take(np.concatenate(rows))
        twice = people.twice()
        if twice is not None and has_ids(people):
            raise ValueError(
                f'{people.source}, frame {twice[0]}: two boxes have the id '
                f'{twice[1]}; number the people, or have them tracked '
                '(--tracker motion)'
            )
        return people

    def at(
        self, image: np.ndarray, index: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 5) and ids (N,) of a frame.

        Raises:
            ValueError: What is given is none.
        """
        where = f'bboxes of frame {index}'
        if callable(self.boxes):
            boxes = self.boxes(image, index)
        elif isinstance(self.boxes, Mapping):
            boxes = self.boxes.get(index, ())
        elif index < len(self.boxes):
            boxes = self.boxes[index]
        else:
            raise ValueError(
                f'VideoPoseInferencer: bboxes are given for {len(self.boxes)} '
                'frames, but the video has more'
            )
        boxes = check_boxes(boxes, where)
        if self.with_ids:
            return boxes, self.ids.get(index, np.zeros(0, int))
        boxes = boxes[best_rows(boxes, *self.limits, where)]
        return boxes, np.zeros(0, int)


def has_ids(people: VideoPeople) -> bool:
    """Whether everybody has an id."""
    return bool((people.track_ids >= 0).all())
