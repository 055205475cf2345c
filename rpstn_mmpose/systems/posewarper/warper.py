# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Heatmaps of one frame moved to where the joints are in another."""

from __future__ import annotations

from itertools import chain
from typing import Iterable, Iterator, Sequence

import torch
from mmengine.model import BaseModule
from mmpose.models.backbones.resnet import BasicBlock
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...models.pose_estimators.heatmap_window import (
    at_least_float32,
    check_map_size,
)
from ...speed.deform_conv import DeformConv2d


@MODELS.register_module()
class HeatmapWarper(BaseModule):
    """Warps heatmaps by what the difference of two frames' heatmaps tells.

    "Learning Temporal Pose Estimation from Sparsely-Labeled Videos",
    NeurIPS 2019, https://arxiv.org/abs/1906.04016. A chain of residual blocks
    reads the difference; a convolution a dilation makes of that where each of
    the nine taps of a deformable convolution looks, joint by joint; the
    results of all dilations are averaged. A new warper gives back the
    heatmaps as they are.

    Offsets and sampling stay in float32 where the rest computes in 16 bits:
    bfloat16 knows a place 24 pixels away to an eighth of a pixel only.

    Args:
        num_joints (int): K.
        inner_channels (int): Channels of the residual blocks.
        num_blocks (int): Residual blocks.
        dilations (Sequence[int]): Of the sampling, in heatmap pixels; each
            must be smaller than the maps.
        reduction (str): How the dilations' results are combined: ``'mean'``
            (the published code) or ``'sum'`` (the paper).

    Raises:
        ValueError: A number below 1, no dilations or another reduction.
    """

    precise_parts = ('offset_layers', 'deform_conv_layers')
    compiled_methods = ('difference_features',)

    def __init__(
        self,
        num_joints: int,
        inner_channels: int = 128,
        num_blocks: int = 20,
        dilations: Sequence[int] = (3, 6, 12, 18, 24),
        reduction: str = 'mean',
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if min(num_joints, inner_channels, num_blocks, *dilations, 1) < 1:
            raise ValueError(
                f'{name}: num_joints, inner_channels, num_blocks and '
                f'dilations must be at least 1, but got {num_joints}, '
                f'{inner_channels}, {num_blocks} and {tuple(dilations)}'
            )
        if not dilations or reduction not in ('mean', 'sum'):
            raise ValueError(
                f"{name}: reduction must be 'mean' or 'sum' over at least one "
                f'dilation, but got {reduction!r} and {tuple(dilations)}'
            )
        self.num_joints = num_joints
        self.dilations = tuple(dilations)
        self.reduction = reduction
        self._still: tuple[tuple, list[Tensor]] | None = None
        shortcut = nn.Sequential(
            nn.Conv2d(num_joints, inner_channels, 1, bias=False),
            nn.BatchNorm2d(inner_channels),
        )
        self.offset_feats = nn.Sequential(
            BasicBlock(num_joints, inner_channels, downsample=shortcut),
            *(
                BasicBlock(inner_channels, inner_channels)
                for _ in range(num_blocks - 1)
            ),
        )
        # y and x of each of the nine taps, for each joint
        self.offset_layers = nn.ModuleList(
            nn.Conv2d(
                inner_channels,
                2 * 9 * num_joints,
                3,
                padding=dilation,
                dilation=dilation,
                bias=False,
            )
            for dilation in self.dilations
        )
        self.deform_conv_layers = nn.ModuleList(
            DeformConv2d(
                num_joints,
                num_joints,
                3,
                padding=dilation,
                dilation=dilation,
                bias=False,
            )
            for dilation in self.dilations
        )

    def init_weights(self) -> None:
        """Small random blocks, no offsets, and taps that copy each joint."""
        for layer in self.offset_feats.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.001)
        for layer in self.offset_layers:
            nn.init.zeros_(layer.get_parameter('weight'))
        for layer in self.deform_conv_layers:
            nn.init.dirac_(layer.get_parameter('weight'))

    def difference_features(self, difference: Tensor) -> Tensor:
        """What the residual blocks read, (B, inner_channels, h, w)."""
        return self.offset_feats(difference)

    def offsets(self, difference: Tensor) -> Iterator[Tensor]:
        """Where the taps look, one dilation after the other.

        Args:
            difference (Tensor): (B, K, h, w), heatmaps of the frame that is
                warped to, less those of the frame that is warped.

        Yields:
            Tensor: (B, 18 K, h, w), pixels of the heatmaps: for each joint
            and each tap, row by row, its shift down and to the right.

        Raises:
            ValueError: Maps of another number of joints, or not larger than
                the dilations.
        """
        check_map_size(self, difference)
        feats = self.difference_features(difference)
        with torch.autocast(feats.device.type, enabled=False):
            feats = at_least_float32(feats)
            for layer in self.offset_layers:
                yield layer(feats)

    def still_offsets(self, heatmaps: Tensor) -> list[Tensor]:
        """Offsets where two frames do not differ at all.

        They depend on no picture. In evaluation they are computed once for a
        size of maps, until a weight changes.

        Args:
            heatmaps (Tensor): (B, K, h, w), for size, dtype and device.

        Returns:
            list[Tensor]: (1, 18 K, h, w) for each dilation.
        """
        nothing = torch.zeros_like(heatmaps[:1])
        if self.training or torch.is_grad_enabled():
            return list(self.offsets(nothing))
        weights = chain(self.parameters(), self.buffers())
        key = (
            nothing.shape,
            nothing.dtype,
            nothing.device,
            *((weight.data_ptr(), weight._version) for weight in weights),
        )
        if self._still is None or self._still[0] != key:
            self._still = key, list(self.offsets(nothing))
        return self._still[1]

    def train(self, mode: bool = True) -> HeatmapWarper:
        """Set the mode; averaged weights come in without a trace."""
        self._still = None
        return super().train(mode)

    def warp(self, heatmaps: Tensor, offsets: Iterable[Tensor]) -> Tensor:
        """Sample heatmaps at given offsets.

        Args:
            heatmaps (Tensor): (B, K, h, w).
            offsets (Iterable[Tensor]): See :meth:`offsets`; of one row, they
                are for all B.

        Returns:
            Tensor: (B, K, h, w), float32.
        """
        rows = len(heatmaps)
        with torch.autocast(heatmaps.device.type, enabled=False):
            heatmaps = at_least_float32(heatmaps)
            total = sum(
                layer(heatmaps, offset.expand(rows, -1, -1, -1))
                for layer, offset in zip(self.deform_conv_layers, offsets)
            )
        if self.reduction == 'mean':
            total = total / len(self.dilations)
        return total

    def forward(self, difference: Tensor, heatmaps: Tensor) -> Tensor:
        """Warp heatmaps.

        Args:
            difference (Tensor): (B, K, h, w), see :meth:`offsets`.
            heatmaps (Tensor): (B, K, h, w), to be warped: those of the frame
                or, to carry a label over, those of its label.

        Returns:
            Tensor: (B, K, h, w), float32.
        """
        return self.warp(heatmaps, self.offsets(difference))
