# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Penn Action on disk: frames/NNNN/NNNNNN.jpg and labels/NNNN.mat."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

JPEG_QUALITY = 90
# The box reaches this part of its longer side beyond the outermost joints on
# every side: heads, hands and feet stick out of the skeleton.
BOX_MARGIN = 0.08
# Joints that are not annotated stand at (1, 1) with visibility 0.
PLACEHOLDER = 1.0
# Real labels name the sides the other way round than anatomy does: "left"
# joints are on the right of the body. Three things in the 2,326 files show it:
# in videos of pose "front" they are left in the picture, people in profile who
# face right (by the bend of their knees) have their "left" side in view, and
# the "left" arm is the faster one in three of four pitches, serves and bowls.
# The writer does as the real labels do, so that both kinds of data agree.
PENN_ORDER = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11])
# savemat writes the date into its 116-byte header text, which would make equal
# labels differ in their bytes.
_HEADER = b'MATLAB 5.0 MAT-file, synthetic Penn Action'.ljust(116)


def joint_boxes(
    keypoints: np.ndarray, inside: np.ndarray, width: int, height: int
) -> np.ndarray:
    """Boxes round the joints inside the picture.

    Args:
        keypoints (np.ndarray): n x 13 x 2, 0-based pixels.
        inside (np.ndarray): n x 13 bool, joints inside the picture.
        width (int): Of the picture, pixels.
        height (int): Of the picture, pixels.

    Returns:
        np.ndarray: n x 4, x1 y1 x2 y2, 0-based, clipped to the picture. A
        frame without joints takes the box of the nearest frame that has some;
        without any such frame the box is the picture.
    """
    boxes = np.tile(
        np.array([0.0, 0.0, width - 1.0, height - 1.0]), (len(keypoints), 1)
    )
    filled = np.flatnonzero(inside.any(axis=1))
    for index in filled:
        joints = keypoints[index][inside[index]]
        low, high = joints.min(axis=0), joints.max(axis=0)
        margin = BOX_MARGIN * max(float((high - low).max()), 1.0)
        boxes[index, :2] = np.maximum(low - margin, 0)
        boxes[index, 2:] = np.minimum(high + margin, (width - 1, height - 1))
    if len(filled):
        for index in np.flatnonzero(~inside.any(axis=1)):
            nearest = filled[np.abs(filled - index).argmin()]
            boxes[index] = boxes[nearest]
    return boxes


def write_label(
    path: Path,
    keypoints: np.ndarray,
    visible: np.ndarray,
    inside: np.ndarray,
    size: tuple,
    train: bool,
    action: str,
    pose: str,
    hidden_by: np.ndarray | None = None,
) -> None:
    """Write one label file with the keys and types of the real ones.

    Args:
        path (Path): Ends with .mat.
        keypoints (np.ndarray): n x 13 x 2, 0-based pixels, anatomical sides
            (written with the sides of ``PENN_ORDER``).
        visible (np.ndarray): n x 13, 1 = seen.
        inside (np.ndarray): n x 13 bool; joints outside the picture become
            placeholders.
        size (tuple): Width and height of the picture in pixels.
        train (bool): Split.
        action (str): Name of the action.
        pose (str): Side that the camera sees.
        hidden_by (np.ndarray, optional): n x 13, what hides each joint, as
            numbers of ``scene.REASONS``; written under this name, which the
            real files do not have.
    """
    width, height = size
    count = len(keypoints)
    keypoints, visible, inside = (
        array[:, PENN_ORDER] for array in (keypoints, visible, inside)
    )
    one_based = np.where(inside[..., None], keypoints + 1, PLACEHOLDER)
    label = dict(
        action=action,
        pose=pose,
        x=one_based[..., 0].astype(np.float64),
        y=one_based[..., 1].astype(np.float64),
        visibility=(visible.astype(bool) & inside).astype(np.uint8),
        train=np.array([[1 if train else -1]], np.int32),
        bbox=joint_boxes(keypoints, inside, width, height) + 1,
        dimensions=np.array([[height, width, count]], np.uint16),
        nframes=np.array([[count]], np.uint8 if count < 256 else np.uint16),
    )
    if hidden_by is not None:
        label['hidden_by'] = hidden_by[:, PENN_ORDER].astype(np.uint8)
    buffer = io.BytesIO()
    savemat(buffer, label)
    content = buffer.getvalue()
    path.write_bytes(_HEADER + content[len(_HEADER) :])


class PennVideoWriter:
    """Collects the frames of one video and writes them.

    Args:
        out_dir (Path): Root of the data set; folders are made.
        number (int): Number of the video, > 0.
        train (bool): Split.
        action (str): Name of the action.
        pose (str): Side that the camera sees.
    """

    def __init__(
        self, out_dir: Path, number: int, train: bool, action: str, pose: str
    ) -> None:
        self.name = f'{number:04d}'
        self._frames = out_dir / 'frames' / self.name
        self._label = out_dir / 'labels' / f'{self.name}.mat'
        self._facts = dict(train=train, action=action, pose=pose)
        self._rows: list[tuple] = []

    def add(
        self,
        picture: np.ndarray | None,
        keypoints: np.ndarray,
        visible: np.ndarray,
        inside: np.ndarray,
        hidden_by: np.ndarray,
    ) -> None:
        """Write one picture (None: the label only) and remember its joints.

        Args:
            picture (np.ndarray, optional): H x W x 3 BGR uint8.
            keypoints, visible, inside, hidden_by (np.ndarray): A row of what
                :func:`write_label` takes.

        Raises:
            OSError: The picture cannot be written.
        """
        self._rows.append((keypoints, visible, inside, hidden_by))
        if picture is None:
            return
        self._frames.mkdir(parents=True, exist_ok=True)
        path = self._frames / f'{len(self._rows):06d}.jpg'
        done, content = cv2.imencode(
            '.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        )
        if not done:
            raise OSError(f'PennVideoWriter: cannot encode {path}')
        path.write_bytes(content.tobytes())

    def close(self, size: tuple) -> None:
        """Write the label file; ``size`` is width and height in pixels."""
        self._label.parent.mkdir(parents=True, exist_ok=True)
        keypoints, visible, inside, hidden_by = (
            np.stack(column) for column in zip(*self._rows)
        )
        write_label(
            self._label,
            keypoints,
            visible,
            inside,
            size,
            hidden_by=hidden_by,
            **self._facts,
        )
