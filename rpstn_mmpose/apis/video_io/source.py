# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Frames in, one at a time; damaged ones are bridged, not lost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Iterator, NamedTuple

import numpy as np

DEFAULT_FPS = 25
# Times that go back by more than this are those of another recording.
_RESTART = 0.5


@dataclass
class Frame:
    """One frame of a source.

    Attributes:
        index: From 0.
        image: (H, W, 3) uint8, BGR. In the place of a damaged frame the last
            good one, or black where there is none.
        damaged: What is wrong with the frame; empty where nothing is.
        path: Of the image file; empty for videos and cameras.
        time: Seconds since the first frame; it rises from frame to frame.
        shot: Number of the shot that it is in, from 0, where they are told.
    """

    index: int
    image: np.ndarray
    damaged: str = ''
    path: str = ''
    time: float = 0.0
    shot: int = 0


class Reading(NamedTuple):
    """What a source found in the place of a frame.

    Attributes:
        image: (H, W, 3) uint8, BGR; None where it is damaged.
        damaged: What is wrong with it.
        path: Of the image file.
        time: Seconds, from any origin; None: frames come at ``fps``.
    """

    image: np.ndarray | None
    damaged: str = ''
    path: str = ''
    time: Fraction | float | None = None


class Clock:
    """Times of frames, from 0 and always rising.

    Args:
        fps: Frames a second, of frames that have no times.
    """

    def __init__(self, fps: float | Fraction) -> None:
        self.interval = 1 / fps
        self._origin: Fraction | float = 0
        self._last: Fraction | float | None = None

    def at(self, index: int, time: Fraction | float | None) -> float:
        """Seconds since the first frame.

        Args:
            index: Of the frame.
            time: As the source tells it.
        """
        if time is None:
            return float(index * self.interval)
        if self._last is None:
            self._origin, self._last = time, time - time
            return 0.0
        now = time - self._origin
        if now <= self._last:
            if self._last - now > _RESTART:
                # Another recording begins, such as in joined files.
                self._origin -= self._last + self.interval - now
                now = self._last + self.interval
            else:
                # Two frames of one time: both are shown, and in this order.
                now = self._last + self.interval / 8
        self._last = now
        return float(now)


class FrameSource(ABC):
    """Frames in order of time, read when asked for.

    Cameras, addresses and generators can be iterated once, all else any
    number of times. Damaged frames in front of the first good one, which
    tells the size, are given together with it.

    Attributes:
        name: For files that are made of the source, without ending.
        fps: Frames a second; the mean where the rate varies.
        size: (width, height) as shown, or None where only the first frame
            tells.
        num_frames: As announced by the source, or None.
        live: Whether frames come when they are made, and waiting for the
            next one means to be late.
        details: What else is worth to be known of the video, for records.
    """

    name: str = 'video'
    fps: float | Fraction = DEFAULT_FPS
    size: tuple[int, int] | None = None
    num_frames: int | None = None
    live = False
    _own_times = True

    @property
    def details(self) -> dict:
        return {}

    def set_fps(self, fps: float | Fraction) -> None:
        """Take frames to come at a rate, whatever the source says.

        Raises:
            ValueError: Not 0.1 to 1000.
        """
        if not 0.1 <= fps <= 1000:
            raise ValueError(f'fps must be 0.1 to 1000, but got {fps}')
        self.fps, self._own_times = fps, False

    @abstractmethod
    def _read(self) -> Iterator[Reading]:
        """Yield what is in the place of each frame."""

    def __iter__(self) -> Iterator[Frame]:
        last: np.ndarray | None = None
        early: list[Frame] = []
        clock = Clock(self.fps)
        reader = self._read()
        try:
            for index, (image, damage, path, time) in enumerate(reader):
                time = clock.at(index, time if self._own_times else None)
                if image is not None:
                    self._check_size(image, index, path)
                    black = np.zeros_like(image)
                    for frame in early:
                        frame.image = black.copy()
                        yield frame
                    early, last = [], image
                    yield Frame(index, image, '', path, time)
                elif last is None:
                    early.append(Frame(index, None, damage, path, time))
                else:
                    yield Frame(index, last.copy(), damage, path, time)
        finally:
            reader.close()

    def _check_size(self, image: np.ndarray, index: int, path: str) -> None:
        """Learn the size, or refuse another one."""
        size = (image.shape[1], image.shape[0])
        if self.size is None:
            self.size = size
        if size != self.size:
            raise ValueError(
                f'{path or self.name}: frame {index} is {size[0]}x{size[1]}, '
                f'but the video is {self.size[0]}x{self.size[1]}; the frames '
                'of a video must be of one size'
            )
