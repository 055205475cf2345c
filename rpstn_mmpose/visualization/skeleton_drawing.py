# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Draw a pose: joints and links in the colours of the data set's metainfo."""

from __future__ import annotations

from typing import Mapping, Sequence, Tuple

import cv2
import numpy as np

Color = Tuple[int, int, int]

# BGR. Red is no colour of a left, right or middle limb.
WRONG: Color = (40, 40, 255)
OUTLINE: Color = (25, 25, 25)

# OpenCV draws at 1/16 pixel when told that coordinates are in such units.
_SHIFT = 4
# A ring is a little larger than a disc, so that its middle can be seen.
_RING = 1.4

# Beyond this many pixels OpenCV's fixed point numbers would overflow.
_FAR = 10000


def line_thickness(height: int, width: int) -> int:
    """Thickness of links for pictures of this size, pixels."""
    return max(1, round(min(height, width) / 150))


def _fixed(point: Sequence[float]) -> tuple[int, int]:
    x, y = (round(float(c) * 2**_SHIFT) for c in point)
    return x, y


def draw_segment(
    image: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    color: Color,
    thickness: int,
    dashed: bool = False,
) -> None:
    """Draw a line in place, anti-aliased, at sub-pixel position.

    Args:
        image: (H, W, 3) uint8.
        start: (x, y), pixels.
        end: (x, y), pixels.
        color: In the image's channel order.
        thickness: Pixels.
        dashed: Dashes and gaps of about three times the thickness.
    """
    pieces = [(0.0, 1.0)]
    if dashed:
        dash = 3.0 * thickness + 2
        # An odd number of parts: the line starts and ends with a dash.
        parts = int(np.hypot(*(end - start)) / dash) // 2 * 2 + 1
        # OpenCV's round ends reach into the gaps.
        cap = 0.5 * (thickness + 1) / dash
        pieces = [
            ((i + cap) / parts, (i + 1 - cap) / parts)
            for i in range(0, parts, 2)
        ]
    for first, last in pieces:
        cv2.line(
            image,
            _fixed(start + first * (end - start)),
            _fixed(start + last * (end - start)),
            color,
            thickness,
            cv2.LINE_AA,
            _SHIFT,
        )


def draw_joint(
    image: np.ndarray,
    point: np.ndarray,
    color: Color,
    radius: int,
    hollow: bool = False,
) -> None:
    """Draw a disc with a dark outline in place, or a ring.

    Args:
        image: (H, W, 3) uint8.
        point: (x, y), pixels.
        color: In the image's channel order.
        radius: Pixels.
        hollow: Draw a ring, whose middle stays as it is.
    """
    centre = _fixed(point)
    if hollow:
        ring = _fixed((_RING * radius, 0))[0]
        bold = max(1, (radius + 1) // 2)
        cv2.circle(image, centre, ring, OUTLINE, bold + 2, cv2.LINE_AA, _SHIFT)
        cv2.circle(image, centre, ring, color, bold, cv2.LINE_AA, _SHIFT)
        return
    edge = radius + max(1, radius // 3)
    cv2.circle(
        image, centre, _fixed((edge, 0))[0], OUTLINE, -1, cv2.LINE_AA, _SHIFT
    )
    cv2.circle(
        image, centre, _fixed((radius, 0))[0], color, -1, cv2.LINE_AA, _SHIFT
    )


def draw_wrong_ring(image: np.ndarray, point: np.ndarray, radius: int) -> None:
    """Draw in place the red ring that marks a wrong joint.

    Args:
        image: (H, W, 3) uint8, BGR.
        point: (x, y), pixels.
        radius: Of the joint that it goes around, pixels.
    """
    cv2.circle(
        image,
        _fixed(point),
        _fixed((2.4 * radius, 0))[0],
        WRONG,
        max(2, radius // 2),
        cv2.LINE_AA,
        _SHIFT,
    )


def _bgr(color: Sequence[int]) -> Color:
    return tuple(int(c) for c in reversed(list(color)))


def _step_back(
    point: np.ndarray, towards: np.ndarray, distance: float
) -> np.ndarray:
    """Move a point by a distance, half of the way at most."""
    length = np.hypot(*(towards - point))
    return point + (towards - point) * min(0.5, distance / max(length, 1e-6))


def draw_pose(
    image: np.ndarray,
    keypoints: np.ndarray,
    meta: Mapping,
    visible: np.ndarray | None = None,
    shown: np.ndarray | None = None,
    wrong: np.ndarray | None = None,
    thickness: int | None = None,
) -> np.ndarray:
    """Draw one pose.

    Visible joints are filled and their links solid; occluded joints are
    hollow and links with an occluded end dashed. Joints that are not finite
    are left out with their links; what lies outside of the picture is cut
    off.

    Args:
        image: (H, W, 3) uint8, BGR; stays as it is.
        keypoints: (K, 2), pixels of ``image``.
        meta: A data set's metainfo: ``skeleton_links`` (pairs of indices),
            ``skeleton_link_colors`` and ``keypoint_colors`` (RGB, as in
            MMPose's files).
        visible: (K,), nonzero where visible. None: all.
        shown: (K,), nonzero where to be drawn. None: all.
        wrong: (K,), nonzero where to be marked with a red ring. None: none.
        thickness: Of the links, pixels. None: by the picture's size.

    Returns:
        np.ndarray: (H, W, 3) uint8, BGR.

    Raises:
        ValueError: Arrays that do not fit each other or the metainfo.
    """
    keypoints = np.asarray(keypoints, np.float64)
    colors = [_bgr(color) for color in meta['keypoint_colors']]
    if keypoints.shape != (len(colors), 2):
        raise ValueError(
            f'draw_pose: keypoints must be {len(colors)} x 2 as '
            f'the metainfo says, but got {keypoints.shape}'
        )
    flags = []
    for name, mask, default in (
        ('visible', visible, True),
        ('shown', shown, True),
        ('wrong', wrong, False),
    ):
        mask = (
            np.full(len(colors), default)
            if mask is None
            else (np.asarray(mask) > 0)
        )
        if mask.shape != (len(colors),):
            raise ValueError(
                f'draw_pose: {name} must have {len(colors)} '
                f'entries, but got shape {mask.shape}'
            )
        flags.append(mask)
    visible, shown, wrong = flags
    with np.errstate(invalid='ignore'):
        shown = shown & (np.abs(keypoints) < _FAR).all(axis=1)

    image = image.copy()
    if thickness is None:
        thickness = line_thickness(*image.shape[:2])
    radius = thickness + max(1, thickness // 2)
    links = meta.get('skeleton_links', ())
    for (i, j), color in zip(links, meta.get('skeleton_link_colors', ())):
        if shown[i] and shown[j]:
            # Into the middle of a disc, up to the edge of a ring.
            start, end = (
                _step_back(
                    keypoints[a],
                    keypoints[b],
                    0 if visible[a] else _RING * radius,
                )
                for a, b in ((i, j), (j, i))
            )
            draw_segment(
                image,
                start,
                end,
                _bgr(color),
                thickness,
                dashed=not (visible[i] and visible[j]),
            )
    for k in np.flatnonzero(shown):
        draw_joint(
            image, keypoints[k], colors[k], radius, hollow=not visible[k]
        )
        if wrong[k]:
            draw_wrong_ring(image, keypoints[k], radius)
    return image
