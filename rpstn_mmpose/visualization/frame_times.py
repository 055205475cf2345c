# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""When the frames of a video are shown."""

from __future__ import annotations

import json
import math
import os


def read_times(path: str | os.PathLike) -> list[float] | None:
    """Times of all frames in a file that
    :class:`~rpstn_mmpose.apis.VideoPoseInferencer` wrote.

    Args:
        path: Of the ``.json`` file, one that can be read.

    Returns:
        list[float] | None: Seconds from the first frame, rising. None: not
        all of them are told, or they do not rise.
    """
    with open(path, encoding='utf-8') as file:
        records = json.load(file)['instance_info']
    times = [record.get('time') for record in records]
    if not all(
        isinstance(time, (int, float)) and math.isfinite(time)
        for time in times
    ):
        return None
    rising = all(a < b for a, b in zip(times, times[1:]))
    return times if rising and times[:1] == [0] else None
