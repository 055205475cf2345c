# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Where frames were cropped, and heatmaps of one crop as of another."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmpose.utils.typing import SampleList
from torch import Tensor

# What a flip test does to a crop's centre and size.
MIRRORED = np.array([-1, 1, 1, 1])


def crops_of(data_samples: SampleList) -> np.ndarray | None:
    """Centres and sizes of the crops of clips.

    Args:
        data_samples (list[PoseDataSample]): B samples of T rows.

    Returns:
        np.ndarray | None: (B, T, 4), x, y, width, height in pixels of the
        frames; None where the samples do not tell.
    """
    names = ('input_center', 'input_scale')
    if not all(name in s.metainfo for s in data_samples for name in names):
        return None
    return np.stack(
        [
            np.concatenate(
                [np.reshape(s.metainfo[name], (-1, 2)) for name in names],
                axis=1,
            )
            for s in data_samples
        ]
    )


def map_step(codec: Any) -> np.ndarray:
    """Which part of a crop's width and height a pixel of heatmaps is.

    Args:
        codec: Of the heatmaps.

    Returns:
        np.ndarray: (2,).
    """
    scale = np.asarray(codec.scale_factor, dtype=np.float64)
    return scale / codec.input_size


def resample(
    maps: Tensor, crops: np.ndarray, others: np.ndarray, step: np.ndarray
) -> Tensor:
    """What heatmaps are in the coordinates of other crops.

    Args:
        maps (Tensor): (N, K, h, w), bilinear between pixels, 0 outside.
        crops (np.ndarray): (N, 4), x and y of the centres, widths and
            heights of what the maps are of, image pixels.
        others (np.ndarray): (N, 4), of what is wanted.
        step (np.ndarray): (2,), which part of a crop's width and height a
            pixel of the maps is.

    Returns:
        Tensor: (N, K, h, w).
    """
    height, width = maps.shape[-2:]
    centers, sizes = crops[:, :2], crops[:, 2:]
    wanted, target = others[:, :2], others[:, 2:]
    # Place in the given maps = ratio * place in the wanted ones + shift.
    ratio = target / sizes
    shift = (wanted - centers + (sizes - target) / 2) / (sizes * step)
    axes = [
        maps.new_tensor(
            2
            * (ratio[:, i : i + 1] * np.arange(length) + shift[:, i : i + 1])
            / max(length - 1, 1)
            - 1
        )
        for i, length in enumerate((width, height))
    ]
    grid = torch.stack(
        [
            axes[0][:, None, :].expand(-1, height, -1),
            axes[1][:, :, None].expand(-1, -1, width),
        ],
        dim=-1,
    )
    return F.grid_sample(maps, grid, align_corners=True)


def at_wanted_crop(
    maps: Tensor, crops: np.ndarray, row: int, step: np.ndarray
) -> Tensor:
    """Heatmaps of a clip's frames, all of them as of one frame's crop.

    Args:
        maps (Tensor): (B, T, K, h, w).
        crops (np.ndarray): (B, T, 4), see :func:`resample`.
        row (int): Of the frame whose crop is wanted.
        step (np.ndarray): See :func:`resample`.

    Returns:
        Tensor: (B, T, K, h, w); those of the same crop are unchanged.
    """
    wanted = np.broadcast_to(crops[:, row : row + 1], crops.shape)
    clips, rows = np.nonzero((crops != wanted).any(axis=-1))
    if not len(clips):
        return maps
    maps = maps.clone()
    maps[clips, rows] = resample(
        maps[clips, rows], crops[clips, rows], wanted[clips, rows], step
    )
    return maps
