# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Videos of which only some frames count as labelled."""

from __future__ import annotations

import zlib
from collections import defaultdict
from typing import Sequence

import numpy as np

from .tracks import Track


def annotated_frames(track: Track) -> np.ndarray:
    """Numbers of a track's labelled frames."""
    frames = np.asarray(track.frame_ids)
    if track.annotated is None:
        return frames
    return frames[np.asarray(track.annotated, dtype=bool)]


def keep_every(
    tracks: Sequence[Track], every: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Let every k-th labelled frame of each video alone count as labelled.

    The others stay, as frames that may surround others. Frames are counted
    video by video, whoever is in them; where counting begins is drawn from
    the first k, by the seed and the video's name, so that it does not depend
    on the other videos.

    Args:
        tracks: Of a data set; their ``annotated`` is changed.
        every: k.
        seed: Of the draw.

    Returns:
        dict[str, np.ndarray]: Frames that are labelled now, by video.

    Raises:
        ValueError: k below 1.
    """
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(
            f'label_every must be an integer of at least 1, but got {every!r}'
        )
    videos: dict[str, list[Track]] = defaultdict(list)
    for track in tracks:
        videos[track.video_id].append(track)
    kept = {}
    for video, people in videos.items():
        frames = np.unique(np.concatenate(list(map(annotated_frames, people))))
        random = np.random.RandomState([seed, zlib.crc32(video.encode())])
        first = min(random.randint(every), max(len(frames) - 1, 0))
        kept[video] = frames[first::every]
        for track in people:
            labelled = np.isin(track.frame_ids, kept[video])
            if track.annotated is not None:
                labelled &= np.asarray(track.annotated, dtype=bool)
            track.annotated = labelled
    return kept
