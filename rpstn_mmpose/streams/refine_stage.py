# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Callable

import numpy as np
import torch
from mmengine.dataset import pseudo_collate

from .stages import Stage, VideoFrame


class RefineStage(Stage):
    """Poses of another model made better, frame by frame and person by person.

    Ids, boxes and scores stay what they are.

    Args:
        model (nn.Module): A refiner, in evaluation mode.
        pipeline (Callable): Test pipeline of its data set. It takes a dict
            with ``img``, ``bbox`` (1, 4), ``bbox_score`` (1,),
            ``input_keypoints`` (1, K, 3) (x and y in pixels, NaN where
            unknown, and the score) and what is in ``metainfo``.
        metainfo (dict): Of the joints.
    """

    def __init__(self, model: Any, pipeline: Callable, metainfo: dict) -> None:
        self.model, self.pipeline = model, pipeline
        self.metainfo = metainfo

    @torch.no_grad()
    def push(self, item: VideoFrame) -> list[VideoFrame]:
        """See :class:`Stage`."""
        people = item.sample.pred_instances
        if len(people):
            samples = self.model.test_step(
                pseudo_collate(
                    [self._packed(item, row) for row in range(len(people))]
                )
            )
            people.keypoints = np.concatenate(
                [sample.pred_instances.keypoints for sample in samples]
            ).astype(people.keypoints.dtype)
        return [item]

    def _packed(self, item: VideoFrame, row: int) -> dict:
        people = item.sample.pred_instances
        pose = np.column_stack(
            [people.keypoints[row], people.keypoint_scores[row]]
        )
        return self.pipeline(
            dict(
                self.metainfo,
                img=item.image,
                img_path=item.path or f'{item.index:06d}.jpg',
                bbox=people.bboxes[row : row + 1],
                bbox_score=people.bbox_scores[row : row + 1],
                input_keypoints=pose[None],
            )
        )
