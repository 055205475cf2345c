# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn


def expected_points(logits: Tensor) -> Tensor:
    """Mean pixel of each joint's distribution.

    Args:
        logits (Tensor): (B, K, h, w).

    Returns:
        Tensor: (B, K, 2), x and y in pixels of the map, from 0; float32.
    """
    height, width = logits.shape[-2:]
    probs = logits.float().flatten(2).softmax(dim=-1).view(logits.shape)
    columns, rows = (
        torch.arange(length, device=probs.device, dtype=probs.dtype)
        for length in (width, height)
    )
    x = (probs.sum(dim=2) * columns).sum(dim=-1)
    y = (probs.sum(dim=3) * rows).sum(dim=-1)
    return torch.stack([x, y], dim=-1)


def spread_points(
    points: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Points as distributions over their four cells.

    Args:
        points (Tensor): (B, K, 2), pixels of the map.
        size (tuple[int, int]): Its height h and width w.

    Returns:
        tuple: Numbers of the cells in a map of h * w and their shares, (B, K,
        4) both. Cells outside count 0; the others sum to 1, if there are any.
    """
    height, width = size
    low = points.floor()
    part = points - low
    cells, shares = [], []
    for right in (0, 1):
        for down in (0, 1):
            x, y = low[..., 0] + right, low[..., 1] + down
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            share = (part[..., 0] - 1 + right).abs() * (
                part[..., 1] - 1 + down
            ).abs()
            shares.append(share * inside)
            cells.append((y * width + x) * inside)
    share = torch.stack(shares, dim=-1)
    total = share.sum(dim=-1, keepdim=True)
    return torch.stack(cells, dim=-1).long(), share / total.clamp(min=1e-6)


@MODELS.register_module()
class CoarseToFineLoss(nn.Module):
    """PoseFix's two losses: of the distribution and of its mean.

    The cross entropy of a joint's distribution with that of the true point,
    which is spread over the four pixels around it; and the distance of the
    mean from the true point along x and y. Both are means over all joints of
    the batch, those that do not count included.

    Args:
        heatmap_weight (float): Weight of the first.
        coordinate_weight (float): Weight of the second. The mean over x and
            y is taken; 2 gives the paper's sum.
    """

    def __init__(
        self, heatmap_weight: float = 1.0, coordinate_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.heatmap_weight = heatmap_weight
        self.coordinate_weight = coordinate_weight

    def forward(
        self, logits: Tensor, points: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Both losses, weighted.

        Args:
            logits (Tensor): (B, K, h, w).
            points (Tensor): (B, K, 2), the truth, pixels of the map.
            weights (Tensor): (B, K), 0 where a joint does not count.

        Returns:
            tuple[Tensor, Tensor]: Of the distributions; of their means, in
            pixels of the map.
        """
        points = torch.where(weights[..., None] > 0, points, 0.0)
        logs = logits.float().flatten(2).log_softmax(dim=-1)
        height, width = logits.shape[-2:]
        cells, shares = spread_points(points, (height, width))
        entropy = -(logs.gather(-1, cells) * shares).sum(dim=-1)
        gaps = (expected_points(logits) - points).abs() * weights[..., None]
        return (
            self.heatmap_weight * (entropy * weights).mean(),
            self.coordinate_weight * gaps.mean(),
        )
