# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Draw tracked people into a frame."""

from __future__ import annotations

from typing import Mapping

import cv2
import numpy as np

from ..visualization import draw_pose
from ..visualization.skeleton_drawing import Color, line_thickness

# Neighbours in the list of ids get hues that are far apart.
_GOLDEN = 0.618034


def id_color(person_id: int) -> Color:
    """Colour of a person, BGR; grey for somebody who is not tracked."""
    if person_id < 0:
        return (160, 160, 160)
    hue = (0.08 + person_id * _GOLDEN) % 1
    pixel = np.uint8([[[round(hue * 179), 190, 255]]])
    return tuple(int(c) for c in cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0])


def _draw_label(
    image: np.ndarray, text: str, x: int, y: int, color: Color
) -> None:
    """Write dark on the colour, with the lower left corner at (x, y)."""
    scale = max(0.4, min(image.shape[:2]) / 900)
    font = cv2.FONT_HERSHEY_SIMPLEX
    (width, height), base = cv2.getTextSize(text, font, scale, 1)
    x = int(np.clip(x, 0, max(0, image.shape[1] - width - 6)))
    y = int(np.clip(y, height + base + 4, image.shape[0]))
    cv2.rectangle(
        image, (x, y - height - base - 4), (x + width + 6, y), color, -1
    )
    cv2.putText(
        image,
        text,
        (x + 3, y - base - 1),
        font,
        scale,
        (20, 20, 20),
        1,
        cv2.LINE_AA,
    )


def _draw_sigmas(
    image: np.ndarray, points: np.ndarray, sigmas: np.ndarray, color: Color
) -> None:
    """Ellipses of one sigma, (n, 2) points and half axes."""
    good = (np.isfinite(points) & np.isfinite(sigmas)).all(axis=1)
    good &= (np.abs(points) < 10000).all(axis=1)
    axes = np.clip(sigmas, 1, 10000)
    for center, axis in zip(points[good], axes[good]):
        cv2.ellipse(
            image,
            (center.tolist(), (2 * axis).tolist(), 0),
            color,
            1,
            cv2.LINE_AA,
        )


def draw_people(
    image: np.ndarray,
    instances: list[dict],
    meta: Mapping,
    kpt_thr: float = 0.3,
    draw_bbox: bool = True,
    thickness: int | None = None,
    note: str = '',
) -> np.ndarray:
    """Draw people with links and box in the colour of their id.

    Joints keep their metainfo's colours, which tell left from right. Around
    joints whose ``keypoint_sigmas`` are known an ellipse of one sigma is
    drawn. ``keypoints_hidden`` are hollow, with dashed links.

    Args:
        image: (H, W, 3) uint8, BGR; stays as it is.
        instances: With ``keypoints``, ``keypoint_scores``, ``track_id`` (-1
            or absent: not tracked) and, for the box, ``bbox``, as from
            :func:`mmpose.structures.split_instances`; and, where known,
            ``keypoint_sigmas`` (K, 2), pixels, and ``keypoints_hidden`` (K).
        meta: A data set's metainfo.
        kpt_thr: Joints with lower scores are left out.
        draw_bbox: Draw the box and the id.
        thickness: Of the links, pixels. None: by the picture's size.
        note: Written into the upper left corner.

    Returns:
        np.ndarray: (H, W, 3) uint8, BGR.
    """
    image = image.copy()
    for item in instances:
        person = int(item.get('track_id', -1))
        color = id_color(person)
        # A list in a list, by a comma too much in MMPose.
        box = np.reshape(item['bbox'], -1)[:4] if 'bbox' in item else None
        if draw_bbox and box is not None and np.isfinite(box).all():
            corners = np.clip(box, -10000, 10000).round().astype(int).tolist()
            line = max(1, (thickness or line_thickness(*image.shape[:2])) // 2)
            cv2.rectangle(image, corners[:2], corners[2:], color, line)
            if person >= 0:
                _draw_label(image, f'id {person}', *corners[:2], color)
        points = np.asarray(item['keypoints'], dtype=np.float64)[:, :2]
        shown = np.asarray(item['keypoint_scores']) >= kpt_thr
        if 'keypoint_sigmas' in item:
            _draw_sigmas(
                image,
                points[shown],
                np.asarray(item['keypoint_sigmas'])[shown],
                color,
            )
        hidden = item.get('keypoints_hidden')
        rgb = color[::-1]
        links = len(meta.get('skeleton_links', ()))
        image = draw_pose(
            image,
            points,
            dict(
                keypoint_colors=meta['keypoint_colors'],
                skeleton_links=meta.get('skeleton_links', ()),
                skeleton_link_colors=[rgb] * links,
            ),
            visible=None if hidden is None else np.logical_not(hidden),
            shown=shown,
            thickness=thickness,
        )
    if note:
        _draw_label(image, note, 4, 4, (60, 200, 255))
    return image
