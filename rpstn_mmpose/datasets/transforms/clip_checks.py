# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

import numpy as np


def check_clip_boxes(results: dict, owner: str) -> None:
    """Refuse a box that no crop can be made of.

    Args:
        results: A sample with ``bbox`` (T, 4), x1 y1 x2 y2; ``video_id`` and
            ``frame_ids`` name the frame in the message.
        owner: Name of the class that asks.

    Raises:
        ValueError: A box that is not finite or has no area.
    """
    boxes = np.asarray(results['bbox'], dtype=np.float64)
    # NaN fails the comparison too, infinite boxes need the second test.
    good = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    good &= np.isfinite(boxes).all(axis=1)
    if good.all():
        return
    row = int(np.flatnonzero(~good)[0])
    frame_ids = results.get('frame_ids')
    frame = frame_ids[row] if frame_ids is not None else row
    raise ValueError(
        f'{owner}: the box {boxes[row].tolist()} of video '
        f'{results.get("video_id", "?")}, frame {frame}, must be finite with '
        'x1 < x2 and y1 < y2; mend it in the data set'
    )


def check_frame_sizes(
    sizes: np.ndarray | None,
    shape: tuple[int, int],
    paths: Sequence[str] | None,
    video: str,
    owner: str,
) -> None:
    """Refuse frames of another size than the one that was labelled.

    Places in the label would be wrong in them, and nothing would tell.

    Args:
        sizes: (T, 2) int, width and height as the label tells them; 0, 0
            where it does not. None: nowhere.
        shape: Height and width of the T frames as they were read.
        paths: Of the frames; None: they were in memory.
        video: Name of the video, or file, that the label is of.
        owner: Name of the class that asks.

    Raises:
        ValueError: They differ.
    """
    if sizes is None:
        return
    height, width = shape[:2]
    for row, (told_width, told_height) in enumerate(sizes.tolist()):
        if told_width and (told_width, told_height) != (width, height):
            where = f'frame {row}' if paths is None else paths[row]
            raise ValueError(
                f'{owner}: {where} is {width}x{height} pixels, but the label '
                f'of {video} is of {told_width}x{told_height}; extract the '
                'frames at the size that was labelled, or scale the label '
                'with them'
            )
