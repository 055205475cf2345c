# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Where another shot begins, by the look of the frames around."""

from __future__ import annotations

from collections import deque
from typing import Iterable, Iterator, NamedTuple

import cv2
import numpy as np

from .source import Frame, FrameSource

# Frames that are looked at before and after a change.
NEIGHBOURS = 4
# Change of colours times change of structure, each 0 to 1. Measured between
# neighbouring frames of 12 real clips: 0.0009 at most; while a camera pans by
# a fifth of its view a frame, 0.004; at cuts, 0.023 and above, from one camera
# to another one of the same room.
_MIN_CHANGE = 0.015
# By how much a cut exceeds the median around it, which is high in whip pans.
_MIN_RATIO = 4
_SIZE = (64, 36)


class Look(NamedTuple):
    """What a frame looks like.

    Attributes:
        colors: Square roots of a histogram of hue, saturation and value.
        levels: The same of grey levels, for pictures without colours.
        small: Grey thumbnail, float32.
    """

    colors: np.ndarray
    levels: np.ndarray
    small: np.ndarray


def look_of(image: np.ndarray) -> Look:
    """Summarise a picture (H, W, 3), BGR."""
    step = max(1, min(image.shape[0] // 72, image.shape[1] // 128))
    small = cv2.resize(
        image[::step, ::step], _SIZE, interpolation=cv2.INTER_AREA
    )
    colors = cv2.calcHist(
        [cv2.cvtColor(small, cv2.COLOR_BGR2HSV)],
        [0, 1, 2],
        None,
        [8, 4, 8],
        [0, 180, 0, 256, 0, 256],
    ).ravel()
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    levels = cv2.calcHist([grey], [0], None, [64], [0, 256]).reshape(1, -1)
    levels = cv2.GaussianBlur(
        levels, (0, 0), 1.5, borderType=cv2.BORDER_REPLICATE
    ).ravel()
    return Look(
        np.sqrt(colors / colors.sum()),
        np.sqrt(levels / levels.sum()),
        cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1),
    )


def _unlike(whole: np.ndarray, part: np.ndarray) -> float:
    """1 - the correlation of a part with where it fits best."""
    if part.std() < 1:
        return float(whole.std() >= 1)
    found = cv2.matchTemplate(whole, part, cv2.TM_CCOEFF_NORMED).max()
    return float(1 - found)


def change(first: Look, second: Look) -> float:
    """How much two frames differ, 0 to 2.

    Colours stay while things and the camera move; structure, compared at the
    best shift, stays while the light changes. A cut changes both.
    """
    colors = max(
        1 - float(first.colors @ second.colors),
        1 - float(first.levels @ second.levels),
    )
    height, width = first.small.shape
    middle = np.s_[
        height // 4 : height - height // 4, width // 4 : width - width // 4
    ]
    structure = min(
        _unlike(first.small, second.small),
        _unlike(first.small, second.small[middle]),
        _unlike(second.small, first.small[middle]),
    )
    return colors * structure


def is_cut(looks: list[Look], place: int) -> bool:
    """Whether a shot begins at a frame.

    Args:
        looks: Of the frames around.
        place: Of the frame among them; not the first.
    """
    steps = [change(a, b) for a, b in zip(looks, looks[1:])]
    step = steps.pop(place - 1)
    if step < _MIN_CHANGE:
        return False
    if steps and step < _MIN_RATIO * float(np.median(steps)):
        return False
    # A flash is over after a few frames: the old picture comes back.
    returns = [(looks[place - 1], after) for after in looks[place + 1 :]]
    returns += [(looks[place], before) for before in looks[: place - 1]]
    return all(change(a, b) >= _MIN_CHANGE for a, b in returns)


def mark_shots(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Number the shots of a video.

    Frames come some later, so that it is not for live ones. Damaged frames
    are of the shot before them.

    Args:
        frames: Of the video.

    Yields:
        Frame: With ``shot``.
    """
    waiting: deque[tuple[Frame, Look | None]] = deque()
    past: deque[Look] = deque(maxlen=NEIGHBOURS)
    shot = 0
    error: Exception | None = None

    def done() -> Frame:
        nonlocal shot
        frame, look = waiting.popleft()
        if look is not None:
            later = [item for _, item in waiting if item is not None]
            if past and is_cut([*past, look, *later], len(past)):
                shot += 1
            past.append(look)
        frame.shot = shot
        return frame

    try:
        while True:
            try:
                frame = next(frames)
            except StopIteration:
                break
            except (OSError, ValueError) as reason:
                # First what was read before.
                error = reason
                break
            look = None if frame.damaged else look_of(frame.image)
            waiting.append((frame, look))
            if len(waiting) > NEIGHBOURS:
                yield done()
        while waiting:
            yield done()
    finally:
        frames.close()
    if error is not None:
        raise error


def shots_of(source: FrameSource, cuts: bool | None) -> Iterable[Frame]:
    """The frames of a source, with the numbers of their shots.

    Args:
        source: The video.
        cuts: Whether to look for cuts; frames then come four late. None: if
            nobody waits for live ones.
    """
    if cuts or (cuts is None and not source.live):
        return mark_shots(iter(source))
    return source
