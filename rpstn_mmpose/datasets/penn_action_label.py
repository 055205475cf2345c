# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Read one label file of Penn Action and mend what is irregular in it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from ..structures.hidden_joints import HIDDEN_BY
from .label_fields import PLACE_LIMIT, is_place, shown
from .mat_file import read_arrays

NUM_JOINTS = 13

# A joint that was not annotated has visibility 0 and sits at (1, 1), or
# (0, 0). The published labels of resized videos were resized with them, so
# that the placeholder is found at (s, s), with s = 0.67 ... 1.52 in the real
# files. No other invisible joint of theirs lies within 8 pixels of the corner.
PLACEHOLDER_LIMIT = 3.0

# Share of the labelled joints' longer side that is added to a box made from
# them, on each side: joints are inside of the body's outline.
BOX_MARGIN = 0.2


class PennLabel(NamedTuple):
    """A video's label; 0-based pixels, everything finite.

    Numbers beyond ``PLACE_LIMIT`` count as not finite.

    Attributes:
        bbox: (n, 4) float32, x1 y1 x2 y2, inside the picture.
        keypoints: (n, 13, 2) float32; unlabelled joints sit at the centre
            of their frame's box.
        visible: (n, 13) bool.
        labeled: (n, 13) bool.
        size: Width and height of the picture, pixels.
        train: The label's own split flag.
        repairs: Number of repairs by kind.
        hidden_by: (n, 13) uint8, numbers of ``HIDDEN_BY``; None: the label
            does not tell, as the real ones.
    """

    bbox: np.ndarray
    keypoints: np.ndarray
    visible: np.ndarray
    labeled: np.ndarray
    size: tuple[int, int]
    train: bool
    repairs: Counter
    hidden_by: np.ndarray | None = None


def is_placeholder(
    x: np.ndarray, y: np.ndarray, visible: np.ndarray
) -> np.ndarray:
    """Tell which entries of a label stand for joints nobody annotated.

    Args:
        x: Float, 1-based pixels.
        y: The same shape.
        visible: The same shape, bool.

    Returns:
        np.ndarray: Bool; invisible, on the diagonal and at the corner (see
        ``PLACEHOLDER_LIMIT``).
    """
    corner = (x >= 0) & (x < PLACEHOLDER_LIMIT)
    return ~visible & (np.abs(x - y) < 1e-6) & corner


def _check_shapes(mat: dict, path: str) -> tuple[int, int, int]:
    """Return (n, height, width)."""
    shapes = {key: mat[key].shape for key in ('x', 'y', 'visibility')}
    num = len(mat['x'])
    if num == 0 or set(shapes.values()) != {(num, NUM_JOINTS)}:
        raise ValueError(
            f'{path}: x, y and visibility must all be n x {NUM_JOINTS} '
            f'(n frames, {NUM_JOINTS} joints), but got {shapes}'
        )
    if mat['bbox'].size and mat['bbox'].shape[1:] != (4,):
        raise ValueError(
            f'{path}: bbox must be n x 4 (x1 y1 x2 y2), but got '
            f'{mat["bbox"].shape}'
        )
    size = mat['dimensions'].ravel()[:3].tolist()
    if len(size) < 2 or not all(
        2 <= side <= PLACE_LIMIT and side == int(side) for side in size[:2]
    ):
        raise ValueError(
            f'{path}: dimensions must be height, width, frames, but got {size}'
        )
    # Two more statements of one fact, where they are made.
    nframes = mat.get('nframes', np.array(num)).ravel().tolist()
    for key, value in (
        ('nframes', nframes),
        ('dimensions', size[2:] or [num]),
    ):
        if value != [num]:
            raise ValueError(
                f'{path}: {key} says {shown(value)} frames, but x, y and '
                f'visibility have {num} rows; download or write it again'
            )
    if mat['train'].size != 1 or mat['train'].item() not in (1, -1):
        raise ValueError(
            f'{path}: train must be 1 or -1, but got '
            f'{mat["train"].ravel()[:3].tolist()}'
        )
    return num, int(size[0]), int(size[1])


def _hidden_by(mat: dict, path: str) -> np.ndarray | None:
    values = mat.get('hidden_by')
    if values is None:
        return None
    if values.shape != mat['x'].shape:
        raise ValueError(
            f'{path}: hidden_by must be n x {NUM_JOINTS} as x and y, but got '
            f'{values.shape}; write it again'
        )
    if not np.isin(values, range(len(HIDDEN_BY))).all():
        raise ValueError(
            f'{path}: hidden_by must hold numbers from 0 to '
            f'{len(HIDDEN_BY) - 1}; write it again'
        )
    return values.astype(np.uint8)


def _clip_boxes(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    limit = np.array([width - 1, height - 1] * 2, dtype=np.float64)
    return np.clip(boxes, 0, limit)


def _usable(boxes: np.ndarray) -> np.ndarray:
    """(n,) bool: at least one pixel wide and high."""
    return ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)


def mend_boxes(
    boxes: np.ndarray,
    keypoints: np.ndarray,
    labeled: np.ndarray,
    width: int,
    height: int,
) -> np.ndarray:
    """Give every frame a box of at least one pixel inside the picture.

    A frame without a usable box takes the extent of its labelled joints,
    widened by ``BOX_MARGIN`` of the longer side on each side; without that,
    the box of the nearest frame that has one of its own (the earlier of two);
    without that, the whole picture.

    Args:
        boxes: (n, 4), x1 y1 x2 y2, 0-based pixels, may hold NaN.
        keypoints: (n, K, 2), 0-based pixels.
        labeled: (n, K) bool.
        width: Of the picture.
        height: Of the picture.

    Returns:
        np.ndarray: (n, 4).
    """
    boxes = _clip_boxes(boxes, width, height)
    own = np.flatnonzero(_usable(boxes))
    for frame in np.setdiff1d(np.arange(len(boxes)), own):
        points = keypoints[frame][labeled[frame]]
        if len(points):
            low, high = points.min(axis=0), points.max(axis=0)
            margin = BOX_MARGIN * (high - low).max()
            box = np.concatenate([low - margin, high + margin])
            box = _clip_boxes(box[None], width, height)
            if _usable(box)[0]:
                boxes[frame] = box[0]
                continue
        if len(own):
            boxes[frame] = boxes[own[np.abs(own - frame).argmin()]]
        else:
            boxes[frame] = (0, 0, width - 1, height - 1)
    return boxes


def _fit_boxes(
    raw: np.ndarray, num: int, width: int, height: int, repairs: Counter
) -> np.ndarray:
    """Bring raw boxes to n rows; count what is irregular about them."""
    given = len(raw) if raw.size else 0
    boxes = np.full((num, 4), np.nan)
    if raw.size:
        boxes[:given] = raw[:num].astype(np.float64) - 1
    repairs['boxes missing'] += max(0, num - given)
    repairs['boxes beyond the last frame'] += max(0, given - num)

    boxes_given = boxes[:given]
    finite = is_place(boxes_given).all(axis=1)
    repairs['boxes not finite'] += int((~finite).sum())
    boxes_given[~finite] = np.nan
    boxes_given = boxes_given[finite]
    sides = boxes_given[:, 2:] - boxes_given[:, :2]
    empty = (sides <= 0).any(axis=1)
    repairs['zero-area boxes'] += int(empty.sum())
    inside = _clip_boxes(boxes_given, width, height)
    repairs['boxes clipped to the picture'] += int(
        (inside != boxes_given).any(axis=1).sum()
    )
    repairs['boxes under one pixel in the picture'] += int(
        (~_usable(inside) & ~empty).sum()
    )
    return boxes


def parse_penn_label(data: bytes, path: str) -> PennLabel:
    """Read a label file.

    Args:
        data: Content of ``labels/NNNN.mat``: ``x``, ``y``, ``visibility``
            n x 13, ``bbox`` n x 4 (x1 y1 x2 y2), ``train``, ``dimensions``
            (h, w, n); coordinates are 1-based pixels of any number type.
            Those of the generator also have ``hidden_by`` n x 13.
        path: For error messages.

    Returns:
        PennLabel: One row per frame; no frame is left out.

    Raises:
        ValueError: The file is unreadable, lacks a variable or holds
            something else than numbers in one, or its arrays (other than
            ``bbox``) do not fit together.
    """
    mat = read_arrays(
        data,
        path,
        'a Penn Action label',
        needed=('x', 'y', 'visibility', 'bbox', 'train', 'dimensions'),
        optional=('nframes', 'hidden_by'),
    )
    num, height, width = _check_shapes(mat, path)
    repairs: Counter = Counter()

    # To float before the 1 is taken off: some files hold uint8, whose zeros
    # would turn into 255.
    points = np.stack(
        [mat[key].astype(np.float64) for key in ('x', 'y')], axis=-1
    )
    visible = mat['visibility'] > 0
    finite = is_place(points).all(axis=-1)
    points[~finite] = np.nan
    x, y = points[..., 0], points[..., 1]
    placeholder = is_placeholder(x, y, visible)
    labeled = finite & ~placeholder
    visible = visible & finite
    keypoints = points - 1

    repairs['placeholder joints'] += int(placeholder.sum())
    repairs['NaN joints'] += int((~finite).sum())
    repairs['frames without visible joint'] += int(
        (~visible.any(axis=1)).sum()
    )
    outside = (keypoints < 0) | (keypoints > [width - 1, height - 1])
    repairs['visible joints outside the picture'] += int(
        (outside.any(axis=-1) & visible).sum()
    )

    boxes = _fit_boxes(mat['bbox'], num, width, height, repairs)
    boxes = mend_boxes(boxes, keypoints, labeled, width, height)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    keypoints = np.where(labeled[..., None], keypoints, centre[:, None])
    return PennLabel(
        bbox=boxes.astype(np.float32),
        keypoints=keypoints.astype(np.float32),
        visible=visible,
        labeled=labeled,
        size=(width, height),
        train=int(mat['train'].item()) == 1,
        repairs=+repairs,
        hidden_by=_hidden_by(mat, path),
    )
