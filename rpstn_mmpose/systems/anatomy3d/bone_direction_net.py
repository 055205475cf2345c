# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from itertools import accumulate
from operator import mul
from typing import Any, Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from .layers import ConvUnit

# Frames of a long sequence that the second sub-network answers at once.
FRAMES_AT_ONCE = 256


@MODELS.register_module()
class BoneDirectionNet(BaseModule):
    """Features of the directions of bones, from 2D keypoints over time.

    Two sub-networks of temporal convolutions. The first is VideoPose3D's,
    with a second stem for the keypoints' scores. The second one starts from
    the first one's result, repeated over time, and takes the first one's
    features of each level on the way, coarse time last: the long skip
    connections of the paper. Its convolutions are split into the half of its
    own features and that of the first one's; the latter is computed once for
    all frames of a sequence.

    Args:
        num_joints (int): K. Defaults to 17.
        channels (int): C. Defaults to 1024.
        filter_widths (Sequence[int]): Odd taps of the convolutions; their
            product is the window of frames that one output sees. Defaults to
            five times 3, 243 frames.
        causal (bool): Whether the answered frame is the window's last one,
            not its middle. Defaults to ``False``.
        dropout (float): Rate after each ReLU. Defaults to 0.25.
        init_cfg (dict, optional): See ``BaseModule``.

    Attributes:
        before: Frames that a window has in front of the answered one.
        after: Frames behind it.

    Raises:
        ValueError: Fewer than two widths, or an even one.
    """

    def __init__(
        self,
        num_joints: int = 17,
        channels: int = 1024,
        filter_widths: Sequence[int] = (3, 3, 3, 3, 3),
        causal: bool = False,
        dropout: float = 0.25,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        widths = [int(width) for width in filter_widths]
        if len(widths) < 2 or any(w < 1 or w % 2 == 0 for w in widths):
            raise ValueError(
                f'{type(self).__name__}: filter_widths must be two or more '
                f'odd numbers, but got {tuple(filter_widths)}'
            )
        self.widths, self.causal = widths, causal
        self.channels = channels
        self.dilations = list(accumulate(widths, mul))
        self.window = self.dilations.pop()
        self.after = 0 if causal else (self.window - 1) // 2
        self.before = self.window - 1 - self.after

        self.stem = ConvUnit(2 * num_joints, channels, widths[0], dropout)
        self.score_stem = ConvUnit(num_joints, channels, widths[0], dropout)
        self.blocks: Any = nn.ModuleList(
            self._block(2 * channels if i == 0 else channels, width, dropout)
            for i, width in enumerate(widths[1:])
        )
        self.refining_blocks: Any = nn.ModuleList(
            self._block(2 * channels, width, dropout) for width in widths[1:]
        )

    def _block(
        self, in_channels: int, width: int, dropout: float
    ) -> nn.ModuleList:
        return nn.ModuleList(
            [
                ConvUnit(in_channels, self.channels, width, dropout),
                ConvUnit(self.channels, self.channels, 1, dropout),
            ]
        )

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Features of all frames that have a whole window.

        Args:
            inputs (Tensor): (B, L, K, 3), places and score of each joint. A
                sequence of just one window is computed by strides instead of
                dilations, which gives the same numbers with less work.

        Returns:
            tuple[Tensor, Tensor]: Features (B, C, T) of the second and of
            the first sub-network, T = L - window + 1. No gradient goes from
            the second one into the first.

        Raises:
            ValueError: A sequence shorter than the window, or other channels.
        """
        if (
            inputs.dim() != 4
            or inputs.shape[1] < self.window
            or inputs.shape[3] != 3
        ):
            raise ValueError(
                f'{type(self).__name__} takes places and scores (B, L, K, 3) '
                f'of at least {self.window} frames, but got '
                f'{tuple(inputs.shape)}'
            )
        strided = inputs.shape[1] == self.window
        levels, top = self._first(inputs, strided)
        return self._second(
            [level.detach() for level in levels], top.detach(), strided
        ), top

    def _first(
        self, inputs: Tensor, strided: bool
    ) -> tuple[list[Tensor], Tensor]:
        """The levels below the top, and the top."""
        points = inputs[..., :2].flatten(2).transpose(1, 2)
        scores = inputs[..., 2].transpose(1, 2)
        stride = self.widths[0] if strided else 1
        x = self.stem.finish(
            F.conv1d(points, self.stem.conv.weight, stride=stride)
        )
        attention = self.score_stem.finish(
            F.conv1d(scores, self.score_stem.conv.weight, stride=stride)
        )
        mixed = torch.cat([x, attention * x], dim=1)
        levels = []
        for i, (spread, mix) in enumerate(self.blocks):
            levels.append(x)
            width = self.widths[i + 1]
            taps: Any = dict(
                stride=width if strided else 1,
                dilation=1 if strided else self.dilations[i],
            )
            u = F.conv1d(mixed if i == 0 else x, spread.conv.weight, **taps)
            kept = x[:, :, self._kept(i, strided)]
            x = kept[:, :, : u.shape[2]] + mix(spread.finish(u))
        return levels, x

    def _kept(self, block: int, strided: bool) -> slice:
        """Rows of a block's input that its output is added to."""
        width = self.widths[block + 1]
        tap = width - 1 if self.causal else (width - 1) // 2
        if strided:
            return slice(tap, None, width)
        return slice(tap * self.dilations[block], None)

    def _second(
        self, levels: list[Tensor], top: Tensor, strided: bool
    ) -> Tensor:
        shares = [
            self._share(i, level, strided) for i, level in enumerate(levels)
        ]
        frames, parts = top.shape[2], []
        for start in range(0, frames, FRAMES_AT_ONCE):
            # (B, C, columns, frames); one column stands for all equal ones.
            z = top[:, :, None, start : start + FRAMES_AT_ONCE]
            for i, share in enumerate(shares):
                z = self._refine(
                    i, z, share[..., start : start + FRAMES_AT_ONCE]
                )
            parts.append(z[:, :, 0])
        return torch.cat(parts, dim=2)

    def _share(self, block: int, level: Tensor, strided: bool) -> Tensor:
        """What a level adds to a convolution of the second sub-network.

        Returns:
            Tensor: (B, C, columns, T).
        """
        weight = self.refining_blocks[block][0].conv.weight
        weight = weight[:, self.channels :]
        width, dilation = self.widths[block + 1], self.dilations[block]
        if strided:
            return F.conv1d(level, weight, stride=width).unsqueeze(-1)
        convolved = F.conv1d(level, weight, dilation=dilation)
        step = width * dilation
        columns = self.window // step
        frames = convolved.shape[2] - (columns - 1) * step
        return convolved.unfold(2, frames, step)

    def _refine(self, block: int, z: Tensor, share: Tensor) -> Tensor:
        spread, mix = self.refining_blocks[block]
        weight = spread.conv.weight[:, : self.channels]
        width = self.widths[block + 1]
        if block == 0:
            own = F.conv2d(z, weight.sum(2)[..., None, None])
            kept = z
        else:
            own = F.conv2d(z, weight.unsqueeze(-1), stride=(width, 1))
            tap = width - 1 if self.causal else (width - 1) // 2
            kept = z[:, :, tap::width]
        u = own + share
        shape = u.shape[2:]
        u = mix(spread.finish(u.flatten(2))).unflatten(2, shape)
        return kept + u
