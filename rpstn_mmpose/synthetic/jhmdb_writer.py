# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""JHMDB on disk: frames, joint positions, puppet masks and split files."""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path
from typing import Sequence

import cv2
import numpy as np
from scipy.io import savemat

from .skeleton import POINT_INDEX

# In the order of the real files; neck, belly and face are the generator's.
JHMDB_JOINTS = (
    'neck',
    'belly',
    'face',
    'right_shoulder',
    'left_shoulder',
    'right_hip',
    'left_hip',
    'right_elbow',
    'left_elbow',
    'right_knee',
    'left_knee',
    'right_wrist',
    'left_wrist',
    'right_ankle',
    'left_ankle',
)
NUM_SPLITS = 3
# Fastest level that still packs flat areas; the pictures are noisy.
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
# savemat writes the date into its 116-byte header text, which would make equal
# labels differ in their bytes.
_HEADER = b'MATLAB 5.0 MAT-file, synthetic JHMDB'.ljust(116)


def jhmdb_joints(points: np.ndarray) -> np.ndarray:
    """JHMDB's joints of a person of the generator.

    The belly lies halfway between the neck and the middle of the hips, as in
    the real files. The face is the middle of the head. Left and right are
    the person's own.

    Args:
        points (np.ndarray): ... x len(POINTS) x 2 or more, see
            ``skeleton.POINTS``.

    Returns:
        np.ndarray: ... x 15 x 2, the unit of ``points``.
    """
    place = {
        name: points[..., index, :2] for name, index in POINT_INDEX.items()
    }
    hips = (place['left_hip'] + place['right_hip']) / 2
    place['belly'] = (place['neck'] + hips) / 2
    place['face'] = place['head']
    return np.stack([place[name] for name in JHMDB_JOINTS], axis=-2)


def save_mat(path: Path, **variables: np.ndarray) -> None:
    """Write a .mat file whose bytes depend on the variables only."""
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=True)
    content = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_HEADER + content[len(_HEADER) :])


class JHMDBVideoWriter:
    """Collects the frames of one video and writes them.

    Args:
        out_dir (Path): Root of the data set; folders are made.
        number (int): Number of the video, > 0.
        action (str): Name of the action.
    """

    def __init__(self, out_dir: Path, number: int, action: str) -> None:
        self.name = f'{action}_synthetic_{number:04d}'
        self._out_dir = out_dir
        self._place = Path(action) / self.name
        self._joints: list[np.ndarray] = []
        self._masks: list[np.ndarray] = []

    def add(
        self, picture: np.ndarray | None, points: np.ndarray, mask: np.ndarray
    ) -> None:
        """Write one picture (None: the labels only), remember its labels.

        Args:
            picture (np.ndarray, optional): H x W x 3 BGR uint8.
            points (np.ndarray): len(POINTS) x 2 or more, 0-based pixels.
            mask (np.ndarray): H x W bool, the person's silhouette.

        Raises:
            OSError: The picture cannot be written.
        """
        self._joints.append(jhmdb_joints(points))
        self._masks.append(mask)
        if picture is None:
            return
        folder = self._out_dir / 'Rename_Images' / self._place
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f'{len(self._joints):05d}.png'
        done, content = cv2.imencode('.png', picture, _PNG)
        if not done:
            raise OSError(f'JHMDBVideoWriter: cannot encode {path}')
        path.write_bytes(content.tobytes())

    def close(self, size: tuple[int, int]) -> None:
        """Write the label files; ``size`` is width and height in pixels."""
        width, height = size
        # n x 15 x 2 to 2 x 15 x n, 1-based.
        positions = np.stack(self._joints).transpose(2, 1, 0) + 1.0
        # From the picture's centre, in 0.45 of its height: what relates the
        # two in the real file that we have.
        middle = np.array([width, height]).reshape(2, 1, 1) / 2
        world = (positions - middle) / (0.45 * height)
        save_mat(
            self._out_dir
            / 'joint_positions'
            / self._place
            / 'joint_positions.mat',
            pos_img=positions,
            pos_world=world,
        )
        save_mat(
            self._out_dir / 'puppet_mask' / self._place / 'puppet_mask.mat',
            part_mask=np.stack(self._masks, axis=-1).astype(np.uint8),
        )


def held_out(count: int, num_test: int, split: int) -> range:
    """Which of a data set's videos a split tests on.

    The videos stand in order, those of the generator's test split last.
    Split 1 tests on the last ``num_test`` videos, split 2 on as many before
    them, split 3 on as many before those; before the first comes the last.

    Args:
        count (int): Videos of the data set.
        num_test (int): Test videos of each split, at most ``count``.
        split (int): 1, 2 or 3.

    Returns:
        range: Positions, to be taken modulo ``count``.
    """
    end = count - (split - 1) * num_test
    return range(end - num_test, end)


def write_splits(out_dir: Path, records: Sequence[dict]) -> None:
    """Write ``sub_splits/ACTION_test_split{1,2,3}.txt``.

    Args:
        out_dir (Path): Root of the data set.
        records (Sequence[dict]): ``video``, ``action`` and ``split``
            ('train' or 'test', which becomes split 1) of each video.
    """
    records = sorted(records, key=lambda record: record['split'] == 'test')
    num_test = sum(record['split'] == 'test' for record in records)
    folder = out_dir / 'sub_splits'
    folder.mkdir(parents=True, exist_ok=True)
    for split in range(1, NUM_SPLITS + 1):
        tests = {
            index % len(records)
            for index in held_out(len(records), num_test, split)
        }
        lines: dict[str, list[str]] = defaultdict(list)
        for index, record in enumerate(records):
            flag = 2 if index in tests else 1
            lines[record['action']].append(f'{record["video"]}.avi {flag}\n')
        for action, text in lines.items():
            path = folder / f'{action}_test_split{split}.txt'
            path.write_bytes(''.join(text).encode())
