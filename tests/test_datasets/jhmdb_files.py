# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Small data sets in JHMDB's format, with known content."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

WIDTH, HEIGHT = 96, 72


def mat_bytes(**variables) -> bytes:
    file = io.BytesIO()
    savemat(file, variables)
    return file.getvalue()


def positions(num: int, seed: int = 0) -> np.ndarray:
    """pos_img: 2 x 15 x n, 1-based pixels inside the picture."""
    rng = np.random.RandomState(seed)
    return np.stack(
        [rng.uniform(30, 70, (15, num)), rng.uniform(20, 50, (15, num))]
    )


def part_mask(num: int) -> np.ndarray:
    """h x w x n; frame t (from 0) has columns 10 + t to 60, rows 5 to 65."""
    mask = np.zeros((HEIGHT, WIDTH, num), np.uint8)
    for t in range(num):
        mask[5:66, 10 + t : 61, t] = 1
    return mask


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_video(
    root: Path,
    action: str,
    video: str,
    num: int,
    mask: bool = True,
    frames: bool = True,
    seed: int = 0,
) -> None:
    place = Path(action) / video
    write(
        root / 'joint_positions' / place / 'joint_positions.mat',
        mat_bytes(pos_img=positions(num, seed)),
    )
    if mask:
        write(
            root / 'puppet_mask' / place / 'puppet_mask.mat',
            mat_bytes(part_mask=part_mask(num)),
        )
    rng = np.random.RandomState(seed)
    for frame in range(1, num + 1) if frames else ():
        small = rng.randint(0, 255, (9, 12, 3), np.uint8)
        _, png = cv2.imencode('.png', cv2.resize(small, (WIDTH, HEIGHT)))
        write(
            root / 'Rename_Images' / place / f'{frame:05d}.png', png.tobytes()
        )


def write_split(root: Path, file: str, text: str) -> None:
    write(root / 'sub_splits' / file, text.encode())


def write_jhmdb(root: Path, frames: bool = True) -> Path:
    """Five videos of two actions; of split 1, run/b and walk/d are tests."""
    lengths = dict(run=dict(a=7, b=11, c=5), walk=dict(d=3, e=13))
    for action, videos in lengths.items():
        for seed, (video, num) in enumerate(videos.items(), start=1):
            write_video(root, action, video, num, frames=frames, seed=seed)
    write_split(root, 'run_test_split1.txt', 'a.avi 1\nb.avi 2\nc.avi 1\n')
    write_split(root, 'walk_test_split_1.txt', 'd.avi 2 \r\ne.avi 1\r\n\r\n')
    write_split(root, 'run_test_split2.txt', 'a.avi 2\nb.avi 1\nc.avi 1\n')
    write_split(root, 'run_test_split_3.txt', 'c.avi 2\n')
    write_split(root, 'walk_test_split3.txt', 'e.avi 1\n')
    return root
