# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Which frames of a video make up its clips: pure index arithmetic."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Sequence

import numpy as np
from mmpose.registry import TASK_UTILS
from torch.utils.data import get_worker_info


class ClipWindow(NamedTuple):
    """One clip of a video.

    Attributes:
        rows: Frame indices into the video, (T,) int64; a row that lies
            outside the video is replaced by an existing one.
        mask: (T,) bool. True where the clip's prediction of that frame is
            wanted. Replaced rows are never wanted.
    """

    rows: np.ndarray
    mask: np.ndarray


def _check_positive(name: str, value: int) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, np.integer))
        or value < 1
    ):
        raise ValueError(
            f'{name} must be an integer of at least 1, but got {value!r}'
        )


def _window_starts(
    num_frames: int, clip_length: int, stride: int, interval: int, phases: int
) -> list[int]:
    """Distinct first rows of the windows, in time order within a block."""
    starts: dict[int, None] = {}
    for block in range(0, num_frames, stride):
        for start in range(block, min(block + phases, num_frames)):
            over = start + (clip_length - 1) * interval - (num_frames - 1)
            if over > 0:
                # Back by whole intervals: the shifted window then still
                # holds the frames that the unshifted one was made for.
                start -= -(-over // interval) * interval
                if start < 0:
                    start %= interval
            starts[start] = None
    return list(starts)


class FrameWindow(ABC):
    """Which frames of a track make up its clips.

    A clip is a *place* in its track: one or two whole numbers, of which its
    rows are worked out when the clip is asked for.

    Attributes:
        length: Frames T of a clip.
        span: Frames from a clip's first to its last one.
        before: Frames in front of a labelled one that its clip wants to see.
        after: Frames behind it.
    """

    length: int
    span: int
    before = 0
    after = 0

    # A window of somebody's own need not refuse anything.
    def check(self, test_mode: bool) -> None:  # noqa: B027
        """Refuse what would leave frames out of an evaluation.

        Raises:
            ValueError: In test mode, where the clips do not cover a track.
        """

    @abstractmethod
    def places(
        self,
        num_frames: int,
        annotated: np.ndarray | None = None,
        test_mode: bool = False,
    ) -> np.ndarray:
        """The clips of a track that want a frame of it.

        Args:
            num_frames: Frames n of the track.
            annotated: (n,) bool, frames that may be wanted. None: all.
            test_mode: Whether every such frame is to be wanted exactly once.

        Returns:
            np.ndarray: (N, 1 or 2) int, in order of time.
        """

    @abstractmethod
    def clip(
        self,
        place: Sequence[int],
        num_frames: int,
        annotated: np.ndarray | None = None,
    ) -> ClipWindow:
        """One clip.

        Args:
            place: A row of :meth:`places`.
            num_frames: See :meth:`places`.
            annotated: See :meth:`places`.
        """


@TASK_UTILS.register_module()
class ConsecutiveFrames(FrameWindow):
    """Clips of consecutive, or evenly spaced, frames.

    A window that would run over the end is shifted back. A video too short
    for one window repeats its last frame, unwanted. Where ``frame_interval``
    k is above 1, a window skips frames: evaluation, and training without a
    stride, add the k - 1 windows that start on the frames in between, so that
    these are not left out. In test mode a frame is wanted in the first window
    that holds it, else in all of them.

    Args:
        clip_length (int): Frames T of a clip.
        clip_stride (int, optional): Frames from the start of a window to the
            start of the next. None: T * k, which puts every frame into one
            window (the last window alone may overlap its neighbour).
        frame_interval (int): Distance k between neighbours in a clip.

    Raises:
        ValueError: A number below 1.
    """

    def __init__(
        self,
        clip_length: int = 5,
        clip_stride: int | None = None,
        frame_interval: int = 1,
    ) -> None:
        _check_positive('clip_length', clip_length)
        _check_positive('frame_interval', frame_interval)
        if clip_stride is not None:
            _check_positive('clip_stride', clip_stride)
        self.length = clip_length
        self.stride = clip_stride
        self.interval = frame_interval
        self.span = (clip_length - 1) * frame_interval + 1
        self._steps = frame_interval * np.arange(clip_length)

    def check(self, test_mode: bool) -> None:
        """See the base class; a stride may be too long."""
        cover = self.length * self.interval
        if test_mode and self.stride is not None and self.stride > cover:
            raise ValueError(
                f'clip_stride={self.stride} would leave frames out of the '
                'evaluation; use at most clip_length * frame_interval = '
                f'{cover}, or None'
            )

    def places(
        self,
        num_frames: int,
        annotated: np.ndarray | None = None,
        test_mode: bool = False,
    ) -> np.ndarray:
        """First rows of the clips, and the first rows that they want."""
        self.check(test_mode)
        phases = 1
        if test_mode or self.stride is None:
            phases = self.interval
        stride = self.stride or self.length * self.interval
        found: list[tuple[int, int]] = []
        last: dict[int, int] = {}
        for start in _window_starts(
            num_frames, self.length, stride, self.interval, phases
        ):
            # Windows on the same frames follow each other in time.
            wanted = last.get(start % self.interval, 0) if test_mode else 0
            last[start % self.interval] = start + self.span
            found.append((start, wanted))
        places = np.array(found).reshape(-1, 2)
        rows = places[:, :1] + self._steps
        mask = (rows < num_frames) & (rows >= places[:, 1:])
        if annotated is not None:
            mask &= np.asarray(annotated)[np.minimum(rows, num_frames - 1)]
        return places[mask.any(axis=1)]

    def clip(
        self,
        place: Sequence[int],
        num_frames: int,
        annotated: np.ndarray | None = None,
    ) -> ClipWindow:
        """See the base class."""
        start, first = place
        rows = start + self._steps
        inside = rows < num_frames
        rows = np.where(inside, rows, rows[inside][-1])
        mask = inside & (rows >= first)
        if annotated is not None:
            mask &= np.asarray(annotated, dtype=bool)[rows]
        return ClipWindow(rows, mask)


_OFFSETS = (
    'clip_offsets must be whole numbers, of FramesAround with 0 exactly once, '
    'but got {}'
)


class _AroundFrame(FrameWindow):
    """Clips of a frame that may be wanted and of some near it."""

    def __init__(self, clip_offsets: Sequence[int]) -> None:
        offsets = np.asarray(clip_offsets)
        if offsets.ndim != 1 or offsets.dtype.kind != 'i':
            raise ValueError(_OFFSETS.format(clip_offsets))
        self.offsets = tuple(offsets.tolist())
        self.before = max(0, -min(self.offsets, default=0))
        self.after = max(0, *self.offsets, 0)
        self.span = 1
        self._offsets = offsets
        self._stride = 1

    def places(
        self,
        num_frames: int,
        annotated: np.ndarray | None = None,
        test_mode: bool = False,
    ) -> np.ndarray:
        """Rows of the clips' own frames."""
        self.check(test_mode)
        rows = np.arange(num_frames)
        if annotated is not None:
            # A stride over all frames could miss every labelled one.
            rows = np.flatnonzero(annotated)
        return rows[:: self._stride, None]


@TASK_UTILS.register_module()
class FramesAround(_AroundFrame):
    """One clip around each frame, wanted at that frame only.

    Args:
        clip_offsets (Sequence[int]): Offsets of the clip's T rows from its
            own frame, with 0 exactly once, e.g. ``(-2, -1, 0, 1, 2)``. Rows
            before the first or after the last frame take that frame instead.
        clip_stride (int, optional): Distance from one of the frames that may
            be wanted to the next. None: 1. Test mode forbids others, which
            leave frames out.

    Raises:
        ValueError: Offsets without exactly one 0, or a stride below 1.
    """

    def __init__(
        self, clip_offsets: Sequence[int], clip_stride: int | None = None
    ) -> None:
        stride = 1 if clip_stride is None else clip_stride
        _check_positive('clip_stride', stride)
        super().__init__(clip_offsets)
        if self.offsets.count(0) != 1:
            raise ValueError(_OFFSETS.format(clip_offsets))
        self.length = len(self.offsets)
        self._stride = stride

    def check(self, test_mode: bool) -> None:
        """See the base class; a stride leaves frames out."""
        if test_mode and self._stride > 1:
            raise ValueError(
                f'clip_stride={self._stride} with clip_offsets would leave '
                'frames out of the evaluation; use 1 or None'
            )

    def clip(
        self,
        place: Sequence[int],
        num_frames: int,
        annotated: np.ndarray | None = None,
    ) -> ClipWindow:
        """See the base class."""
        rows = np.clip(place[0] + self._offsets, 0, num_frames - 1)
        return ClipWindow(rows, self._offsets == 0)


@TASK_UTILS.register_module()
class NearPair(_AroundFrame):
    """Clips of two rows: a frame, which is wanted, and a random one near it.

    The other frame is drawn anew at every fetch. In the main process the draw
    is NumPy's global one, as MMPose's transforms draw. Workers draw from
    torch's seed of theirs, which differs from epoch to epoch and follows from
    the runner's seed; MMEngine seeds their NumPy alike in every epoch.

    Args:
        clip_offsets (Sequence[int]): Offsets of the other frame, each equally
            likely, e.g. ``(-2, -1, 0, 1, 2)``. Beyond the first or the last
            frame that frame is taken instead.

    Raises:
        ValueError: Offsets that are no whole numbers, or none.
    """

    length = 2

    def __init__(self, clip_offsets: Sequence[int]) -> None:
        super().__init__(clip_offsets)
        self._worker: int | None = None
        self._random: Any = np.random

    def check(self, test_mode: bool) -> None:
        """See the base class; an evaluation must not be random."""
        if test_mode:
            raise ValueError(
                'a NearPair is drawn at random, for training only; use '
                'clip_offsets in test mode'
            )

    def _draw(self) -> int:
        worker = get_worker_info()
        if worker is not None and worker.seed != self._worker:
            self._worker = worker.seed
            self._random = np.random.RandomState(
                [
                    worker.seed & 0xFFFFFFFF,
                    worker.seed >> 32 & 0xFFFFFFFF,
                    np.random.randint(2**31),
                ]
            )
        return self.offsets[self._random.randint(len(self.offsets))]

    def clip(
        self,
        place: Sequence[int],
        num_frames: int,
        annotated: np.ndarray | None = None,
    ) -> ClipWindow:
        """A draw: the wanted frame, then the other one."""
        other = min(max(place[0] + self._draw(), 0), num_frames - 1)
        return ClipWindow(np.array([place[0], other]), np.array([True, False]))


def _all_clips(
    window: FrameWindow, num_frames: int, test_mode: bool
) -> list[ClipWindow]:
    _check_positive('num_frames', num_frames)
    places = window.places(num_frames, test_mode=test_mode)
    return [window.clip(place, num_frames) for place in places.tolist()]


def clip_windows(
    num_frames: int,
    clip_length: int,
    stride: int | None = None,
    frame_interval: int = 1,
    test_mode: bool = False,
) -> list[ClipWindow]:
    """The clips of a video by :class:`ConsecutiveFrames`, in order of time."""
    window = ConsecutiveFrames(clip_length, stride, frame_interval)
    return _all_clips(window, num_frames, test_mode)


def offset_windows(
    num_frames: int,
    offsets: Sequence[int],
    stride: int | None = None,
    test_mode: bool = False,
) -> list[ClipWindow]:
    """The clips of a video by :class:`FramesAround`, in order of time."""
    return _all_clips(FramesAround(offsets, stride), num_frames, test_mode)
