# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Sequence

from mmpose.registry import MODELS
from torch import Tensor

from ...models import HeatmapWindowEstimator


@MODELS.register_module()
class DCPose(HeatmapWindowEstimator):
    """Heatmaps of a frame, corrected by those of the frames on both sides.

    "Deep Dual Consecutive Network for Human Pose Estimation", CVPR 2021,
    https://arxiv.org/abs/2103.07254. What is trained here is the corrector,
    on the labelled frames' own loss. The published code has
    ``train_cfg=dict(image_norm_eval=False)``.

    Args:
        corrector (dict): A :class:`PoseCorrector`.
        clip_offsets (Sequence[int]): Where the frame before, the wanted one
            and the one after lie. Where a video has none, its end is repeated
            and counts as if it were there, as in the published code.
        kwargs: See
            :class:`~rpstn_mmpose.models.HeatmapWindowEstimator`.

    Raises:
        ValueError: Offsets that are not one below 0, 0, and one above.
    """

    compiled_parts = ('backbone', 'neck', 'head', 'corrector')

    def __init__(
        self,
        *args: Any,
        corrector: dict,
        clip_offsets: Sequence[int] = (-1, 0, 1),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, clip_offsets=clip_offsets, **kwargs)
        if len(self.clip_offsets) != 3 or not (self.before and self.after):
            raise ValueError(
                f'{type(self).__name__} takes one frame before the wanted one '
                'and one after it, such as clip_offsets=(-1, 0, 1), but got '
                f'{self.clip_offsets}'
            )
        self.corrector: Any = MODELS.build(corrector)

    def combine(
        self, feats: tuple[Tensor, ...], offsets: Sequence[int]
    ) -> tuple[Tensor, ...]:
        """Corrected heatmaps of the wanted frame.

        Args:
            feats (tuple[Tensor]): Heatmaps (B, 3, K, h, w).
            offsets (Sequence[int]): Three offsets from the wanted frame.

        Returns:
            tuple[Tensor]: Heatmaps (B, K, h, w), float32.
        """
        before, after = min(offsets), max(offsets)
        previous, current, following = (
            feats[0][:, list(offsets).index(offset)]
            for offset in (before, 0, after)
        )
        nearness = after / (after - before)
        return (self.corrector(previous, current, following, nearness),)
