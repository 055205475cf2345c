# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Which frames of a video make up its clips: pure index arithmetic."""
from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence

import numpy as np


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
    if isinstance(value, bool) or not isinstance(
            value, (int, np.integer)) or value < 1:
        raise ValueError(f'{name} must be an integer of at least 1, but got '
                         f'{value!r}')


def _window_starts(num_frames: int, clip_length: int, stride: int,
                   interval: int, phases: int) -> List[int]:
    """Distinct first rows of the windows, in time order within a block."""
    starts = {}
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


def clip_windows(num_frames: int,
                 clip_length: int,
                 stride: Optional[int] = None,
                 frame_interval: int = 1,
                 test_mode: bool = False) -> List[ClipWindow]:
    """Cut a video into clips of consecutive (or evenly spaced) frames.

    A window that would run over the end is shifted back. A video too short
    for one window repeats its last frame, unwanted. Where ``frame_interval``
    k is above 1, a window skips frames: evaluation, and training with
    ``stride=None``, add the k - 1 windows that start on the frames in
    between, so that these are not left out.

    Args:
        num_frames: Frames n of the video.
        clip_length: Frames T of a clip.
        stride: Frames from the start of a window to the start of the next.
            None: T * k, which puts every frame into one window (the last
            window alone may overlap its neighbour).
        frame_interval: Distance k between neighbours in a clip.
        test_mode: True: every frame is wanted exactly once over all windows,
            in the first window that holds it. False: a window wants all its
            frames.

    Returns:
        list[ClipWindow]: In order of time.

    Raises:
        ValueError: A number below 1, or a stride that would leave frames out
            of an evaluation.
    """
    for name, value in (('num_frames', num_frames),
                        ('clip_length', clip_length), ('frame_interval',
                                                       frame_interval)):
        _check_positive(name, value)
    cover = clip_length * frame_interval
    if stride is not None:
        _check_positive('clip_stride', stride)
        if test_mode and stride > cover:
            raise ValueError(
                f'clip_stride={stride} would leave frames out of the '
                f'evaluation; use at most clip_length * frame_interval = '
                f'{cover}, or None')
    phases = frame_interval if test_mode or stride is None else 1
    starts = _window_starts(num_frames, clip_length, stride or cover,
                            frame_interval, phases)

    seen = np.zeros(num_frames, dtype=bool)
    windows = []
    for start in starts:
        rows = start + frame_interval * np.arange(clip_length)
        mask = rows < num_frames
        rows = np.where(mask, rows, rows[mask][-1])
        if test_mode:
            mask &= ~seen[rows]
            seen[rows] = True
        windows.append(ClipWindow(rows, mask))
    return windows


def offset_windows(num_frames: int,
                   offsets: Sequence[int],
                   stride: Optional[int] = None,
                   test_mode: bool = False) -> List[ClipWindow]:
    """One clip around each frame of a video, wanted at that frame only.

    Args:
        num_frames: Frames n of the video.
        offsets: Frame offsets of the clip's T rows from its own frame, with
            0 exactly once, e.g. ``(-2, -1, 0, 1, 2)``. Rows before the first
            or after the last frame take that frame instead.
        stride: Distance from one centre to the next; None: 1.
        test_mode: True forbids a stride above 1, which leaves frames out.

    Returns:
        list[ClipWindow]: In order of time.

    Raises:
        ValueError: Offsets without exactly one 0, a number below 1, or a
            stride that would leave frames out of an evaluation.
    """
    _check_positive('num_frames', num_frames)
    stride = 1 if stride is None else stride
    _check_positive('clip_stride', stride)
    offsets = np.asarray(offsets, dtype=np.int64)
    if offsets.ndim != 1 or (offsets == 0).sum() != 1:
        raise ValueError('clip_offsets must be whole numbers with 0 exactly '
                         f'once, but got {tuple(offsets.tolist())}')
    if test_mode and stride > 1:
        raise ValueError(f'clip_stride={stride} with clip_offsets would '
                         'leave frames out of the evaluation; use 1 or None')
    return [
        ClipWindow(np.clip(centre + offsets, 0, num_frames - 1), offsets == 0)
        for centre in range(0, num_frames, stride)
    ]
