# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from collections import deque
from typing import Any, Generic, Iterator, Mapping, NamedTuple, TypeVar

Item = TypeVar('Item')


class Pending(NamedTuple):
    """A frame that waits for those behind it."""

    frame: int
    person_ids: list[int]
    samples: Any


class FrameWindow(Generic[Item]):
    """What is kept of the people of the last frames.

    Args:
        before: Frames in front of the oldest one that waits.
    """

    def __init__(self, before: int) -> None:
        self.before = before
        self._waiting: deque[Pending] = deque()
        self._kept: dict[int, Mapping[int, Item]] = {}

    def put(self, pending: Pending, people: Mapping[int, Item]) -> None:
        """Take a frame and what is to be kept of its people, by id."""
        self._waiting.append(pending)
        self._kept[pending.frame] = people

    def take(self, last: int) -> Iterator[Pending]:
        """The waiting frames up to a number; what no other needs goes."""
        while self._waiting and self._waiting[0].frame <= last:
            pending = self._waiting.popleft()
            yield pending
            oldest = pending.frame + 1 - self.before
            for frame in [frame for frame in self._kept if frame < oldest]:
                del self._kept[frame]

    def at(self, frame: int, person_id: int) -> Item | None:
        """What is kept of a person in a frame; None if nothing is."""
        return self._kept.get(frame, {}).get(person_id)

    def seen(self, frame: int, offset: int, person_id: int) -> Item:
        """What is kept of a person, as far towards the offset as the person
        was seen without a break.
        """
        step = 1 if offset > 0 else -1
        for _ in range(abs(offset)):
            if person_id not in self._kept.get(frame + step, ()):
                break
            frame += step
        return self._kept[frame][person_id]
