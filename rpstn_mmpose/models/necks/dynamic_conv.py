# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def depthwise_dynamic_conv(feats: Tensor, kernels: Tensor) -> Tensor:
    """Correlate every channel of every sample with a kernel of its own.

    The matching step of RPSTN (Eq. 3) and of dynamic kernel distillation.
    Done as one grouped convolution with B * C groups; zero padding keeps the
    size.

    Args:
        feats (Tensor): (B, C, h, w).
        kernels (Tensor): (B, C, kh, kw), kh and kw odd.

    Returns:
        Tensor: (B, C, h, w).

    Raises:
        ValueError: If the batch or channel counts differ or a kernel side is
            even.
    """
    batch, channels, height, width = feats.shape
    kernel_h, kernel_w = kernels.shape[-2:]
    if kernels.shape[:2] != feats.shape[:2]:
        raise ValueError(
            'depthwise_dynamic_conv needs one kernel per sample and channel: '
            f'features {tuple(feats.shape)}, kernels {tuple(kernels.shape)}')
    if kernel_h % 2 == 0 or kernel_w % 2 == 0:
        raise ValueError('depthwise_dynamic_conv needs odd kernel sides, but '
                         f'got {kernel_h}x{kernel_w}')
    response = F.conv2d(
        feats.reshape(1, batch * channels, height, width),
        kernels.reshape(batch * channels, 1, kernel_h, kernel_w),
        padding=(kernel_h // 2, kernel_w // 2),
        groups=batch * channels)
    return response.reshape(batch, channels, height, width)
