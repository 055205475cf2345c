# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...structures import VideoPeople
from .base_tracker import BaseTracker
from .motion_tracker import MotionTracker


def track_boxes(
    people: VideoPeople, tracker: BaseTracker | None = None
) -> VideoPeople:
    """Give ids to people that a file holds the boxes of.

    Args:
        people: With ids, which are kept if all have one, or without.
        tracker: Default: a :class:`MotionTracker`.

    Returns:
        VideoPeople: Without those that the tracker leaves out.
    """
    if (people.track_ids >= 0).all():
        return people
    tracker = tracker or MotionTracker()
    boxes = people.boxes_by_frame()
    nobody = np.zeros((0, 5), np.float32)
    ids = []
    # A frame that the file does not name is a frame of nobody.
    for frame in range(max(people.frames) + 1):
        found = boxes.get(frame, nobody)
        ids.append(tracker.update(found[:, :4], found[:, 4]))
    people = replace(people, track_ids=np.concatenate(ids).astype(int))
    return people.take(people.track_ids >= 0)
