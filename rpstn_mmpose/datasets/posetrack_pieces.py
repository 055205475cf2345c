# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Cut a person's labels into tracks whose boxes are all known."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np

from .posetrack_video import PersonLabel

# Side of the box of a person of whom no frame tells a size.
LONE_SIDE = 32.0


class Piece(NamedTuple):
    """A part of a person's track whose boxes are all known.

    Attributes:
        rows: (m,) consecutive frame indices of the video.
        bbox: (m, 4), those without label interpolated or held.
        labels: The labels inside, by index into ``rows``.
    """

    rows: np.ndarray
    bbox: np.ndarray
    labels: dict[int, PersonLabel]


def person_pieces(
    labels: Sequence[PersonLabel],
    frame_ids: Sequence[int],
    max_gap: int,
    before: int = 0,
    after: int = 0,
    min_rows: int = 1,
) -> list[Piece]:
    """Cut a person's labels into tracks without long gaps.

    Between two labelled frames at most ``max_gap`` frames apart the box is
    interpolated; a longer gap is a cut. At both ends of a piece the box is
    held, over at most ``max_gap`` frames and inside of the video.

    Args:
        labels: In order of time.
        frame_ids: Numbers of the video's frames.
        max_gap: Frames.
        before: Frames wanted in front of a piece.
        after: Frames wanted behind a piece.
        min_rows: Frames that a piece should have; more are added behind it,
            then in front of it.

    Returns:
        list[Piece]: In order of time.
    """
    numbers = np.asarray(frame_ids)
    rows = np.array([label.row for label in labels])
    cuts = np.flatnonzero(np.diff(numbers[rows]) > max_gap) + 1
    pieces = []
    for part in np.split(np.arange(len(rows)), cuts):
        first, last = int(rows[part[0]]), int(rows[part[-1]])
        near = np.flatnonzero(
            (numbers >= numbers[first] - max_gap)
            & (numbers <= numbers[last] + max_gap)
        )
        begin = max(first - before, near[0])
        end = min(last + after, near[-1])
        end = min(max(end, begin + min_rows - 1), near[-1])
        begin = max(min(begin, end - min_rows + 1), near[0])
        inside = np.arange(begin, end + 1)
        found = [labels[i] for i in part]
        pieces.append(
            Piece(
                rows=inside,
                bbox=_fill_boxes(found, numbers, inside),
                labels={label.row - begin: label for label in found},
            )
        )
    return pieces


def _fill_boxes(
    labels: Sequence[PersonLabel], numbers: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    known = [label for label in labels if label.bbox is not None]
    if not known:
        # Joints without extent in every frame: their place, and some size.
        known = [
            label._replace(bbox=_lone_box(label.keypoints[label.labeled]))
            for label in labels
        ]
    times = numbers[[label.row for label in known]]
    boxes = np.stack([label.bbox for label in known])
    return np.stack(
        [np.interp(numbers[rows], times, side) for side in boxes.T], axis=1
    )


def _lone_box(points: np.ndarray) -> np.ndarray:
    low, high = points.min(axis=0), points.max(axis=0)
    half = np.maximum(high - low, LONE_SIDE) / 2
    return np.concatenate([(low + high) / 2 - half, (low + high) / 2 + half])
