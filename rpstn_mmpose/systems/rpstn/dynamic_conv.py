# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def _is_channels_last(feats: Tensor) -> bool:
    """Whether each sample is; the samples may be frames of longer clips."""
    _, channels, _, width = feats.shape
    return channels > 1 and feats.stride()[1:] == (
        1,
        width * channels,
        channels,
    )


def depthwise_dynamic_conv(feats: Tensor, kernels: Tensor) -> Tensor:
    """Correlate every channel of every sample with a kernel of its own.

    The matching step of RPSTN (Eq. 3) and of dynamic kernel distillation.
    Zero padding keeps the size. Done as one grouped convolution with B * C
    groups, except for features in channels-last order on a CPU: one group
    would have to be made of what lies apart in memory, and a convolution of
    C groups for each sample, which leaves the features where they are, takes
    about half the time for any B (``tools/benchmark.py matching``).

    Args:
        feats (Tensor): (B, C, h, w).
        kernels (Tensor): (B, C, kh, kw), kh and kw odd; brought to the
            features' dtype.

    Returns:
        Tensor: (B, C, h, w), in the features' memory order.

    Raises:
        ValueError: If the batch or channel counts differ or a kernel side is
            even.

    Examples:
        >>> import torch
        >>> feats = torch.tensor([[[[1., 2., 3.]]]])  # one channel, one row
        >>> right = torch.tensor([[[[0., 0., 1.]]]])  # what lies to the right
        >>> depthwise_dynamic_conv(feats, right)
        tensor([[[[2., 3., 0.]]]])
    """
    batch, channels, height, width = feats.shape
    kernel_h, kernel_w = kernels.shape[-2:]
    if kernels.shape[:2] != feats.shape[:2]:
        raise ValueError(
            'depthwise_dynamic_conv needs one kernel per sample and channel: '
            f'features {tuple(feats.shape)}, kernels {tuple(kernels.shape)}'
        )
    if kernel_h % 2 == 0 or kernel_w % 2 == 0:
        raise ValueError(
            'depthwise_dynamic_conv needs odd kernel sides, but '
            f'got {kernel_h}x{kernel_w}'
        )
    kernels = kernels.to(feats.dtype)
    padding = (kernel_h // 2, kernel_w // 2)
    if feats.device.type == 'cpu' and _is_channels_last(feats):
        return torch.cat(
            [
                F.conv2d(
                    feats[row : row + 1],
                    kernels[row].unsqueeze(1),
                    padding=padding,
                    groups=channels,
                )
                for row in range(batch)
            ]
        )
    response = F.conv2d(
        feats.reshape(1, batch * channels, height, width),
        kernels.reshape(batch * channels, 1, kernel_h, kernel_w),
        padding=padding,
        groups=batch * channels,
    )
    return response.reshape(batch, channels, height, width)
