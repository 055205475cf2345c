# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""From a decoded frame to the picture that is to be shown."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cv2
import numpy as np

# Beyond it, the sample aspect ratio is a mistake.
_MAX_RATIO = 8


def square_size(
    width: int, height: int, ratio: Fraction | None
) -> tuple[int, int]:
    """Size with square pixels; the shorter side in pixels is stretched.

    Args:
        width: As coded.
        height: As coded.
        ratio: Width of a pixel by its height; None or 0: unknown, square.

    Returns:
        tuple[int, int]: Width and height.

    Examples:
        >>> square_size(96, 96, Fraction(4, 3))
        (128, 96)
        >>> square_size(720, 480, Fraction(8, 9))
        (720, 540)
    """
    if not ratio or not 1 / _MAX_RATIO <= ratio <= _MAX_RATIO:
        return width, height
    if ratio >= 1:
        return round(width * ratio), height
    return width, round(height / ratio)


def display_matrix(frame: Any) -> tuple[int, int, int, int]:
    """How a frame is to be turned and mirrored.

    Args:
        frame (av.VideoFrame): With the container's matrix, if it has one.

    Returns:
        tuple[int, int, int, int]: a, b, c, d of the display matrix; the
        pixel at (x, y) is shown at (a x + c y, b x + d y), up to an offset.
    """
    for data in frame.side_data:
        if data.type.name == 'DISPLAYMATRIX':
            a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
            return a, b, c, d
    return 1, 0, 0, 1


def turn(image: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Turn and mirror a picture, by the nearest quarter of a turn.

    Args:
        image: (H, W, 3).
        matrix: See :func:`display_matrix`.

    Returns:
        np.ndarray: (H, W, 3) or (W, H, 3).
    """
    a, b, c, d = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        right, down = a, d
    else:
        image, right, down = image.swapaxes(0, 1), c, b
    if right < 0:
        image = image[:, ::-1]
    if down < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)


def fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a picture into a size; black beside it where the shape differs.

    Args:
        image: (H, W, 3) uint8.
        size: Width and height.

    Returns:
        np.ndarray: The picture in the size.
    """
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    scale = min(size[0] / width, size[1] / height)
    new = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    result = np.zeros((size[1], size[0], 3), np.uint8)
    x, y = (size[0] - new[0]) // 2, (size[1] - new[1]) // 2
    result[y : y + new[1], x : x + new[0]] = cv2.resize(
        image, new, interpolation=way
    )
    return result


def to_bgr(frame: Any, ratio: Fraction | None) -> np.ndarray:
    """The picture as it is to be shown: pixels square, upright, 8 bits.

    Args:
        frame (av.VideoFrame): Of any format that FFmpeg can convert.
        ratio: See :func:`square_size`.

    Returns:
        np.ndarray: (H, W, 3) uint8, BGR.
    """
    width, height = square_size(frame.width, frame.height, ratio)
    image = frame.to_ndarray(format='bgr24', width=width, height=height)
    return turn(image, display_matrix(frame))
