# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import numpy as np


def inside_polygon(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which of (J, 2) points lie inside of a closed polygon (n, 2).

    By the number of edges that a ray to the right crosses; points on the
    border are not inside.
    """
    if len(polygon) < 3:
        return np.zeros(len(points), bool)
    x, y = points[:, None, 0], points[:, None, 1]
    (x1, y1), (x2, y2) = polygon.T, np.roll(polygon, -1, axis=0).T
    # Twice the area of the triangle of the point and the edge.
    side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)
    crosses = ((y1 > y) != (y2 > y)) & ((side > 0) == (y2 > y1))
    on_edge = (
        (side == 0)
        & (np.minimum(x1, x2) <= x)
        & (x <= np.maximum(x1, x2))
        & (np.minimum(y1, y2) <= y)
        & (y <= np.maximum(y1, y2))
    )
    return (crosses.sum(axis=1) % 2 == 1) & ~on_edge.any(axis=1)
