# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Where people are in a frame: detected, given, or everywhere."""

from __future__ import annotations

import os
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence, Union

import numpy as np
from mmengine.config import Config

from ..streams.stages import VideoFrame
from ..structures import VideoPeople
from .given_boxes import GivenBoxes, fit_boxes, load_boxes_of
from .options import refuse
from .person_detector import PersonDetector
from .video_io import Frame, FrameSource

WHOLE_IMAGE = ('whole_image', 'whole-image')
BBOX_THR = 0.3
NMS_THR = 0.3

BoxesType = Union[
    str,
    os.PathLike,
    VideoPeople,
    Sequence,
    Mapping,
    Callable[[np.ndarray, int], Any],
]


class FrameReader:
    """Frames of a source with the boxes of their people.

    Args:
        source: The video.
        boxes: Given ones.
        detector: Finds them where none are given. Without one the whole
            frame is a box.
        limits: ``bbox_thr`` and ``nms_thr`` of the detector.
        batch_size: Frames that the detector takes at once.
        max_frames: Stop after so many.

    Attributes:
        with_ids: Whether the people of the frames have ids.
    """

    def __init__(
        self,
        source: Iterable[Frame],
        boxes: GivenBoxes | None,
        detector: PersonDetector | None,
        limits: Mapping[str, float],
        batch_size: int = 1,
        max_frames: int | None = None,
    ) -> None:
        self.source, self.boxes, self.detector = source, boxes, detector
        self.limits, self.batch_size = limits, batch_size
        self.max_frames = max_frames
        self.with_ids = boxes is not None and boxes.with_ids

    def __iter__(self) -> Iterator[VideoFrame]:
        frames = iter(self.source)
        left = self.max_frames
        error: Exception | None = None
        done = False
        try:
            while not done:
                chunk: list[Frame] = []
                try:
                    while len(chunk) < self.batch_size and left != 0:
                        chunk.append(next(frames))
                        left = None if left is None else left - 1
                    done = left == 0
                except StopIteration:
                    done = True
                except (OSError, ValueError) as reason:
                    # First what was read before.
                    error, done = reason, True
                for frame, (found, ids) in zip(chunk, self._boxes(chunk)):
                    yield VideoFrame(
                        image=frame.image,
                        index=frame.index,
                        damaged=frame.damaged,
                        path=frame.path,
                        time=frame.time,
                        shot=frame.shot,
                        boxes=found,
                        ids=ids,
                    )
        finally:
            frames.close()
        if error is not None:
            raise error

    def _boxes(
        self, chunk: list[Frame]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Boxes (N, 5) and ids of each frame; none of damaged ones."""
        found: Iterator[np.ndarray] = iter(())
        if self.boxes is None and self.detector is not None:
            images = [frame.image for frame in chunk if not frame.damaged]
            if images:
                found = iter(self.detector(images, **self.limits))
        unknown = np.zeros(0, int)
        for frame in chunk:
            if frame.damaged:
                yield np.zeros((0, 5), np.float32), unknown
            elif self.boxes is not None:
                yield self.boxes.at(frame.image, frame.index)
            elif self.detector is None:
                height, width = frame.image.shape[:2]
                yield np.float32([[0, 0, width, height, 1]]), unknown
            else:
                yield next(found), unknown


class BoxSource:
    """Where the boxes of an inferencer come from.

    Args:
        model: Config or name of a detector, ``'whole_image'``, or None:
            boxes are given with each video.
        weights: The detector's checkpoint.
        cat_ids: Classes of the detector.
        bbox_thr: Lowest score of a box, detected or, without a detector,
            given.
        nms_thr: Largest overlap of two boxes.
        default_bbox_thr: Of a detector, where ``bbox_thr`` is None; None:
            0.3.
        device: Of the detector.

    Raises:
        ValueError: An option that would do nothing.
    """

    def __init__(
        self,
        model: str | Config | None,
        weights: str | None = None,
        cat_ids: int | Sequence[int] | None = None,
        bbox_thr: float | None = None,
        nms_thr: float | None = None,
        default_bbox_thr: float | None = None,
        device: str = 'cpu',
    ) -> None:
        self.whole_image = model in WHOLE_IMAGE
        self.detector: PersonDetector | None = None
        self._of_given = (bbox_thr, nms_thr) if model is None else (None, None)
        if self.whole_image:
            refuse(
                'is of boxes that are detected or given, and not of '
                'whole_image; leave it out',
                bbox_thr=bbox_thr,
                nms_thr=nms_thr,
            )
        if model is None or self.whole_image:
            refuse(
                'is of a detector; give det_model, or leave it out',
                det_weights=weights,
                det_cat_ids=cat_ids,
            )
        else:
            self.detector = PersonDetector(
                model, weights, cat_ids=cat_ids, device=device
            )
        if bbox_thr is None:
            bbox_thr = default_bbox_thr
        self.bbox_thr = BBOX_THR if bbox_thr is None else bbox_thr
        self.nms_thr = NMS_THR if nms_thr is None else nms_thr

    def check(
        self,
        bboxes: BoxesType | None = None,
        batch_size: int = 1,
        max_frames: int | None = None,
        bbox_thr: float | None = None,
        nms_thr: float | None = None,
    ) -> None:
        """Refuse options of a video that mean nothing.

        Raises:
            ValueError: See above.
        """
        counts = dict(batch_size=batch_size, max_frames=max_frames)
        for name, value in counts.items():
            if value is not None and value < 1:
                raise ValueError(
                    f'VideoPoseInferencer: {name} must be at least 1, but '
                    f'got {value}'
                )
        if bboxes is None and self.detector is None and not self.whole_image:
            raise ValueError(
                'VideoPoseInferencer: give det_model, bboxes, or '
                "det_model='whole_image'"
            )
        if bboxes is None and self.detector is None:
            refuse(
                'is of boxes that are detected or given, and not of '
                'whole_image; leave it out',
                bbox_thr=bbox_thr,
                nms_thr=nms_thr,
            )

    def read(
        self,
        source: FrameSource,
        frames: Iterable[Frame],
        batch_size: int = 1,
        bboxes: BoxesType | None = None,
        max_frames: int | None = None,
        bbox_thr: float | None = None,
        nms_thr: float | None = None,
    ) -> FrameReader:
        """Frames of a video with their boxes; see :class:`FrameReader`."""
        given = None
        if isinstance(bboxes, (str, os.PathLike)):
            bboxes = load_boxes_of(bboxes, source)
        elif isinstance(bboxes, VideoPeople):
            bboxes = fit_boxes(bboxes, source)
        if bboxes is not None:
            given = GivenBoxes(
                bboxes,
                self._of_given[0] if bbox_thr is None else bbox_thr,
                self._of_given[1] if nms_thr is None else nms_thr,
            )
        limits = dict(
            bbox_thr=self.bbox_thr if bbox_thr is None else bbox_thr,
            nms_thr=self.nms_thr if nms_thr is None else nms_thr,
        )
        return FrameReader(
            frames, given, self.detector, limits, batch_size, max_frames
        )
