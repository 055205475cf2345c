# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np
from mmpose.registry import TASK_UTILS
from scipy.optimize import linear_sum_assignment

from ...structures import box_iou
from .base_tracker import BaseTracker


def pose_oks(
    a: np.ndarray, b: np.ndarray, areas: np.ndarray, sigmas: np.ndarray
) -> np.ndarray:
    """COCO's object keypoint similarity of all pairs, over all joints.

    Args:
        a: (N, K, 2), pixels.
        b: (M, K, 2), pixels.
        areas: (N,), of the people ``a``, square pixels.
        sigmas: (K,).

    Returns:
        np.ndarray: (N, M), in 0 to 1.
    """
    squares = ((a[:, None] - b[None]) ** 2).sum(axis=3)
    spread = 2 * np.maximum(areas, 1e-9)[:, None, None] * (2 * sigmas) ** 2
    return np.exp(-squares / spread).mean(axis=2)


@dataclass
class _Track:
    """A person; the box moves on with each frame, seen or not.

    Attributes:
        box: (4,) centre and size where the person is expected.
        seen_box: (4,) where the person was seen last.
        velocity: (2,) of the centre, pixels a frame.
        keypoints: (K, 2), moved along with the box.
        lost: Frames since the person was seen.
        age: Frames in which the person was seen.
    """

    box: np.ndarray
    seen_box: np.ndarray
    velocity: np.ndarray
    keypoints: np.ndarray | None = None
    lost: int = 0
    age: int = 1


@TASK_UTILS.register_module()
class MotionTracker(BaseTracker):
    """Matches boxes with where people should be by now.

    Everybody is expected to move on with constant velocity. All boxes and
    all people are matched at once (Hungarian method) by the overlap of the
    boxes, with ``oks_weight`` also by the similarity of the poses. Who is
    left over is matched by the distance to the expected or the last seen
    place: people who come back, and fast ones at a low frame rate. Boxes
    that are still left over are new people.

    Args:
        iou_thr (float): Similarity above which there is a match, in [0, 1).
            Defaults to 0.2.
        return_distance (float): Largest distance of the second matching, in
            units of the root of the boxes' area (the geometric mean of both);
            widths and heights may differ by a factor of 2. 0: no second
            matching. Defaults to 0.8.
        max_lost (int): Frames after which a person who is not seen is
            forgotten. Defaults to 30.
        velocity_momentum (float): Part of the old velocity in the new one,
            in [0, 1). Defaults to 0.5.
        oks_weight (float): Part of the pose similarity, 0 to 1. Above 0 the
            poses must be known before the ids, which is so for image models
            only. Defaults to 0.
        sigmas (Sequence[float], optional): COCO's per-joint constants, for
            ``oks_weight``. Defaults to ``None``: those of the pose model's
            metainfo, in :class:`VideoPoseInferencer`, else 0.08.

    Raises:
        ValueError: An option out of range, or ``sigmas`` that are not used.
    """

    def __init__(
        self,
        iou_thr: float = 0.2,
        return_distance: float = 0.8,
        max_lost: int = 30,
        velocity_momentum: float = 0.5,
        oks_weight: float = 0.0,
        sigmas: Sequence[float] | None = None,
    ) -> None:
        name = self.__class__.__name__
        for key, value, low, high in (
            ('iou_thr', iou_thr, 0, 1),
            ('return_distance', return_distance, 0, np.inf),
            ('max_lost', max_lost, 0, np.inf),
            ('velocity_momentum', velocity_momentum, 0, 1),
            ('oks_weight', oks_weight, 0, 1),
        ):
            if not low <= value <= high:
                raise ValueError(
                    f'{name}: {key} must lie in {low} to {high}, '
                    f'but got {value}'
                )
        if iou_thr == 1 or velocity_momentum == 1:
            raise ValueError(
                f'{name}: iou_thr and velocity_momentum must be '
                'below 1, at which no box matches and no '
                f'velocity is learnt, but got {iou_thr} and '
                f'{velocity_momentum}'
            )
        if sigmas is not None and oks_weight == 0:
            raise ValueError(
                f'{name}: sigmas do nothing with oks_weight=0; '
                'set a weight, or leave them out'
            )
        self.iou_thr = iou_thr
        self.return_distance = return_distance
        self.max_lost = max_lost
        self.velocity_momentum = velocity_momentum
        self.oks_weight = oks_weight
        self.sigmas = None if sigmas is None else np.asarray(sigmas)
        self.uses_keypoints = oks_weight > 0
        self.reset()

    def reset(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._next_id = 0

    @property
    def person_ids(self) -> list[int]:
        return list(self._tracks)

    def update(
        self,
        bboxes: np.ndarray,
        scores: np.ndarray,
        keypoints: np.ndarray | None = None,
    ) -> np.ndarray:
        bboxes, _ = self._checked(bboxes, scores)
        if self.uses_keypoints and keypoints is None:
            raise ValueError(
                f'{self.__class__.__name__}: oks_weight '
                f'{self.oks_weight} needs the keypoints of the '
                'frame'
            )
        if keypoints is not None:
            keypoints = np.asarray(keypoints, dtype=np.float64)
        self._move_on()
        ids = np.full(len(bboxes), -1)
        boxes = np.concatenate(
            [
                (bboxes[:, :2] + bboxes[:, 2:]) / 2,
                bboxes[:, 2:] - bboxes[:, :2],
            ],
            axis=1,
        )
        known = list(self._tracks)
        self._match(
            ids,
            known,
            self._similarity(known, bboxes, keypoints),
            self.iou_thr,
        )
        if self.return_distance > 0:
            seen = set(ids.tolist())
            known = [key for key in self._tracks if key not in seen]
            self._match(ids, known, self._closeness(known, boxes), 0.0)
        for row, box in enumerate(boxes):
            pose = None if keypoints is None else keypoints[row]
            if ids[row] < 0:
                ids[row] = self._next_id
                self._next_id += 1
                self._tracks[ids[row]] = _Track(box, box, np.zeros(2), pose)
            else:
                self._see(self._tracks[ids[row]], box, pose)
        self._tracks = {
            key: track
            for key, track in self._tracks.items()
            if track.lost <= self.max_lost
        }
        return ids

    def _move_on(self) -> None:
        for track in self._tracks.values():
            track.box = track.box + np.concatenate(
                [track.velocity, np.zeros(2)]
            )
            if track.keypoints is not None:
                track.keypoints = track.keypoints + track.velocity
            track.lost += 1

    def _see(
        self, track: _Track, box: np.ndarray, pose: np.ndarray | None
    ) -> None:
        velocity = (box[:2] - track.seen_box[:2]) / track.lost
        # One step says more than the zero that a track begins with.
        keep = self.velocity_momentum if track.age > 1 else 0.0
        track.velocity = keep * track.velocity + (1 - keep) * velocity
        track.box = track.seen_box = box
        track.keypoints = pose
        track.lost = 0
        track.age += 1

    def _similarity(
        self,
        known: list[int],
        bboxes: np.ndarray,
        keypoints: np.ndarray | None,
    ) -> np.ndarray:
        """(tracks, boxes), at most 1."""
        if not known or not len(bboxes):
            return np.zeros((len(known), len(bboxes)))
        tracks = [self._tracks[key] for key in known]
        centres = np.stack([track.box for track in tracks])
        expected = np.concatenate(
            [
                centres[:, :2] - centres[:, 2:] / 2,
                centres[:, :2] + centres[:, 2:] / 2,
            ],
            axis=1,
        )
        similarity = box_iou(expected, bboxes)
        if self.oks_weight > 0:
            sigmas = self.sigmas
            if sigmas is None:
                sigmas = np.full(keypoints.shape[1], 0.08)
            oks = pose_oks(
                np.stack([track.keypoints for track in tracks]),
                keypoints,
                centres[:, 2:].prod(axis=1),
                sigmas,
            )
            similarity += self.oks_weight * (oks - similarity)
        return similarity

    def _closeness(self, known: list[int], boxes: np.ndarray) -> np.ndarray:
        """(tracks, boxes): 1 at the same place, 0 where out of reach."""
        result = np.zeros((len(known), len(boxes)))
        for row, key in enumerate(known):
            track = self._tracks[key]
            distance = np.minimum(
                *(
                    np.hypot(*(boxes[:, :2] - box[:2]).T)
                    for box in (track.box, track.seen_box)
                )
            )
            sides = (
                np.sqrt(
                    np.maximum(boxes[:, 2:].prod(axis=1), 1e-9)
                    * max(track.box[2:].prod(), 1e-9)
                )
                ** 0.5
            )
            close = 1 - distance / (self.return_distance * sides)
            ratio = np.maximum(boxes[:, 2:], 1e-9) / track.box[2:]
            same_size = ((ratio < 2) & (ratio > 0.5)).all(axis=1)
            result[row] = np.where(same_size, np.clip(close, 0, 1), 0)
        return result

    def _match(
        self,
        ids: np.ndarray,
        known: list[int],
        similarity: np.ndarray,
        thr: float,
    ) -> None:
        """Write into ``ids`` who the boxes without an id are."""
        free = np.flatnonzero(ids < 0)
        similarity = similarity[:, free]
        # Pairs out of reach must not win by pushing others together.
        value = np.where(similarity > thr, similarity, 0.0)
        for track, column in zip(*linear_sum_assignment(-value)):
            if similarity[track, column] > thr:
                ids[free[column]] = known[track]
