# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

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
        'x1 < x2 and y1 < y2; mend it in the data set')
