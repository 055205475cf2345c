# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""MMPose's decoding of heatmaps in torch: all maps at once, on the device
where they are.
"""

from __future__ import annotations

from typing import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from mmpose.codecs.base import BaseKeypointCodec
from torch import Tensor


def check_decodable(codec: BaseKeypointCodec) -> None:
    """See that :func:`decode_heatmaps` knows a codec.

    Args:
        codec (BaseKeypointCodec): E.g. the ``decoder`` of a head.

    Raises:
        ValueError: For a codec that is not ``MSRAHeatmap`` or the gaussian
            ``UDPHeatmap`` (their subclasses may decode otherwise), or one
            that blurs with a kernel whose size is even or 1.
    """
    gaussian = getattr(codec, 'heatmap_type', 'gaussian') == 'gaussian'
    if type(codec) not in _REFINEMENTS or not gaussian:
        kind = '' if gaussian else f' of type {codec.heatmap_type!r}'
        raise ValueError(
            'Decoding on the device is there for MSRAHeatmap and UDPHeatmap '
            f"of type 'gaussian', not for {type(codec).__name__}{kind}; "
            'leave decode_on_device out'
        )
    kernel_size = codec.blur_kernel_size
    blurs = getattr(codec, 'unbiased', True)
    if blurs and (kernel_size < 3 or kernel_size % 2 == 0):
        raise ValueError(
            f'{type(codec).__name__}: blur_kernel_size must be an odd number '
            f'from 3 on, but got {kernel_size}'
        )


@torch.no_grad()
def decode_heatmaps(
    heatmaps: Tensor, codec: BaseKeypointCodec
) -> tuple[Tensor, Tensor]:
    """Keypoints and scores of many heatmaps, on their device.

    What ``codec.decode`` gives for each row, up to the rounding of float32,
    odd input included: a joint without a value above zero has no place (the
    codecs give -1 heatmap pixels, or what their refinement makes of it), and
    a NaN is the largest value of its map. Where a blurred map is almost flat
    around its maximum, the codecs' refinement divides by next to nothing, and
    rounding decides what they give.

    Nothing is copied between host and device.

    Args:
        heatmaps (Tensor): (N, K, h, w).
        codec (BaseKeypointCodec): ``MSRAHeatmap``, ``unbiased`` or not, or
            ``UDPHeatmap`` of type ``'gaussian'``.

    Returns:
        tuple[Tensor, Tensor]: Keypoints in pixels of the network's input,
        (N, K, 2), float32 (``UDPHeatmap``: float64, as the codec gives
        them), and scores (N, K).

    Raises:
        ValueError: See :func:`check_decodable`; or heatmaps of another
            shape.
    """
    check_decodable(codec)
    if heatmaps.dim() != 4:
        raise ValueError(
            'decode_heatmaps takes heatmaps (N, K, h, w), but '
            f'got {tuple(heatmaps.shape)}'
        )
    # Half precision: as float32. Float64 stays, for its maximum's place.
    dtype = torch.promote_types(heatmaps.dtype, torch.float32)
    heatmaps = heatmaps.to(dtype).contiguous()
    places, scores = _maxima(heatmaps)
    offsets = _REFINEMENTS[type(codec)](heatmaps, places, scores, codec)
    x, y = (places + offsets).to(torch.float32).unbind(-1)
    if type(codec) is UDPHeatmap:
        # The codec's last step is in float64.
        (width, height), size = codec.heatmap_size, codec.input_size
        x = x.double() / (width - 1) * size[0]
        y = y.double() / (height - 1) * size[1]
    else:
        x = x * float(codec.scale_factor[0])
        y = y * float(codec.scale_factor[1])
    return torch.stack([x, y], dim=-1), scores


def decode_to_numpy(
    heatmaps: Tensor, codec: BaseKeypointCodec
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`decode_heatmaps`, and one copy of N * K * 3 numbers to the host.

    Args:
        heatmaps (Tensor): (N, K, h, w).
        codec (BaseKeypointCodec): See :func:`decode_heatmaps`.

    Returns:
        tuple[np.ndarray, np.ndarray]: Keypoints (N, K, 2) and scores (N, K),
        of the types that the codec gives.

    Raises:
        ValueError: See :func:`decode_heatmaps`.
    """
    keypoints, scores = decode_heatmaps(heatmaps, codec)
    both = torch.cat([keypoints, scores[..., None]], dim=-1).cpu()
    # Copies, which do not hold each other's memory.
    return (
        both[..., :2].to(keypoints.dtype).numpy().copy(),
        both[..., 2].to(scores.dtype).numpy().copy(),
    )


def _maxima(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Place (N, K, 2), int64, of each map's maximum, the first in reading
    order, and its value (N, K). The place is -1 where it is not positive.
    """
    # Over columns, then over rows: a third of the time of one argmax.
    scores, y = heatmaps.amax(dim=3).max(dim=2)
    index = y[..., None, None].expand(-1, -1, 1, heatmaps.shape[3])
    x = heatmaps.gather(2, index).squeeze(2).argmax(dim=2)
    places = torch.stack([x, y], dim=-1)
    return places.masked_fill((scores <= 0)[..., None], -1), scores


def _patches(maps: Tensor, places: Tensor, reach: int) -> Tensor:
    """What is around the places, (N, K, 2 * reach + 1, 2 * reach + 1), rows
    first; beyond the border, the border's values.
    """
    height, width = maps.shape[2:]
    around = torch.arange(-reach, reach + 1, device=maps.device)
    x, y = places[..., None].unbind(-2)
    x = (x + around).clamp(0, width - 1)
    y = (y + around).clamp(0, height - 1)
    index = y[..., :, None] * width + x[..., None, :]
    return maps.flatten(2).gather(2, index.flatten(2)).view(index.shape)


def _quarter_offsets(
    heatmaps: Tensor, places: Tensor, scores: Tensor, codec: MSRAHeatmap
) -> Tensor:
    """A quarter of a pixel towards the higher neighbour, (N, K, 2)."""
    near = _patches(heatmaps, places, reach=1)
    slopes = torch.stack(
        [near[..., 1, 2] - near[..., 1, 0], near[..., 2, 1] - near[..., 0, 1]],
        dim=-1,
    )
    # torch's sign of NaN is 0, numpy's is NaN.
    signs = torch.where(slopes.isnan(), slopes, slopes.sign())
    # As the codec has it: a coordinate stays where it is among the first two
    # or the last, and where the other one is the first.
    height, width = heatmaps.shape[2:]
    x, y = places.unbind(-1)
    moves = torch.stack(
        [
            (x > 1) & (x < width - 1) & (y > 0),
            (y > 1) & (y < height - 1) & (x > 0),
        ],
        dim=-1,
    )
    return torch.where(moves, 0.25 * signs, 0.0)


def _blurred(heatmaps: Tensor, kernel_size: int) -> Tensor:
    """Gaussian blur with zeros outside, (N, K, h, w), float32.

    Sums of shifted maps, because a convolution or a matrix product may be
    done in TF32 or in half precision, as torch's settings are; and in
    OpenCV's order, which rounds in the same way.
    """
    weights = cv2.getGaussianKernel(kernel_size, 0, cv2.CV_32F)[:, 0].tolist()
    reach = kernel_size // 2
    height, width = heatmaps.shape[2:]
    padded = F.pad(heatmaps, (reach, reach))
    rows = padded[..., :width] * weights[0]
    for start, weight in enumerate(weights[1:], 1):
        rows.add_(padded[..., start : start + width], alpha=weight)
    padded = F.pad(rows, (0, 0, reach, reach))
    maps = padded[:, :, reach : reach + height] * weights[reach]
    for shift in range(1, reach + 1):
        above = padded[:, :, reach - shift :][:, :, :height]
        below = padded[:, :, reach + shift :][:, :, :height]
        maps.add_(above + below, alpha=weights[reach + shift])
    return maps


def _modulated(
    heatmaps: Tensor, scores: Tensor, codec: BaseKeypointCodec
) -> tuple[Tensor, Tensor]:
    """Blurred maps, and the factors (N, K) that bring back their maxima."""
    # A CPU takes half the time for what stays in its cache.
    size = 4 if heatmaps.device.type == 'cpu' else max(len(heatmaps), 1)
    maps = torch.cat(
        [
            _blurred(part, codec.blur_kernel_size)
            for part in heatmaps.float().split(size)
        ]
    )
    return maps, scores.float() / maps.amax(dim=(2, 3))


def _newton_step(
    dx: Tensor, dy: Tensor, dxx: Tensor, dxy: Tensor, dyy: Tensor
) -> Tensor:
    """Minus the inverse Hessian times the gradient, (N, K, 2)."""
    det = dxx * dyy - dxy * dxy
    return (
        torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=-1)
        / det[..., None]
    )


def _dark_offsets(
    heatmaps: Tensor, places: Tensor, scores: Tensor, codec: MSRAHeatmap
) -> Tensor:
    """Offsets of `DARK <https://arxiv.org/abs/1910.06278>`_, (N, K, 2)."""
    maps, factors = _modulated(heatmaps, scores, codec)
    near = _patches(maps, places, reach=2) * factors[..., None, None]
    near = near.clamp(min=1e-10).log()

    def at(x: int, y: int) -> Tensor:
        return near[..., 2 + y, 2 + x]

    dx = 0.5 * (at(1, 0) - at(-1, 0))
    dy = 0.5 * (at(0, 1) - at(0, -1))
    dxx = 0.25 * (at(2, 0) - 2 * at(0, 0) + at(-2, 0))
    dyy = 0.25 * (at(0, 2) - 2 * at(0, 0) + at(0, -2))
    dxy = 0.25 * (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1))
    height, width = heatmaps.shape[2:]
    x, y = places.unbind(-1)
    moves = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    # In float32 like the codec's: a flat map has to give zero.
    moves &= dxx * dyy - dxy**2 != 0
    steps = _newton_step(*(d.double() for d in (dx, dy, dxx, dxy, dyy)))
    return torch.where(moves[..., None], steps, 0.0)


def _udp_offsets(
    heatmaps: Tensor, places: Tensor, scores: Tensor, codec: UDPHeatmap
) -> Tensor:
    """Offsets of `UDP <https://arxiv.org/abs/1911.07524>`_'s DARK,
    (N, K, 2).
    """
    maps, factors = _modulated(heatmaps, scores, codec)
    joints, height, width = maps.shape[1:]
    # The codec reads the K maps of a sample as one row of numbers, in which
    # each map has a border of one pixel. A joint without a place, at -1, so
    # gets to pixels of the map before; the first joint to those of the last.
    stride, area = width + 2, (height + 2) * (width + 2)
    around = torch.arange(-1, 2, device=maps.device)
    x, y = (places + 1).unbind(-1)
    start = torch.arange(joints, device=maps.device) * area + y * stride + x
    index = start[..., None, None] + around[:, None] * stride + around
    index = index.flatten(1).remainder(joints * area)
    owner = index.div(area, rounding_mode='floor')
    row = (index % area).div(stride, rounding_mode='floor')
    column = index % area % stride
    row = (row - 1).clamp(0, height - 1)
    column = (column - 1).clamp(0, width - 1)
    index = (owner * height + row) * width + column
    near = maps.flatten(1).gather(1, index) * factors.gather(1, owner)
    near = near.clamp(1e-3, 50.0).log().view(*places.shape[:2], 3, 3)

    def at(x: int, y: int) -> Tensor:
        return near[..., 1 + y, 1 + x]

    here, right, left = at(0, 0), at(1, 0), at(-1, 0)
    below, above = at(0, 1), at(0, -1)
    dx, dy = 0.5 * (right - left), 0.5 * (below - above)
    dxx = right - 2 * here + left
    dyy = below - 2 * here + above
    dxy = 0.5 * (
        at(1, 1) - right - below + here + here - left - above + at(-1, -1)
    )
    dx, dy, dxx, dxy, dyy = (d.double() for d in (dx, dy, dxx, dxy, dyy))
    tiny = torch.finfo(torch.float32).eps
    return _newton_step(dx, dy, dxx + tiny, dxy, dyy + tiny)


def _msra_offsets(
    heatmaps: Tensor, places: Tensor, scores: Tensor, codec: MSRAHeatmap
) -> Tensor:
    refine = _dark_offsets if codec.unbiased else _quarter_offsets
    return refine(heatmaps, places, scores, codec)


_REFINEMENTS: dict[type, Callable] = {
    MSRAHeatmap: _msra_offsets,
    UDPHeatmap: _udp_offsets,
}
