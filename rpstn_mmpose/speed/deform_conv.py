# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A deformable convolution that also trains on a CPU in reasonable time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import DeformConv2d as TorchvisionDeformConv2d


class DeformConv2d(TorchvisionDeformConv2d):
    """torchvision's, whose backward pass on a CPU is one plain loop.

    There :func:`sampled_deform_conv2d` takes its place while gradients are
    needed, four times as fast forward and backward, if maps keep their size
    and each channel has its own offsets; elsewhere torchvision's own kernels
    run. Weights have the same names. Where a tap looks exactly at a pixel, the
    gradient of its offset has two sides, and the two may differ in which they
    take.
    """

    def forward(
        self, input: Tensor, offset: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """See torchvision's ``deform_conv2d``."""
        sampled = torch.is_grad_enabled() and not input.is_cuda
        if not sampled or not self._plain(input, offset):
            return super().forward(input, offset, mask)
        return sampled_deform_conv2d(
            input, offset, self.weight, self.bias, self.dilation[0], mask
        )

    def _plain(self, input: Tensor, offset: Tensor) -> bool:
        """Whether :func:`sampled_deform_conv2d` computes the same."""
        rows, columns = self.dilation
        return (
            min(len(input), *(side - 1 for side in input.shape[-2:])) > 0
            and offset.shape[1] == 18 * input.shape[1]
            and self.kernel_size == (3, 3)
            and rows == columns
            and self.padding == self.dilation
            and self.stride == (1, 1)
            and self.groups == 1
        )


def sampled_deform_conv2d(
    maps: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    dilation: int,
    mask: Tensor | None = None,
) -> Tensor:
    """Deformable convolution of 3 x 3 taps by bilinear sampling.

    Args:
        maps: (B, C, h, w), at least two pixels high and wide.
        offset: (B, 18 C, h, w), pixels; for each channel and each tap, row by
            row, its shift down and to the right.
        weight: (C', C, 3, 3).
        bias: (C',).
        dilation: Pixels between the taps.
        mask: (B, 9 C, h, w), weight of each tap.

    Returns:
        Tensor: (B, C', h, w). Outside of the maps there is nothing.
    """
    batch, channels, height, width = maps.shape
    rows = torch.arange(height, dtype=maps.dtype, device=maps.device)
    columns = torch.arange(width, dtype=maps.dtype, device=maps.device)
    taps = dilation * rows.new_tensor([-1, 0, 1])
    shift = offset.view(batch, channels, 3, 3, 2, height, width)
    y = shift[..., 0, :, :] + taps.view(3, 1, 1, 1) + rows[:, None]
    x = shift[..., 1, :, :] + taps.view(3, 1, 1) + columns
    # grid_sample's units: -1 and 1 are the middles of the outer pixels
    grid = torch.stack([x * 2 / (width - 1), y * 2 / (height - 1)], dim=-1) - 1
    found = F.grid_sample(
        maps.reshape(batch * channels, 1, height, width),
        grid.view(batch * channels, 9 * height, width, 2),
        align_corners=True,
    ).view(batch, 9 * channels, height * width)
    if mask is not None:
        found = found * mask.flatten(2)
    result = torch.matmul(weight.flatten(1), found)
    if bias is not None:
        result = result + bias[:, None]
    return result.view(batch, -1, height, width)
