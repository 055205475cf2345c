# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Tuple

import torch
from mmcv.cnn import ConvModule
from mmengine.model import constant_init
from mmpose.registry import MODELS
from torch import Tensor, nn

from .jrpsp_neck import BATCH_NORM, JRPSPNeck

REMEMBERED = ('features', 'response')
SMALLEST_PEAK = 1e-3


@MODELS.register_module()
class MemoryJRPSPNeck(JRPSPNeck):
    r"""JRPSP that also sees where the joints were a frame ago. An extension
    of this package, not of the RPSTN paper.

    JRPSP filters the current frame's features with a small kernel. Where a
    joint is hidden, these features say little about it, and no filter of
    them can bring back where it was. This neck adds a residual branch over
    the response and the previous frame's heatmaps:

    .. math::
        R' = R + \mathrm{Conv}_{1 \times 1}(\phi(R \oplus M'_t))

    with :math:`\phi` a few 3x3 conv-norm-ReLU layers. The 1x1 convolution
    starts at zero, so that the neck starts as JRPSP.

    Takes every argument of :class:`JRPSPNeck`, and:

    Args:
        in_channels (int): C, channels of the features.
        num_joints (int): K, the number of heatmaps.
        norm_cfg (dict): Norm of the kernel generator's layers and the
            branch's. Defaults to batch normalization.
        memory_channels (int): Channels inside the branch. Defaults to 64.
        memory_convs (int): Number of its 3x3 convolutions; each lets the
            branch look one pixel of the heatmaps further. Defaults to 2.
        remember (str): What the next step gets as the previous features.
            ``'features'`` (the paper): the current frame's own, so that only
            the heatmaps reach back further than a frame. ``'response'``: the
            response of this neck, so that the features too hold what the
            frames before have shown; the loss of a frame then reaches all
            frames before it through them, whatever the estimator's
            ``state_gradient`` says. Defaults to ``'features'``.
        scale_heatmaps (bool): Divide each previous heatmap by its largest
            absolute value (at least 0.001) before it enters the branch. The
            branch is then told where the joints were, but not the scale of
            the heatmaps, nor how sure the frame before was. ``False`` gives
            it the heatmaps as they are, which the kernel generator gets in
            both cases. Defaults to ``True``.

    Raises:
        ValueError: If ``memory_channels`` or ``memory_convs`` is not
            positive, or ``remember`` is not one of the two.
    """

    def __init__(self,
                 in_channels: int,
                 num_joints: int,
                 *,
                 norm_cfg: dict = BATCH_NORM,
                 memory_channels: int = 64,
                 memory_convs: int = 2,
                 remember: str = 'features',
                 scale_heatmaps: bool = True,
                 **kwargs):
        name = self.__class__.__name__
        for option, value in (('memory_channels', memory_channels),
                              ('memory_convs', memory_convs)):
            if value < 1:
                raise ValueError(f'{name}: {option} must be positive, but '
                                 f'got {value}')
        if remember not in REMEMBERED:
            raise ValueError(f'{name}: remember must be one of {REMEMBERED}, '
                             f'but got {remember!r}')
        super().__init__(
            in_channels=in_channels,
            num_joints=num_joints,
            norm_cfg=norm_cfg,
            **kwargs)
        self.remember = remember
        self.scale_heatmaps = scale_heatmaps
        widths = [in_channels + num_joints] + [memory_channels] * memory_convs
        self.memory = nn.Sequential(
            *(ConvModule(
                before, after, kernel_size=3, padding=1, norm_cfg=norm_cfg)
              for before, after in zip(widths, widths[1:])),
            nn.Conv2d(memory_channels, in_channels, kernel_size=1))

    def init_weights(self) -> None:
        """Initialize; the neck starts as JRPSP."""
        super().init_weights()
        constant_init(self.memory[-1], val=0)

    def recall(self, response: Tensor, prev_heatmaps: Tensor) -> Tensor:
        """What the previous heatmaps add to the response.

        Args:
            response (Tensor): JRPSP's response of frame t+1, (B, C, h, w).
            prev_heatmaps (Tensor): Heatmaps of frame t, (B, K, h, w).

        Returns:
            Tensor: (B, C, h, w).
        """
        if self.scale_heatmaps:
            peaks = prev_heatmaps.abs().amax(dim=(2, 3), keepdim=True)
            prev_heatmaps = prev_heatmaps / peaks.clamp(min=SMALLEST_PEAK)
        return self.memory(torch.cat([response, prev_heatmaps], dim=1))

    def forward(self, prev_feats: Tensor, prev_heatmaps: Tensor,
                feats: Tensor) -> Tuple[Tensor, Tensor]:
        """One step along the clip.

        Args:
            prev_feats (Tensor): What the step before gave to remember,
                (B, C, h, w).
            prev_heatmaps (Tensor): Heatmaps of frame t, (B, K, h, w).
            feats (Tensor): Features of frame t+1, (B, C, h, w).

        Returns:
            tuple[Tensor, Tensor]: The response of frame t+1 and what the
            next step is to remember, both (B, C, h, w).

        Raises:
            ValueError: If the features are not of the size that the neck was
                built for.
        """
        response, feats = super().forward(prev_feats, prev_heatmaps, feats)
        response = response + self.recall(response, prev_heatmaps)
        return response, feats if self.remember == 'features' else response
