# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Heatmaps of three frames to better ones of the frame in the middle."""

from __future__ import annotations

from typing import Sequence

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmpose.models.backbones.rsn import RSB
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...models.pose_estimators.heatmap_window import (
    at_least_float32,
    check_map_size,
)
from ...speed.deform_conv import DeformConv2d


@MODELS.register_module()
class PoseCorrector(BaseModule):
    """Merges the heatmaps of three frames, and corrects what it merged.

    "Deep Dual Consecutive Network for Human Pose Estimation", CVPR 2021,
    https://arxiv.org/abs/2103.07254: the pose temporal merger makes one map a
    joint of the three frames' maps, the pose residual fusion reads how the
    neighbours differ, and the pose correction network makes of both where
    each of the nine taps of a modulated deformable convolution looks in the
    merged maps, and what it weighs, joint by joint; the results of all
    dilations are averaged. The blocks are those of MMPose's RSN, as in the
    published code.

    The nearer neighbour counts for more: of p < 0 < n, the offsets of the
    frames before and after, the former has the weight n / (n - p).

    A new corrector gives next to nothing and is far from the image model's
    heatmaps, which the merger has to learn to pass on, as in the published
    code; ``add_current`` is this package's own. Offsets and sampling stay in
    float32 where the rest computes in 16 bits.

    Args:
        num_joints (int): K.
        residual_channels (int, optional): Channels of the residual fusion.
            ``None``: 2 K.
        inner_channels (int): Channels of what both are fused to.
        num_blocks (Sequence[int]): Blocks of the merger, of the residual
            fusion, and of what fuses both.
        dilations (Sequence[int]): Of the sampling, in heatmap pixels; each
            must be smaller than the maps.
        add_current (bool): Add the wanted frame's own heatmaps to the result,
            so that a new corrector gives next to theirs. Defaults to
            ``False``, as published.

    Raises:
        ValueError: A number below 1, no dilations, or not three
            ``num_blocks``.
    """

    precise_parts = ('offset_layers', 'mask_layers', 'deform_conv_layers')
    compiled_methods = ('merge',)

    def __init__(
        self,
        num_joints: int,
        residual_channels: int | None = None,
        inner_channels: int = 64,
        num_blocks: Sequence[int] = (1, 2, 2),
        dilations: Sequence[int] = (3, 6, 9, 12, 15),
        add_current: bool = False,
    ) -> None:
        super().__init__()
        residual = residual_channels
        if residual is None:
            residual = 2 * num_joints
        numbers = (num_joints, residual, inner_channels)
        if (
            min(*numbers, *num_blocks, *dilations, 1) < 1
            or not dilations
            or len(num_blocks) != 3
        ):
            raise ValueError(
                f'{type(self).__name__}: num_joints, residual_channels, '
                'inner_channels, three num_blocks and dilations must be at '
                f'least 1, but got {numbers}, {tuple(num_blocks)} and '
                f'{tuple(dilations)}'
            )
        self.num_joints = num_joints
        self.dilations = tuple(dilations)
        self.add_current = add_current
        self.merger = residual_steps(3 * num_joints, num_joints, num_blocks[0])
        self.residual_fusion = residual_steps(
            4 * num_joints, residual, num_blocks[1]
        )
        self.fusion = residual_steps(
            residual + num_joints, inner_channels, num_blocks[2]
        )
        # y and x of each of the nine taps, for each joint; and its weight
        self.offset_layers = self._layers(inner_channels, 2 * 9 * num_joints)
        self.mask_layers = self._layers(inner_channels, 9 * num_joints)
        self.deform_conv_layers = nn.ModuleList(
            DeformConv2d(
                num_joints, num_joints, 3, padding=dilation, dilation=dilation
            )
            for dilation in self.dilations
        )

    def _layers(self, in_channels: int, out_channels: int) -> nn.ModuleList:
        """A 3 x 3 convolution for each dilation."""
        return nn.ModuleList(
            nn.Conv2d(
                in_channels,
                out_channels,
                3,
                padding=dilation,
                dilation=dilation,
                bias=False,
            )
            for dilation in self.dilations
        )

    def init_weights(self) -> None:
        """Small random convolutions, and taps that copy each joint."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.001)
        for layer in self.deform_conv_layers:
            nn.init.dirac_(layer.get_parameter('weight'))
            nn.init.zeros_(layer.get_parameter('bias'))

    def merge(
        self,
        previous: Tensor,
        current: Tensor,
        following: Tensor,
        nearness: float,
    ) -> tuple[Tensor, Tensor]:
        """What is corrected, and what tells how.

        Args:
            previous, current, following (Tensor): (B, K, h, w).
            nearness (float): Weight of the frame before, from 0 to 1; that
                of the one after is the rest.

        Returns:
            tuple[Tensor, Tensor]: Merged maps (B, K, h, w), and features
            (B, inner_channels, h, w).
        """
        from_previous, from_following = current - previous, current - following
        residuals = by_joint(
            from_previous,
            from_previous * nearness,
            from_following,
            from_following * (1 - nearness),
        )
        merged = self.merger(
            by_joint(current, previous * nearness, following * (1 - nearness))
        )
        feats = torch.cat([self.residual_fusion(residuals), merged], dim=1)
        return merged, self.fusion(feats)

    def forward(
        self,
        previous: Tensor,
        current: Tensor,
        following: Tensor,
        nearness: float,
    ) -> Tensor:
        """Correct heatmaps.

        Args:
            previous, current, following (Tensor): (B, K, h, w).
            nearness (float): See :meth:`merge`.

        Returns:
            Tensor: (B, K, h, w), float32, of the current frame.

        Raises:
            ValueError: Maps of another number of joints, or not larger than
                the dilations.
        """
        check_map_size(self, current)
        merged, feats = self.merge(previous, current, following, nearness)
        with torch.autocast(feats.device.type, enabled=False):
            merged, feats = at_least_float32(merged), at_least_float32(feats)
            total = torch.zeros_like(merged)
            start = at_least_float32(current) if self.add_current else 0
            for offsets, masks, sample in zip(
                self.offset_layers, self.mask_layers, self.deform_conv_layers
            ):
                total = total + sample(merged, offsets(feats), masks(feats))
            return start + total / len(self.dilations)


def residual_steps(
    in_channels: int, out_channels: int, num_blocks: int
) -> nn.Sequential:
    """A chain of RSN's blocks, of which the first changes the channels.

    Raises:
        ValueError: A block of two channels or fewer, in which its branches
            would have none.
    """
    channels = (in_channels, *[out_channels] * (num_blocks - 1))
    if min(channels) < 3:
        raise ValueError(
            f'PoseCorrector: a block of {min(channels)} channels has none in '
            'its branches; give it 3 or more, or a single block'
        )
    shortcut = ConvModule(
        in_channels, out_channels, 1, norm_cfg=dict(type='BN'), act_cfg=None
    )
    return nn.Sequential(
        RSB(in_channels, out_channels, downsample=shortcut),
        *(RSB(out_channels, out_channels) for _ in range(num_blocks - 1)),
    )


def by_joint(*maps: Tensor) -> Tensor:
    """N tensors (B, K, h, w) to (B, K N, h, w), a joint's maps together."""
    return torch.stack(maps, dim=2).flatten(1, 2)
