# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from collections import OrderedDict
from typing import Any, Callable, Iterable, NamedTuple

import numpy as np
import torch
from mmengine.dataset import pseudo_collate

from ..models.pose_estimators import SequenceLifter
from ..structures.joint_map import JointMap
from .frame_window import FrameWindow, Pending

# People of whom a lifter's memory is kept, those seen last.
REMEMBERED = 1000
# Frames in a row without a person that are bridged in a window.
MAX_GAP = 10


class LiftedPoses(NamedTuple):
    """The 3D poses of a frame, when they are done.

    Attributes:
        frame: Number of the frame since the stream's start, from 0.
        person_ids: N ids.
        keypoints_3d: (N, K, 3), in the units and axes of the lifter.
    """

    frame: int
    person_ids: list[int]
    keypoints_3d: np.ndarray


class LifterStream:
    """A lifter on one frame's 2D poses after the other, for all people.

    A person who is missing in a few frames of the window (:data:`MAX_GAP` in
    a row) moves evenly from where they were to where they will be, with
    scores of 0. Beyond a longer gap, and at the ends of a video, the nearest
    frame that is known counts again.

    Args:
        model (SequenceLifter): In evaluation mode.
        pipeline (Callable): Test pipeline of the lifter's data set. It takes
            a dict with ``keypoints`` T x K x 2 (pixels),
            ``keypoints_visible`` T x K, ``img_shape`` (height, width),
            ``frame_ids`` (which frame each row is of; -1: of none) and what
            is in ``metainfo``, and packs ``inputs`` T x K x C and
            ``data_samples``.
        metainfo (dict, optional): Of the lifter's joints. Defaults to
            ``None``, nothing.
        joint_map (JointMap, optional): Makes the lifter's joints of those
            that are pushed. Defaults to ``None``: they are the lifter's.

    Attributes:
        delay: Frames that have to come in before a frame's poses are done.
    """

    def __init__(
        self,
        model: SequenceLifter,
        pipeline: Callable,
        metainfo: dict | None = None,
        joint_map: JointMap | None = None,
    ) -> None:
        self.model: Any = model
        self.pipeline = pipeline
        self.metainfo = metainfo or {}
        self.joint_map = joint_map
        self.delay: int = model.after
        self.reset()

    def reset(self) -> None:
        """Forget everybody; the next frame is the first of a video."""
        self._frame = -1
        self._window: FrameWindow[tuple[np.ndarray, np.ndarray]] = FrameWindow(
            self.model.before
        )
        self._memories: OrderedDict[int, dict] = OrderedDict()

    def description(self) -> dict[str, Any]:
        """What the numbers of the poses mean, for a file of them."""
        names = self.metainfo.get('keypoint_id2name', {})
        return dict(
            keypoint_names=[names[number] for number in sorted(names)],
            skeleton_links=self.metainfo.get('skeleton_links', []),
            unit='metre',
            origin='the root joint',
            axes='of the camera: x right, y down, z away',
        )

    def push(
        self,
        keypoints: np.ndarray,
        scores: np.ndarray,
        person_ids: Iterable[int],
        img_shape: tuple[int, int],
    ) -> list[LiftedPoses]:
        """Take the next frame's people.

        Args:
            keypoints: (N, K, 2), pixels. A joint that is nowhere (NaN) is put
                into the middle of the person's others, with score 0.
            scores: (N, K).
            person_ids: N different ones.
            img_shape: Height and width of the frame.

        Returns:
            list[LiftedPoses]: The frames that are done by now.
        """
        ids = [int(person_id) for person_id in person_ids]
        self._frame += 1
        keypoints, scores = _known(keypoints, scores, img_shape)
        if self.joint_map is not None and ids:
            keypoints, scores = self.joint_map(keypoints, scores)
        people = dict(zip(ids, zip(keypoints, scores)))
        self._window.put(Pending(self._frame, ids, img_shape), people)
        return self._done(self._frame - self.delay)

    def flush(self) -> list[LiftedPoses]:
        """The frames that are still inside; the video is over."""
        return self._done(self._frame)

    def _done(self, last: int) -> list[LiftedPoses]:
        return [
            LiftedPoses(
                pending.frame, pending.person_ids, self._lifted(pending)
            )
            for pending in self._window.take(last)
        ]

    @torch.no_grad()
    def _lifted(self, pending: Pending) -> np.ndarray:
        if not pending.person_ids:
            return np.zeros((0, 0, 3), np.float32)
        samples = self.model.test_step(
            pseudo_collate(
                [self._packed(pending, key) for key in pending.person_ids]
            )
        )
        return np.concatenate(
            [sample.pred_instances.keypoints for sample in samples]
        )

    def _packed(self, pending: Pending, key: int) -> dict:
        """A person's window."""
        points, scores, frames = self._rows(pending.frame, key)
        packed = self.pipeline(
            dict(
                self.metainfo,
                keypoints=points,
                keypoints_visible=scores,
                img_shape=pending.samples,
                frame_ids=frames.tolist(),
            )
        )
        packed['data_samples'].memory = self._memories.setdefault(key, {})
        self._memories.move_to_end(key)
        if len(self._memories) > REMEMBERED:
            self._memories.popitem(last=False)
        return packed

    def _rows(
        self, frame: int, key: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (T, K, 2), scores (T, K) and frames (T,) around a frame."""
        wanted = np.arange(-self.model.before, self.model.after + 1) + frame
        known = np.array(
            [n for n in wanted if self._window.at(n, key) is not None]
        )
        # The stretch around the frame without a gap that is too long.
        ends = np.flatnonzero(np.diff(known) > MAX_GAP + 1) + 1
        (known,) = [s for s in np.split(known, ends) if frame in s]
        points, scores = (
            np.stack(rows)
            for rows in zip(*(self._window.seen(n, 0, key) for n in known))
        )
        right = np.searchsorted(known, wanted).clip(max=len(known) - 1)
        left = (right - (known[right] > wanted)).clip(min=0)
        share = (wanted - known[left]) / (known[right] - known[left]).clip(1)
        share = share.clip(0, 1)[:, None, None].astype(points.dtype)
        bridged = left != right
        return (
            points[left] * (1 - share) + points[right] * share,
            np.where(bridged[:, None], 0, scores[right]).astype(scores.dtype),
            np.where(bridged, -1, known[right]),
        )


def _known(
    keypoints: np.ndarray, scores: np.ndarray, img_shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints and scores that are all numbers."""
    nowhere = ~(np.isfinite(keypoints).all(axis=-1) & np.isfinite(scores))
    if not nowhere.any():
        return keypoints, scores
    keypoints = np.array(keypoints, dtype=np.float32)
    for person, lost in zip(keypoints, nowhere):
        middle = np.array(img_shape[::-1], np.float32) / 2
        if not lost.all():
            middle = person[~lost].mean(axis=0)
        person[lost] = middle
    return keypoints, np.where(nowhere, 0, scores)
