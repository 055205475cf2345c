# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Which frame is which, and which ones a decoder has lost."""

from __future__ import annotations

import heapq
from collections import deque

# The most frames that H.264 and HEVC hold back to bring them in order.
MAX_REORDER = 16


class TimedOrder:
    """Packets have the times of their frames.

    Frames come in order of their times, packets do not: a time that is
    overtaken by a frame has lost its own.
    """

    def __init__(self) -> None:
        # A heap for each of the recordings that were joined in a file.
        self._waiting: list[list[int]] = [[]]
        self._known = False
        self._last: int | None = None

    def put(self, pts: int, dts: int | None) -> None:
        """Take note of a packet that goes to the decoder.

        Args:
            pts: When its frame is shown.
            dts: When it is decoded; it goes back where another recording
                begins.
        """
        if None not in (dts, self._last) and dts < self._last:
            self._waiting.append([])
        self._last = dts
        heapq.heappush(self._waiting[-1], pts)

    def take(self, pts: int) -> tuple[list[int], int]:
        """Take a frame from the decoder.

        Args:
            pts: Of the frame.

        Returns:
            tuple[list[int], int]: Times of lost frames in front of it, and
            its own.
        """
        lost = []
        if len(self._waiting) > 1 and pts not in self._waiting[0]:
            if any(pts in heap for heap in self._waiting[1:]):
                lost = sorted(self._waiting.pop(0))
        heap = self._waiting[0]
        # Some formats give frames times of their own.
        self._known = pts in heap
        while heap and heap[0] <= pts:
            time = heapq.heappop(heap)
            if time < pts and self._known:
                lost.append(time)
        return lost, pts

    def rest(self) -> list[int]:
        """Times of frames that were lost at the end."""
        if not self._known:
            return []
        return [time for heap in self._waiting for time in sorted(heap)]


class StoredOrder:
    """Packets are numbered as they are stored, whatever is shown first.

    Each frame has the number of its packet, so that it is known which ones
    were lost, but not when they were to be shown: about there.
    """

    def __init__(self) -> None:
        self._numbers: deque[int] = deque()
        self._times: deque[int] = deque()
        self._done: set[int] = set()

    def put(self, pts: int, _: int | None) -> None:
        """See :class:`TimedOrder`."""
        self._numbers.append(pts)
        self._times.append(pts)

    def take(self, pts: int) -> tuple[list[int], int]:
        """See :class:`TimedOrder`."""
        if pts in self._numbers:
            self._done.add(pts)
        elif self._numbers:
            # Some formats give frames times of their own.
            self._numbers.popleft()
        lost = []
        while self._numbers:
            if self._numbers[0] in self._done:
                self._done.remove(self._numbers.popleft())
            elif len(self._numbers) > MAX_REORDER + 1:
                self._numbers.popleft()
                lost.append(self._times.popleft())
            else:
                break
        return lost, self._times.popleft() if self._times else pts

    def rest(self) -> list[int]:
        """See :class:`TimedOrder`."""
        return list(self._times)
