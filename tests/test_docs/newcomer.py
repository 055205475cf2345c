# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a newcomer has, small: labelled pictures, a video, boxes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np

from tests.test_apis.tiny import write_video

from .pages import ROOT, code_blocks

TINY = (
    'configs/body_2d_keypoint/topdown_heatmap/synthetic_penn/'
    'td-hm_tiny_1xb16-1e_synthetic-penn-128x128.py'
)
BOXES = [
    [[10, 5, 60, 60]],
    [[12, 5, 62, 60]],
    [[14, 5, 64, 60], [70, 5, 90, 60]],
    [],
]


def write_class(folder: Path) -> None:
    """The module of the data set, as the page has it."""
    text = code_blocks(ROOT / 'docs/your_data.md', 'python')[0]
    (folder / 'my_clips.py').write_text(text)


def write_recipe(folder: Path) -> None:
    """The page's recipe, on a tiny one."""
    text = code_blocks(ROOT / 'docs/your_data.md', 'python')[1]
    base = re.search(r"_base_ = \['\./(.*?)'\s*'(.*?)'\]", text)
    assert (ROOT / 'configs' / (base[1] + base[2])).is_file()
    text = text.replace(base[0], f'_base_ = [{str(ROOT / TINY)!r}]')
    (folder / 'mine.py').write_text(text)


def write_data(folder: Path, num_frames: int = 4) -> None:
    """Two labelled videos of each split, as the page describes them."""
    rng = np.random.default_rng(0)
    for split in ('train', 'test'):
        labels = folder / 'data/mine' / split
        labels.mkdir(parents=True)
        for name in (f'{split}0', f'{split}1'):
            (folder / 'data/mine' / name).mkdir()
            frames = [f'{name}/{i:03d}.jpg' for i in range(num_frames)]
            for frame in frames:
                picture = rng.integers(0, 256, (72, 96, 3), np.uint8)
                cv2.imwrite(str(folder / 'data/mine' / frame), picture)
            joints = rng.uniform((20, 5), (60, 65), (num_frames, 13, 2))
            flags = np.full((num_frames, 13, 1), 2.0)
            flags[:, 0], flags[:, 1] = 1, 0
            label = dict(
                frames=frames,
                boxes=[[15, 2, 65, 70]] * num_frames,
                joints=np.concatenate([joints, flags], 2).round(1).tolist(),
            )
            (labels / f'{name}.json').write_text(json.dumps(label))


def write_all(folder: Path) -> None:
    """Everything."""
    write_class(folder)
    write_recipe(folder)
    write_data(folder)
    write_video(folder / 'video.mp4', len(BOXES))
    (folder / 'boxes.json').write_text(json.dumps(BOXES))
