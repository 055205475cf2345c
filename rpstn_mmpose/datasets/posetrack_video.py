# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a PoseTrack file tells, taken apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class PersonLabel(NamedTuple):
    """One annotation; 0-based pixels.

    Attributes:
        row: Index of the frame in the video.
        bbox: (4,), x1 y1 x2 y2, inside the picture; None: no usable box.
        keypoints: (K, 2), finite; 0, 0 where not labelled.
        visible: (K,) bool.
        labeled: (K,) bool.
        scores: (K,), how far the joints can be trusted; None: not told.
    """

    row: int
    bbox: np.ndarray | None
    keypoints: np.ndarray
    visible: np.ndarray
    labeled: np.ndarray
    scores: np.ndarray | None = None


@dataclass
class PoseTrackVideo:
    """One sequence; its n frames are in order of time.

    Attributes:
        video_id: Name of the sequence.
        frame_ids: n numbers, as in the file names.
        image_ids: n numbers of PoseTrack's own; -1 for frames that the file
            does not list.
        file_names: n paths below the image folder.
        sizes: (n, 2) int, width and height of the frames as the file tells
            them, pixels; 0, 0 where it does not.
        labelled: (n,) bool, PoseTrack's ``is_labeled``.
        ignore_regions: ``image_id`` to polygons (m, 2) of people who are
            not annotated; images without such regions are not in it.
        people: Labels by ``(track_id, copy)`` in order of time. ``copy`` is 0
            but for a track that occurs more than once in a frame.
        repairs: Number of irregularities by kind.
    """

    video_id: str
    frame_ids: list[int]
    image_ids: list[int]
    file_names: list[str]
    sizes: np.ndarray
    labelled: np.ndarray
    ignore_regions: dict[int, list[np.ndarray]]
    people: dict[tuple[int, int], list[PersonLabel]]
    repairs: Counter

    def __len__(self) -> int:
        return len(self.frame_ids)


class ListedImage(NamedTuple):
    """What a file says of one frame.

    Attributes:
        id: PoseTrack's own number.
        file_name: With slashes.
        frame: Its number in the sequence.
        size: Width and height, pixels; None: not told.
        labelled: ``is_labeled``.
        nframes: Frames of the sequence; None: not told.
        regions: Polygons (m, 2).
    """

    id: int
    file_name: str
    frame: int
    size: tuple[int, int] | None
    labelled: bool
    nframes: Any
    regions: list[np.ndarray]
