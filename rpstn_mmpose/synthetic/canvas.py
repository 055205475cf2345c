# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Anti-aliased, motion-blurred, textured shapes, and who owns which pixel.

Picture coordinates are those of the labels: 0-based, integers at the centres
of pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

# Polygons are handed over in 1/16 pixels.
_SHIFT = 4
# Corners of every outline; round shapes look round at the sizes in use.
CORNERS = 24
_ANGLES = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


def hull(centers: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Convex outline round several discs.

    Two discs make a limb with round ends, four a torso. Each corner is the
    farthest point of any disc in one of ``CORNERS`` directions.

    Args:
        centers (np.ndarray): ... x d x 2 in pixels.
        radii (np.ndarray): ... x d, pixels, same leading shape (or 1s).

    Returns:
        np.ndarray: ... x CORNERS x 2.
    """
    reach = centers @ CIRCLE.T + radii[..., None]
    best = reach.argmax(axis=-2)
    chosen = np.take_along_axis(centers, best[..., None], axis=-2)
    radii = np.broadcast_to(radii, centers.shape[:-1])
    radius = np.take_along_axis(radii, best, axis=-1)
    return chosen + radius[..., None] * CIRCLE


def texture_maps(
    start: np.ndarray,
    end: np.ndarray,
    half_width: np.ndarray,
    shape: tuple[int, int],
) -> np.ndarray:
    """Affine maps that lay a texture along limbs.

    The first row lies at ``start``, the last at ``end``; columns run across,
    from left to right as seen when the limb points down the picture.

    Args:
        start (np.ndarray): ... x 2 in pixels.
        end (np.ndarray): ... x 2 in pixels.
        half_width (np.ndarray): ..., pixels from the axis to the first column.
        shape (tuple): Rows and columns of the texture.

    Returns:
        np.ndarray: ... x 2 x 3, texture (column, row) to picture (x, y).
    """
    axis = np.asarray(end, dtype=np.float64) - start
    length = np.linalg.norm(axis, axis=-1, keepdims=True)
    unit = np.where(length > 1e-6, axis / np.maximum(length, 1e-6), [0.0, 1.0])
    half = np.maximum(half_width, 1e-3)[..., None]
    # A limb that points at the camera still needs an invertible map.
    along = unit * np.maximum(length, 0.3 * half) / (shape[0] - 1)
    across = np.stack([unit[..., 1], -unit[..., 0]], axis=-1)
    across = across * 2 * half / (shape[1] - 1)
    origin = start - across * (shape[1] - 1) / 2
    return np.stack([across, along, origin], axis=-1)


def fixed_point(polygons: np.ndarray) -> np.ndarray:
    """Pixels to the integers that :meth:`Canvas.paint` takes."""
    return np.rint(polygons * (1 << _SHIFT)).astype(np.int32)


class Canvas:
    """Picture under construction.

    Args:
        size (tuple): Width and height in pixels.
        image (np.ndarray, optional): Background, H x W x 3 BGR float32, drawn
            on in place. None keeps only the owners.

    Attributes:
        owner (np.ndarray): H x W uint8, identifier of whatever was drawn last
            over a pixel for more than half of the exposure; 0 is the
            background.
    """

    def __init__(
        self, size: tuple[int, int], image: np.ndarray | None = None
    ) -> None:
        self.size = size
        self.image = image
        self.owner = np.zeros((size[1], size[0]), np.uint8)

    def paint(
        self,
        outlines: np.ndarray,
        box: tuple[int, int, int, int],
        texture: np.ndarray | None,
        matrix: np.ndarray | None,
        identifier: int,
        convex: bool = True,
    ) -> None:
        """Draw a moving polygon, filled with a texture.

        Args:
            outlines (np.ndarray): moments x corners x 2, from
                :func:`fixed_point`; the shape at equally long parts of the
                exposure. Their mean is the motion blur.
            box (tuple): Left, top, right, bottom of all outlines, pixels.
            texture (np.ndarray, optional): h x w x 3 BGR float32; its border
                goes on forever. Unused without a picture.
            matrix (np.ndarray, optional): 2 x 3, from :func:`texture_maps`.
            identifier (int): 1 to 255, written to ``owner``.
            convex (bool): Whether every outline is convex (faster).
        """
        left, top = max(box[0] - 1, 0), max(box[1] - 1, 0)
        right = min(box[2] + 2, self.size[0])
        bottom = min(box[3] + 2, self.size[1])
        if right <= left or bottom <= top:
            return
        shape = (bottom - top, right - left)
        local = outlines - np.array(
            [left << _SHIFT, top << _SHIFT], outlines.dtype
        )
        alpha = np.zeros(shape, np.float32)
        for outline in local:
            mask = np.zeros(shape, np.uint8)
            if convex:
                cv2.fillConvexPoly(mask, outline, 255, cv2.LINE_AA, _SHIFT)
            else:
                cv2.fillPoly(mask, [outline], 255, cv2.LINE_AA, _SHIFT)
            cv2.accumulate(mask, alpha)
        alpha *= np.float32(1 / (255 * len(local)))
        self.owner[top:bottom, left:right][alpha > 0.5] = identifier
        if self.image is None:
            return
        matrix = matrix.copy()
        matrix[0, 2] -= left
        matrix[1, 2] -= top
        colors = cv2.warpAffine(
            texture,
            matrix,
            (right - left, bottom - top),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        region = self.image[top:bottom, left:right]
        region[:] = cv2.blendLinear(colors, region, alpha, 1 - alpha)
