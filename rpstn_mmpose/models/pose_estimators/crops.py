# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Where frames were cropped, and heatmaps of one crop as of another."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmpose.utils.typing import SampleList
from torch import Tensor

# A joint a little outside of its person's box is no other person's.
OWN_BOX = 1.1

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


def boxes_of(data_samples: SampleList) -> np.ndarray | None:
    """Boxes of the people of a frame.

    Args:
        data_samples (list[PoseDataSample]): N samples of one row.

    Returns:
        np.ndarray: (N, 4), x1 y1 x2 y2, pixels of the frame; None where the
        samples do not tell.
    """
    people = [sample.get('gt_instances', None) for sample in data_samples]
    if not all(item is not None and 'bboxes' in item for item in people):
        return None
    return np.stack([np.reshape(item.bboxes, -1)[:4] for item in people])


def elsewhere(
    crops: np.ndarray,
    boxes: np.ndarray,
    size: tuple[int, int],
    step: np.ndarray,
) -> np.ndarray:
    """Where the heatmaps of people show somebody else.

    Args:
        crops (np.ndarray): (N, 4), see :func:`crops_of`.
        boxes (np.ndarray): (N, 4), x1 y1 x2 y2, of the same people in the
            same frame, pixels.
        size (tuple): Height and width of the maps.
        step (np.ndarray): See :func:`resample`.

    Returns:
        np.ndarray: (N, h, w) bool, inside of another person's box and outside
        of the own one, grown by :data:`OWN_BOX`.
    """
    inside, mine = [], []
    for axis, length in ((0, size[1]), (1, size[0])):
        begin = crops[:, axis] - crops[:, 2 + axis] / 2
        places = begin[:, None] + crops[:, 2 + axis, None] * step[
            axis
        ] * np.arange(length)
        low, high = boxes[:, axis], boxes[:, 2 + axis]
        # (N crops, N boxes, length)
        inside.append(
            (places[:, None] >= low[None, :, None])
            & (places[:, None] <= high[None, :, None])
        )
        off = np.abs(2 * places - (low + high)[:, None])
        mine.append(off <= OWN_BOX * (high - low)[:, None])
    covered = inside[0][:, :, None, :] & inside[1][:, :, :, None]
    covered[np.arange(len(boxes)), np.arange(len(boxes))] = False
    own = mine[0][:, None, :] & mine[1][:, :, None]
    return covered.any(axis=1) & ~own


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
