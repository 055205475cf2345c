# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import torch
from mmpose.registry import MODELS
from mmpose.utils.typing import SampleList
from torch import Tensor

from ...models import WindowPoseEstimator

OFFSETS = (-1, 0, 1)


@MODELS.register_module()
class DSTA(WindowPoseEstimator):
    """Coordinates from tokens of joints, mixed in time and along the limbs.

    "Video-Based Human Pose Regression via Decoupled Space-Time Aggregation",
    CVPR 2024, https://arxiv.org/abs/2403.19926. There are no heatmaps:
    ``backbone`` is any of MMPose, ``neck`` a
    :class:`~rpstn_mmpose.systems.dsta.JointTokenNeck` and ``head`` a
    :class:`~rpstn_mmpose.systems.dsta.JointTokenHead`. What a stream keeps
    of a frame are its tokens.

    Args:
        aggregator (dict): A
            :class:`~rpstn_mmpose.systems.dsta.SpaceTimeAggregation`; it gets
            the offsets.
        clip_offsets (Sequence[int]): Where the T frames of a clip lie.
            ``(0,)`` makes a model of single frames.
        kwargs: See :class:`~rpstn_mmpose.models.WindowPoseEstimator`.
    """

    precise_parts = ('neck', 'aggregator', 'head')
    compiled_parts = ('backbone', 'neck', 'aggregator', 'head')
    image_weights = {'backbone.': ('backbone.',)}

    def __init__(
        self,
        *args: Any,
        aggregator: dict,
        clip_offsets: Sequence[int] = OFFSETS,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, clip_offsets=clip_offsets, **kwargs)
        self.aggregator = MODELS.build(
            dict(aggregator, clip_offsets=self.clip_offsets)
        )

    def combine(
        self, feats: tuple[Tensor, ...], offsets: Sequence[int]
    ) -> tuple[Tensor, ...]:
        """Tokens (B, T, K, C) of the frames to (B, K, C) of the wanted one."""
        return (self.aggregator(feats[-1]),)

    def outputs(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Coordinates and sigmas, (B, K, 4).

        x and y as shares of the crop's sides, and their sigmas in 0 to 1.
        """
        output = super().outputs(feats)
        return torch.cat([output[..., :2], output[..., 2:].sigmoid()], dim=-1)

    def add_pred_to_datasample(
        self, batch_pred_instances: list, fields: Any, samples: SampleList
    ) -> SampleList:
        """Add poses to samples; sigmas become pixels of the image, too."""
        for pred, sample in zip(batch_pred_instances, samples):
            if 'keypoint_sigmas' in pred:
                size = np.asarray(sample.metainfo['input_size'])
                scale = np.asarray(sample.metainfo['input_scale'])
                pred.keypoint_sigmas = pred.keypoint_sigmas / size * scale
        return super().add_pred_to_datasample(
            batch_pred_instances, fields, samples
        )
