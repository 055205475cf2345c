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
        M''_t = (1 - G) M'_t + G M''_{t-1}, \quad
        G = \frac{w p_{t-1}^c}{w p_{t-1}^c + (1 - w) p_t^c}

    with :math:`p_t` and :math:`p_{t-1}` the peaks of the two heatmaps of a
    joint. With c = 0 the gate G is w, a plain running mean; with c > 0 a frame
    that is sure of a joint counts for more than one that is not.

    It has no weights, so that it can be switched on for any trained video
    model, with or without a temporal neck, and it is what
    :class:`GatedHeatmapMemory` has to beat.

    Args:
        weight (float): w, in [0, 1). What is hidden now and was seen n frames
            ago counts with about :math:`w^n`; what moves is smeared.
            Defaults to 0.5.
        confidence (float): c, not negative. Defaults to 0.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If ``weight`` is not in [0, 1), ``confidence`` is
            negative, or ``weight`` is 0 with a confidence, which then does
            nothing.
    """

    def __init__(
        self,
        weight: float = 0.5,
        confidence: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        name = self.__class__.__name__
        if not 0 <= weight < 1:
            raise ValueError(
                f'{name}: weight must lie in [0, 1), but got {weight}'
            )
        if not 0 <= confidence < float('inf'):
            raise ValueError(
                f'{name}: confidence must not be negative, but '
                f'got {confidence}'
            )
        if weight == 0 and confidence > 0:
            raise ValueError(
                f'{name}: confidence={confidence} does nothing '
                'with weight=0; set a weight, or leave it out'
            )
        self.weight = weight
        self.confidence = confidence

    def gates(self, heatmaps: Tensor, prev_heatmaps: Tensor) -> float | Tensor:
        """How much of the frame before is kept.

        Args:
            heatmaps (Tensor): Of frame t, (B, K, h, w).
            prev_heatmaps (Tensor): Of frame t-1, (B, K, h, w).

        Returns:
            Tensor | float: (B, K, 1, 1), between 0 and 1; the weight itself
            with a confidence of 0.
        """
        if self.confidence == 0:
            return self.weight
        now, before = (
            maps.amax(dim=(2, 3), keepdim=True).clamp(min=1e-4)
            for maps in (heatmaps, prev_heatmaps)
        )
        # One ratio instead of two powers, which could underflow together.
        ratio = (now / before) ** self.confidence
        return self.weight / (self.weight + (1 - self.weight) * ratio)

    def forward(self, heatmaps: Tensor, prev_heatmaps: Tensor) -> Tensor:
        """Blend.

        Args:
            heatmaps (Tensor): Of frame t, (B, K, h, w).
            prev_heatmaps (Tensor): What this gave for frame t-1, or the
                first frame's heatmaps, (B, K, h, w).

        Returns:
            Tensor: (B, K, h, w).
        """
        gates = self.gates(heatmaps, prev_heatmaps)
        return heatmaps + gates * (prev_heatmaps - heatmaps)
