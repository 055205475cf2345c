# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import numpy as np
from mmpose.registry import TASK_UTILS
from scipy.optimize import linear_sum_assignment

from .base_tracker import BaseTracker


def assign_with_limit(
    costs: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """What ``lap.lapjv(costs, extend_cost=True, cost_limit=limit)`` gives.

    A pair costs its entry, two unmatched sides cost ``limit`` together.

    Args:
        costs: (N, M).
        limit: Of a pair.

    Returns:
        tuple: For the N rows the column, for the M columns the row; -1 where
        unmatched.
    """
    rows, columns = costs.shape
    extended = np.full((rows + columns, rows + columns), limit / 2)
    extended[:rows, :columns] = costs
    extended[rows:, columns:] = 0
    row_match, column_match = np.full(rows, -1), np.full(columns, -1)
    for row, column in zip(*linear_sum_assignment(extended)):
        if row < rows and column < columns:
            row_match[row], column_match[column] = column, row
    return row_match, column_match


def _make_mmdet_tracker(**options: Any) -> Any:
    """MMDetection's ByteTracker, with scipy in the place of ``lap``."""
    try:
        import torch
        from mmdet.models.task_modules.tracking import KalmanFilter
        from mmdet.models.trackers import base_tracker, byte_tracker
        from mmdet.structures.bbox import bbox_cxcyah_to_xyxy, bbox_overlaps
    except ImportError as error:
        raise ImportError(
            'ByteTracker needs MMDetection 3 (pip install '
            f'mmdet), which gives: {error}'
        ) from None

    class ScipyByteTracker(byte_tracker.ByteTracker):
        def __init__(self, num_frames_retain: int, **kwargs: Any) -> None:
            # Past the parent, which refuses to be built without lap.
            base_tracker.BaseTracker.__init__(
                self, num_frames_retain=num_frames_retain
            )
            for key, value in kwargs.items():
                setattr(self, key, value)
            self.motion = KalmanFilter()

        def assign_ids(
            self,
            ids: Any,
            det_bboxes: Any,
            det_labels: Any,
            det_scores: Any,
            weight_iou_with_det_scores: Any = False,
            match_iou_thr: Any = 0.5,
        ) -> tuple[np.ndarray, np.ndarray]:
            # One class only, so that the parent's check of labels falls off.
            if not len(ids) or not len(det_bboxes):
                return np.full(len(ids), -1), np.full(len(det_bboxes), -1)
            means = np.stack([self.tracks[key].mean[:4] for key in ids])
            expected = bbox_cxcyah_to_xyxy(
                torch.from_numpy(means).to(det_bboxes)
            )
            ious = bbox_overlaps(expected, det_bboxes)
            if weight_iou_with_det_scores:
                ious = ious * det_scores
            return assign_with_limit((1 - ious).numpy(), 1 - match_iou_thr)

        def update_track(self, id: Any, obj: Any) -> None:
            super().update_track(id, obj)
            # Only the last entries are looked at; the lists would grow.
            for key in self.memo_items:
                del self.tracks[id][key][: -max(2, self.num_tentatives)]

    return ScipyByteTracker(**options)


@TASK_UTILS.register_module()
class ByteTracker(BaseTracker):
    """ByteTrack by MMDetection (`paper <https://arxiv.org/abs/2110.06864>`_).

    Boxes with a high score are matched first, then those with a low score
    with the people who are left; motion comes from a Kalman filter.
    :class:`mmdet.models.ByteTracker` asks for the package ``lap``; the same
    assignment is done with scipy here.

    Boxes must not be cut off above ``low_score`` before, so that this is the
    inferencer's ``bbox_thr`` unless another one is given.

    Args:
        high_score (float): Boxes above it take part in the first matching,
            and begin a new person where they match nobody. Defaults to 0.6.
        low_score (float): The others above it take part in the second
            matching. Defaults to 0.1.
        new_score (float): Above which a box begins a new person in a frame
            where nobody is known. Defaults to 0.7.
        match_iou_thrs (tuple): Lowest overlap of the first matching (times
            the score of the box), the second, and of people seen less than
            ``num_tentatives`` times (times the score). Defaults to
            (0.1, 0.5, 0.3).
        num_tentatives (int): Frames after which a person is confirmed; who is
            not is forgotten in the first frame out of sight. Those of the
            first frame are confirmed at once. Defaults to 3.
        max_lost (int): Frames after which a person who is not seen is
            forgotten. Defaults to 30.

    Raises:
        ImportError: MMDetection is not installed.
        ValueError: An option out of range.
    """

    def __init__(
        self,
        high_score: float = 0.6,
        low_score: float = 0.1,
        new_score: float = 0.7,
        match_iou_thrs: tuple[float, float, float] = (0.1, 0.5, 0.3),
        num_tentatives: int = 3,
        max_lost: int = 30,
    ) -> None:
        if not 0 <= low_score <= high_score <= new_score <= 1:
            raise ValueError(
                f'{self.__class__.__name__}: scores must be 0 <= low_score <= '
                f'high_score <= new_score <= 1, but got {low_score}, '
                f'{high_score}, {new_score}'
            )
        if len(match_iou_thrs) != 3 or not all(
            0 <= thr <= 1 for thr in match_iou_thrs
        ):
            raise ValueError(
                f'{self.__class__.__name__}: match_iou_thrs must be three '
                f'numbers from 0 to 1, but got {match_iou_thrs}'
            )
        if num_tentatives < 1 or max_lost < 0:
            raise ValueError(
                f'{self.__class__.__name__}: num_tentatives must be at least '
                f'1 and max_lost at least 0, but got {num_tentatives} and '
                f'{max_lost}'
            )
        self.lowest_score = low_score
        self._options = dict(
            num_frames_retain=max_lost + 1,
            obj_score_thrs=dict(high=high_score, low=low_score),
            init_track_thr=new_score,
            weight_iou_with_det_scores=True,
            match_iou_thrs=dict(
                zip(('high', 'low', 'tentative'), match_iou_thrs)
            ),
            num_tentatives=num_tentatives,
        )
        self.reset()

    def reset(self) -> None:
        self._tracker = _make_mmdet_tracker(**self._options)
        self._frame = -1

    @property
    def person_ids(self) -> list[int]:
        return [int(key) for key in self._tracker.tracks]

    def update(
        self,
        bboxes: np.ndarray,
        scores: np.ndarray,
        keypoints: np.ndarray | None = None,
    ) -> np.ndarray:
        import torch
        from mmdet.structures import DetDataSample
        from mmengine.structures import InstanceData

        bboxes, scores = self._checked(bboxes, scores)
        self._frame += 1
        sample = DetDataSample(metainfo=dict(frame_id=self._frame))
        sample.pred_instances = InstanceData(
            bboxes=torch.from_numpy(bboxes).float(),
            scores=torch.from_numpy(scores).float(),
            labels=torch.zeros(len(bboxes), dtype=torch.long),
        )
        found = self._tracker.track(data_sample=sample)
        ids = np.full(len(bboxes), -1)
        wanted = sample.pred_instances
        for box, score, key in zip(
            found.bboxes, found.scores, found.instances_id
        ):
            # The tracker gives boxes back in another order.
            same = (
                (wanted.bboxes == box).all(dim=1) & (wanted.scores == score)
            ).numpy()
            ids[np.flatnonzero(same & (ids < 0))[0]] = int(key)
        return ids
