# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

from mmpose.registry import TASK_UTILS

from .windows import ConsecutiveFrames, FramesAround, FrameWindow


def make_window(
    window: FrameWindow | dict | None = None,
    clip_length: int | None = None,
    clip_stride: int | None = None,
    frame_interval: int = 1,
    clip_offsets: Sequence[int] | None = None,
) -> FrameWindow:
    """The window that a data set's options ask for.

    Args:
        window: The window or its config, without any of the others.
        clip_length: See :class:`ConsecutiveFrames`; or the number of
            ``clip_offsets``.
        clip_stride: See :class:`ConsecutiveFrames` and :class:`FramesAround`.
        frame_interval: See :class:`ConsecutiveFrames`.
        clip_offsets: See :class:`FramesAround`, which they make.

    Raises:
        ValueError: Options that contradict each other, or no window.
    """
    if window is not None:
        others = dict(
            clip_length=clip_length,
            clip_stride=clip_stride,
            frame_interval=None if frame_interval == 1 else frame_interval,
            clip_offsets=clip_offsets,
        )
        for name, value in others.items():
            if value is not None:
                raise ValueError(
                    f'{name}={value} does not go with window=; write it into '
                    'the window, or leave the window out'
                )
        return _build(window)
    if clip_offsets is None:
        length = 5 if clip_length is None else clip_length
        return ConsecutiveFrames(length, clip_stride, frame_interval)
    if clip_length not in (None, len(clip_offsets)):
        raise ValueError(
            f'clip_length={clip_length} contradicts the {len(clip_offsets)} '
            'clip_offsets; leave it out'
        )
    if frame_interval != 1:
        raise ValueError(
            f'frame_interval={frame_interval} does not go with clip_offsets; '
            'write the distances into the offsets'
        )
    return FramesAround(clip_offsets, clip_stride)


def _build(window: FrameWindow | dict) -> FrameWindow:
    if isinstance(window, FrameWindow):
        return window
    kind = window.get('type') if isinstance(window, dict) else None
    cls = TASK_UTILS.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(cls, type) and issubclass(cls, FrameWindow)):
        raise ValueError(
            "window must be dict(type='ConsecutiveFrames'), 'FramesAround', "
            f"'NearPair' or a FrameWindow of your own, but got {window!r}"
        )
    return TASK_UTILS.build(window)
