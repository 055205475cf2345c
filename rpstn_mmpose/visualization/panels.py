# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Put pictures together: enlarged frames, captions, rows and a legend."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import cv2
import numpy as np

from .skeleton_drawing import draw_joint, draw_segment, draw_wrong_ring

BACKGROUND = (38, 34, 30)
TEXT = (240, 240, 240)
_FONT = cv2.FONT_HERSHEY_DUPLEX


class Placement(NamedTuple):
    """Where a frame went to on its canvas.

    Attributes:
        scale: Canvas pixels per frame pixel.
        offset: (2,) position of the frame's upper left corner.
    """

    scale: float
    offset: np.ndarray

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Frame pixels (..., 2) to canvas pixels, pixel centres at whole
        numbers in both.
        """
        points = np.asarray(points, np.float64)
        return (points + 0.5) * self.scale - 0.5 + self.offset


def fit_frame(
    frame: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, Placement]:
    """Scale a frame into a canvas, keep its aspect ratio, centre it.

    Frames are enlarged before anything is drawn on them, so that lines on
    small frames are crisp.

    Args:
        frame: (h, w, 3) uint8.
        size: Width and height of the canvas.

    Returns:
        tuple: The canvas (H, W, 3) and where the frame lies on it.
    """
    width, height = size
    h, w = frame.shape[:2]
    scale = min(width / w, height / h)
    new_w, new_h = max(1, round(w * scale)), max(1, round(h * scale))
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    resized = cv2.resize(frame, (new_w, new_h), interpolation=method)
    x, y = (width - new_w) // 2, (height - new_h) // 2
    canvas = np.full((height, width, 3), BACKGROUND, np.uint8)
    canvas[y : y + new_h, x : x + new_w] = resized
    return canvas, Placement(scale, np.array([x, y], np.float64))


def text_bar(
    text: str, width: int, height: int = 30, align: str = 'left'
) -> np.ndarray:
    """A bar with one line of text, made smaller where it would not fit.

    Args:
        text: Other than ASCII characters become '?' (OpenCV's fonts).
        width: Of the bar, pixels.
        height: Of the bar, pixels.
        align: ``'left'`` or ``'center'``.

    Returns:
        np.ndarray: (height, width, 3) uint8, BGR.
    """
    bar = np.full((height, width, 3), BACKGROUND, np.uint8)
    text = text.encode('ascii', 'replace').decode()
    margin = height // 3
    scale = height / 46
    (text_w, text_h), _ = cv2.getTextSize(text, _FONT, scale, 1)
    if text_w > width - 2 * margin:
        scale *= max(width - 2 * margin, 1) / text_w
        (text_w, text_h), _ = cv2.getTextSize(text, _FONT, scale, 1)
    x = margin if align == 'left' else max(0, (width - text_w) // 2)
    cv2.putText(
        bar,
        text,
        (x, (height + text_h) // 2),
        _FONT,
        scale,
        TEXT,
        1,
        cv2.LINE_AA,
    )
    return bar


def compose_panels(
    panels: Sequence[np.ndarray],
    captions: Sequence[str] | None = None,
    header: str | None = None,
    gap: int = 6,
) -> np.ndarray:
    """Set pictures of one size side by side.

    Args:
        panels: (H, W, 3) uint8 each.
        captions: A line of text above each. None: no lines.
        header: A line of text above all.
        gap: Pixels between neighbours.

    Returns:
        np.ndarray: uint8, BGR.

    Raises:
        ValueError: Sizes that differ, or another number of captions.
    """
    shapes = {panel.shape for panel in panels}
    if len(shapes) != 1 or (
        captions is not None and len(panels) != len(captions)
    ):
        raise ValueError(
            f'compose_panels: {len(panels)} pictures of shapes '
            f'{sorted(shapes)} with captions {captions}; they must be of one '
            'shape, with a caption each'
        )
    pieces: list[np.ndarray] = []
    for i, panel in enumerate(panels):
        if captions is not None:
            bar = text_bar(captions[i], panel.shape[1])
            panel = np.concatenate([bar, panel])
        if pieces:
            space = (len(panel), gap, 3)
            pieces.append(np.full(space, BACKGROUND, np.uint8))
        pieces.append(panel)
    row = np.concatenate(pieces, axis=1)
    if header is None:
        return row
    return np.concatenate([text_bar(header, row.shape[1], 36), row])


def stack_rows(rows: Sequence[np.ndarray], gap: int = 6) -> np.ndarray:
    """Set pictures below each other, padded to the widest.

    Args:
        rows: (H, W, 3) uint8 each.
        gap: Pixels between neighbours.

    Returns:
        np.ndarray: uint8, BGR.
    """
    width = max(row.shape[1] for row in rows)
    pieces: list[np.ndarray] = []
    for row in rows:
        if pieces:
            pieces.append(np.full((gap, width, 3), BACKGROUND, np.uint8))
        canvas = np.full((len(row), width, 3), BACKGROUND, np.uint8)
        canvas[:, : row.shape[1]] = row
        pieces.append(canvas)
    return np.concatenate(pieces)


def draw_legend(width: int, wrong_text: str, height: int = 34) -> np.ndarray:
    """A bar that explains the signs of :func:`draw_pose`.

    Args:
        width: Of the bar, pixels.
        wrong_text: What a red ring means.
        height: Of the bar, pixels.

    Returns:
        np.ndarray: (height, width, 3) uint8, BGR.
    """
    texts = ('visible', 'occluded', wrong_text)
    widths = [
        cv2.getTextSize(text, _FONT, height / 54, 1)[0][0] for text in texts
    ]
    glyph = 2 * height
    natural = sum(widths) + len(texts) * glyph + height
    bar = np.full((height, max(natural, 1), 3), BACKGROUND, np.uint8)
    color, radius, middle = (0, 200, 0), max(3, height // 7), height / 2
    x = height / 3
    for kind, (text, text_w) in enumerate(zip(texts, widths)):
        start = np.array([x, middle])
        centre = np.array([x + 0.7 * height, middle])
        for end in (start, 2 * centre - start):
            rim = centre + np.sign(end - centre) * 1.4 * radius
            draw_segment(bar, end, rim, color, 2, dashed=kind == 1)
        draw_joint(bar, centre, color, radius, hollow=kind == 1)
        if kind == 2:
            draw_wrong_ring(bar, centre, radius)
        cv2.putText(
            bar,
            text,
            (int(x + 1.65 * height), int(middle + height / 6)),
            _FONT,
            height / 54,
            TEXT,
            1,
            cv2.LINE_AA,
        )
        x += glyph + text_w
    if natural > width:
        return fit_frame(bar, (width, height))[0]
    space = np.full((height, width - natural, 3), BACKGROUND, np.uint8)
    return np.concatenate([bar, space], axis=1)
