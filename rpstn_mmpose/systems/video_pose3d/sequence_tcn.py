# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from math import prod
from typing import Any

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmpose.models.backbones import TCN
from mmpose.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class SequenceTCN(TCN):
    """MMPose's ``TCN`` for windows and whole sequences alike.

    ``TCN`` is built for the one or the other, by ``use_stride_conv``; this
    one computes a window of just one answer by strides, with the same
    numbers, and all else by dilation.

    Args:
        kwargs: See ``TCN``; without ``use_stride_conv``.

    Attributes:
        before: Frames that a window has in front of the answered one.
        after: Frames behind it.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(use_stride_conv=False, **kwargs)
        self.window = prod(self.kernel_sizes)
        self.after = 0 if self.causal else (self.window - 1) // 2
        self.before = self.window - 1 - self.after

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Levels (B, C, frames) of sequences (B, K * C, L); the last one has
        the T = L - window + 1 answered frames.
        """
        if x.shape[2] != self.window:
            return super().forward(x)
        x = self._dropped(_by_strides(self.expand_conv, x))
        levels = []
        for block in self.tcn_blocks:
            u = self._dropped(_by_strides(block.conv1[0], x))
            u = self._dropped(block.conv2[0](u))
            if block.residual:
                width = block.kernel_size
                tap = width - 1 if self.causal else width // 2
                u = u + x[:, :, tap::width]
            x = u
            levels.append(x)
        return tuple(levels)

    def _dropped(self, x: Tensor) -> Tensor:
        return x if self.dropout is None else self.dropout(x)


def _by_strides(unit: ConvModule, x: Tensor) -> Tensor:
    """A unit whose taps do not overlap."""
    weight = unit.conv.weight
    x = F.conv1d(x, weight, unit.conv.bias, stride=weight.shape[2])
    return unit.activate(unit.norm(x))
