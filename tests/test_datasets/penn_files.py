# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Small data sets in Penn Action's format, with known content."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

WIDTH, HEIGHT = 96, 72


def label_arrays(num: int = 7, train: int = 1, seed: int = 0) -> dict:
    """A regular label; 1-based pixels, all joints visible and inside."""
    rng = np.random.RandomState(seed)
    x = rng.uniform(30, 70, (num, 13))
    y = rng.uniform(20, 50, (num, 13))
    bbox = np.stack(
        [x.min(1) - 4, y.min(1) - 4, x.max(1) + 4, y.max(1) + 4], axis=1
    )
    return dict(
        x=x,
        y=y,
        visibility=np.ones((num, 13), np.uint8),
        bbox=bbox,
        train=np.array([[train]], np.int32),
        nframes=np.array([[num]], np.uint8),
        dimensions=np.array([[HEIGHT, WIDTH, num]], np.uint16),
        action='bowl',
        pose='front',
    )


def write_label(root: Path, video: str, arrays: dict) -> Path:
    path = Path(root) / 'labels' / f'{video}.mat'
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, arrays)
    return path


def write_frames(root: Path, video: str, num: int, seed: int = 0) -> list:
    folder = Path(root) / 'frames' / video
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.RandomState(seed)
    paths = []
    for frame in range(1, num + 1):
        small = rng.randint(0, 255, (9, 12, 3), np.uint8)
        paths.append(folder / f'{frame:06d}.jpg')
        cv2.imwrite(str(paths[-1]), cv2.resize(small, (WIDTH, HEIGHT)))
    return paths


def write_penn(
    root: Path, lengths=(7, 5, 12), train=(1, 1, -1), frames: bool = True
) -> Path:
    """Videos 0001, 0002, ... of the given lengths and splits."""
    for i, (num, flag) in enumerate(zip(lengths, train), start=1):
        write_label(root, f'{i:04d}', label_arrays(num, flag, seed=i))
        if frames:
            write_frames(root, f'{i:04d}', num, seed=i)
    return Path(root)
