# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import torch
from mmpose.registry import MODELS
from mmpose.utils.typing import SampleList
from torch import Tensor

from ...models import HeatmapWindowEstimator
from ...models.pose_estimators.clip_pose_estimator import stock_samples
from ...models.pose_estimators.crops import crops_of
from ...structures import wanted_frames

OFFSETS = (-2, -1, 0, 1, 2)
WEIGHTS = (0.1, 0.25, 0.3, 0.25, 0.1)


@MODELS.register_module()
class PoseWarper(HeatmapWindowEstimator):
    """Heatmaps of the frames around, warped to the wanted one and summed.

    "Learning Temporal Pose Estimation from Sparsely-Labeled Videos",
    NeurIPS 2019, https://arxiv.org/abs/1906.04016. What is trained here is the
    warper, on pairs of a labelled frame and another one near it, whose
    heatmaps are warped to the labelled one's. The published code has
    ``train_cfg=dict(image_norm_eval=False)``.

    Args:
        warper (dict): A :class:`HeatmapWarper`.
        clip_offsets (Sequence[int]): Where the frames of a clip lie.
        frame_weights (Sequence[float]): Weight of each of them in the sum.
        kwargs: See
            :class:`~rpstn_mmpose.models.HeatmapWindowEstimator`.

    Raises:
        ValueError: Another number of weights than of offsets.
    """

    compiled_parts = ('backbone', 'neck', 'head', 'warper')

    def __init__(
        self,
        *args: Any,
        warper: dict,
        clip_offsets: Sequence[int] = OFFSETS,
        frame_weights: Sequence[float] = WEIGHTS,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, clip_offsets=clip_offsets, **kwargs)
        self.frame_weights = tuple(frame_weights)
        if len(self.frame_weights) != len(self.clip_offsets):
            raise ValueError(
                f'{type(self).__name__}: {len(self.frame_weights)} '
                f'frame_weights for {len(self.clip_offsets)} clip_offsets; '
                'give one for each'
            )
        self.warper: Any = MODELS.build(warper)

    def combine(
        self, feats: tuple[Tensor, ...], offsets: Sequence[int]
    ) -> tuple[Tensor, ...]:
        """Weighted sum of the frames' heatmaps, warped to the wanted one.

        Args:
            feats (tuple[Tensor]): Heatmaps (B, T, K, h, w).
            offsets (Sequence[int]): T offsets from the wanted frame.

        Returns:
            tuple[Tensor]: Heatmaps (B, K, h, w), float32.
        """
        maps, row = feats[0], list(offsets).index(0)
        weights = maps.new_tensor(self.frame_weights)
        wanted = maps[:, row]
        # The wanted frame is warped, too: where nothing differs, a trained
        # warper has offsets of its own, the same for every picture.
        total = weights[row] * self.warper.warp(
            wanted, self.warper.still_offsets(wanted)
        )
        others = [i for i in range(len(offsets)) if i != row]
        if others:
            around = maps[:, others]
            warped = self.warper(
                (wanted[:, None] - around).flatten(0, 1), around.flatten(0, 1)
            ).unflatten(0, around.shape[:2])
            total = total + torch.einsum(
                't,btkhw->bkhw', weights[others].to(warped), warped
            )
        return (total,)

    def output_rows(self, wanted: np.ndarray) -> np.ndarray:
        """The row at offset 0, or the wanted one of a pair."""
        if len(wanted) == 2:
            return np.flatnonzero(wanted)
        return super().output_rows(wanted)

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """The head's losses, of the near frame's heatmaps warped to those of
        the labelled frame.

        Args:
            inputs (Tensor): (B, 2, 3, H, W).
            data_samples (list[PoseDataSample]): B samples of two rows, of
                which ``frame_mask`` wants one.

        Raises:
            ValueError: Clips of another length, or whose frames are cropped
                by different boxes.
        """
        name = type(self).__name__
        wanted = [self.output_rows(wanted_frames(s)) for s in data_samples]
        if inputs.shape[1] != 2 or any(len(rows) != 1 for rows in wanted):
            raise ValueError(
                f'{name} trains on pairs of a labelled frame and one near it, '
                f'but got clips of {inputs.shape[1]} frames; give the '
                'training data set the window of a near pair'
            )
        crops = crops_of(data_samples)
        if crops is not None and (crops[:, 0] != crops[:, 1]).any():
            raise ValueError(
                f'{name} trains on pairs whose frames are cropped by one box; '
                "write dict(type='ClipBBox', mode='wanted') into the pipeline "
                'of the training data'
            )
        samples = stock_samples(self.answered(data_samples))
        maps = self.extract_feat(inputs)[0]
        rows = torch.as_tensor(np.concatenate(wanted), device=maps.device)
        clips = torch.arange(len(maps), device=maps.device)
        labelled, near = maps[clips, rows], maps[clips, 1 - rows]
        warped = self.warper(labelled - near, near)
        return self.output_head.loss(
            (warped,), samples, train_cfg=self.train_cfg
        )
