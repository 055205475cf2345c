# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class RecursiveHeatmapMean(BaseModule):
    r"""Blends each frame's heatmaps with those of the frames before, without
    learning anything. Not in the RPSTN paper.

    .. math::
        M''_t = (1 - w) M'_t + w M''_{t-1}

    It has no weights, so that it can be switched on for any trained video
    model, and it is what :class:`GatedHeatmapMemory` has to beat.

    Args:
        weight (float): w, in [0, 1). What is hidden now and was seen n frames
            ago counts with about :math:`w^n`; what moves is smeared.
            Defaults to 0.5.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If ``weight`` is not in [0, 1).
    """

    def __init__(self, weight: float = 0.5, init_cfg: dict = None):
        super().__init__(init_cfg=init_cfg)
        if not 0 <= weight < 1:
            raise ValueError(f'{self.__class__.__name__}: weight must lie in '
                             f'[0, 1), but got {weight}')
        self.weight = weight

    def forward(self, heatmaps: Tensor, prev_heatmaps: Tensor) -> Tensor:
        """Blend.

        Args:
            heatmaps (Tensor): Of frame t, (B, K, h, w).
            prev_heatmaps (Tensor): What this gave for frame t-1, or the
                first frame's heatmaps, (B, K, h, w).

        Returns:
            Tensor: (B, K, h, w).
        """
        return heatmaps + self.weight * (prev_heatmaps - heatmaps)
