# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Read the label files of one video of JHMDB and mend what is irregular."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from .label_fields import is_place
from .mat_file import read_arrays
from .penn_action_label import mend_boxes

NUM_JOINTS = 15

# Share of the labelled joints' longer side that is added to a box made from
# them, on each side. In MMPose's JHMDB annotations, whose boxes come from the
# puppet masks, the sides are 0.05 to 0.11 of it farther out than the joints.
BOX_MARGIN = 0.1


class JHMDBLabel(NamedTuple):
    """A video's label; 0-based pixels, everything finite.

    Attributes:
        bbox: (n, 4) float32, x1 y1 x2 y2, inside the picture; tight boxes of
            masks run from the centre of the outermost pixel to that of the
            opposite one.
        keypoints: (n, 15, 2) float32; unlabelled joints sit at the centre of
            their frame's box.
        visible: (n, 15) bool: labelled and inside the picture.
        labeled: (n, 15) bool.
        size: Width and height of the picture, pixels.
        repairs: Number of repairs by kind.
    """

    bbox: np.ndarray
    keypoints: np.ndarray
    visible: np.ndarray
    labeled: np.ndarray
    size: tuple[int, int]
    repairs: Counter


def parse_joint_positions(data: bytes, path: str) -> np.ndarray:
    """Read ``joint_positions.mat``.

    Args:
        data: Content of the file: ``pos_img`` 2 x 15 x n, 1-based pixels.
        path: For error messages.

    Returns:
        np.ndarray: (n, 15, 2) float64, 0-based pixels, NaN where they are.

    Raises:
        ValueError: The file is unreadable, or is not of that form.
    """
    positions = read_arrays(
        data, path, 'a joint_positions file of JHMDB', ['pos_img']
    )['pos_img']
    if positions.ndim == 2:  # MATLAB drops the axis of a single frame
        positions = positions[..., None]
    if (
        positions.ndim != 3
        or positions.shape[:2] != (2, NUM_JOINTS)
        or positions.size == 0
    ):
        raise ValueError(
            f'{path}: pos_img must be 2 x {NUM_JOINTS} x n (x and y of '
            f'{NUM_JOINTS} joints in n frames), but got '
            f'{positions.shape}; download or write it again'
        )
    return positions.astype(np.float64).transpose(2, 1, 0) - 1


def parse_puppet_mask(data: bytes, path: str) -> np.ndarray:
    """Read ``puppet_mask.mat``.

    Args:
        data: Content of the file: ``part_mask`` h x w x n, not 0 on the
            person.
        path: For error messages.

    Returns:
        np.ndarray: (n, h, w) bool.

    Raises:
        ValueError: The file is unreadable, or is not of that form.
    """
    mask = read_arrays(
        data, path, 'a puppet_mask file of JHMDB', ['part_mask']
    )['part_mask']
    if mask.ndim == 2:  # MATLAB drops the axis of a single frame
        mask = mask[..., None]
    if mask.ndim != 3 or min(mask.shape[:2]) < 2:
        raise ValueError(
            f'{path}: part_mask must be height x width x n, but '
            f'got {mask.shape}; download or write it again'
        )
    return (mask > 0).transpose(2, 0, 1)


def mask_boxes(masks: np.ndarray) -> np.ndarray:
    """Tight boxes.

    Args:
        masks: (n, h, w) bool.

    Returns:
        np.ndarray: (n, 4) float64, x1 y1 x2 y2, centres of the outermost
        pixels; NaN for empty masks.
    """
    boxes = np.full((len(masks), 4), np.nan)
    for row, mask in enumerate(masks):
        columns = np.flatnonzero(mask.any(axis=0))
        if len(columns):
            lines = np.flatnonzero(mask.any(axis=1))
            boxes[row] = columns[0], lines[0], columns[-1], lines[-1]
    return boxes


def joint_boxes(keypoints: np.ndarray, labeled: np.ndarray) -> np.ndarray:
    """Boxes round the joints, ``BOX_MARGIN`` wider on each side.

    Args:
        keypoints: (n, K, 2) pixels.
        labeled: (n, K) bool.

    Returns:
        np.ndarray: (n, 4) float64, x1 y1 x2 y2; NaN without labelled joints.
    """
    boxes = np.full((len(keypoints), 4), np.nan)
    for row in np.flatnonzero(labeled.any(axis=1)):
        points = keypoints[row][labeled[row]]
        low, high = points.min(axis=0), points.max(axis=0)
        margin = BOX_MARGIN * (high - low).max()
        boxes[row] = np.concatenate([low - margin, high + margin])
    return boxes


def _usable(boxes: np.ndarray) -> np.ndarray:
    """(n,) bool: at least one pixel wide and high."""
    return ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)


def _boxes_of_masks(
    masks: np.ndarray, num: int, repairs: Counter
) -> np.ndarray:
    """Bring the masks' boxes to n rows; count what is irregular."""
    repairs['masks missing'] += max(0, num - len(masks))
    repairs['masks beyond the last frame'] += max(0, len(masks) - num)
    boxes = np.full((num, 4), np.nan)
    given = mask_boxes(masks[:num])
    repairs['empty masks'] += int(np.isnan(given[:, 0]).sum())
    repairs['masks under one pixel'] += int(
        (~_usable(given) & ~np.isnan(given[:, 0])).sum()
    )
    boxes[: len(given)] = given
    return boxes


def make_jhmdb_label(
    positions: np.ndarray,
    size: tuple[int, int],
    masks: np.ndarray | None = None,
) -> JHMDBLabel:
    """Put a video's label together.

    JHMDB has no visibility flags: its annotators placed a whole puppet, so
    that joints behind something or outside the picture have places too. A
    joint inside the picture counts as visible, as in MMPose's annotations of
    the data set. One outside is labelled but not visible: no pixel shows it,
    and a heatmap of the crop may not even hold it.

    Boxes are the masks' where they have an extent; else the joints' (see
    :func:`joint_boxes`); else the nearest frame's; else the whole picture.

    Args:
        positions: (n, 15, 2), 0-based pixels, may hold NaN and numbers that
            are no places (see :func:`is_place`).
        size: Width and height of the picture.
        masks: (n, height, width) bool. None: boxes from the joints alone.

    Returns:
        JHMDBLabel: One row per frame; no frame is left out.
    """
    width, height = size
    repairs: Counter = Counter()
    labeled = is_place(positions).all(axis=-1)
    positions = np.where(labeled[..., None], positions, 0)
    inside = ((positions >= 0) & (positions <= [width - 1, height - 1])).all(
        axis=-1
    )
    visible = labeled & inside
    repairs['NaN joints'] += int((~labeled).sum())
    repairs['joints outside the picture'] += int((labeled & ~inside).sum())
    repairs['frames without visible joint'] += int(
        (~visible.any(axis=1)).sum()
    )

    boxes = joint_boxes(positions, labeled)
    if masks is not None:
        of_masks = _boxes_of_masks(masks, len(positions), repairs)
        usable = _usable(of_masks)
        boxes[usable] = of_masks[usable]
    limit = np.array([width - 1, height - 1] * 2)
    repairs['frames without box of their own'] += int(
        (~_usable(np.clip(boxes, 0, limit))).sum()
    )
    # No joints: what is still without a box takes its neighbour's.
    boxes = mend_boxes(boxes, positions, np.zeros_like(labeled), width, height)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    keypoints = np.where(labeled[..., None], positions, centre[:, None])
    return JHMDBLabel(
        bbox=boxes.astype(np.float32),
        keypoints=keypoints.astype(np.float32),
        visible=visible,
        labeled=labeled,
        size=(width, height),
        repairs=+repairs,
    )
