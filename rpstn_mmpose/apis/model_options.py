# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Options of an inferencer that depend on the model or on each other."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from mmpose.registry import TASK_UTILS
from torch import nn

from ..speed.fast_inference import DTYPES, device_of, optimize_for_inference
from .options import refuse
from .tracking import BaseTracker

FAST = ('float32', *sorted(DTYPES))


def build_task(config: Any) -> Any:
    """A filter or tracker of its config; what is built already stays."""
    return TASK_UTILS.build(config) if isinstance(config, dict) else config


def carries_state(model: nn.Module) -> bool:
    """Whether a frame's poses depend on those before it, without end."""
    return getattr(model, 'carries_state', False)


def check_fast(fast: str | None) -> None:
    """Refuse an unknown precision, before a model is read.

    Raises:
        ValueError: See above.
    """
    if fast is not None and fast not in FAST:
        raise ValueError(
            f'VideoPoseInferencer: fast must be one of {FAST} or None, but '
            f'got {fast!r}'
        )


def checked_weights(path: str | os.PathLike | None) -> str | None:
    """A checkpoint's path or address, which exists if it is a path.

    Raises:
        FileNotFoundError: It does not.
    """
    if path is None:
        return None
    path = os.fspath(path)
    if '://' not in path and not os.path.isfile(path):
        raise FileNotFoundError(f'{path}: no such checkpoint file')
    return path


def speed_up(model: nn.Module, fast: str | None, compile: bool) -> bool | str:
    """Make a model fast in place.

    Args:
        model: In evaluation mode, on its device.
        fast: Precision to compute in; None: as it is.
        compile: Compile it too.

    Returns:
        bool | str: ``compile`` of the stream. In a stream a GPU waits for
        the host, which a recording of the frame cures, compiled or not. A
        CPU does not wait: with compiled parts the starts are compiled too,
        and a frame can be prepared.
    """
    device = device_of(model).type
    whole_frame = compile and device != 'cpu' and carries_state(model)
    if fast is not None or compile:
        optimize_for_inference(
            model,
            dtype=fast if fast in DTYPES else None,
            compile=compile and not whole_frame,
        )
    if fast and not compile and device == 'cuda' and carries_state(model):
        return 'graph'
    return whole_frame


def tracker_of(
    tracker: dict | BaseTracker | None,
    metainfo: dict,
    needs_ids: bool,
    smooths_boxes: bool,
) -> BaseTracker:
    """The tracker, which knows the joints' sigmas if it wants them.

    Args:
        tracker: Its config; None: ``MotionTracker``.
        metainfo: Of the model's joints.
        needs_ids: Whether the model has to know who is who.
        smooths_boxes: Whether boxes are smoothed before the crop.

    Raises:
        ValueError: A tracker that uses the poses, with one of both.
    """
    tracker = build_task(tracker or dict(type='MotionTracker'))
    name = type(tracker).__name__
    if tracker.uses_keypoints and needs_ids:
        raise ValueError(
            f'VideoPoseInferencer: {name} wants the poses of a frame to find '
            'out who is who, but the pose model needs to know who is who '
            'before; set oks_weight=0'
        )
    if tracker.uses_keypoints and smooths_boxes:
        # Boxes are smoothed before the crop, people known after it.
        refuse(
            f'does nothing with a {name} that uses keypoints; set '
            'oks_weight=0, or leave it out',
            bbox_smoothing=True,
        )
    if getattr(tracker, 'sigmas', False) is None:
        sigmas = metainfo.get('sigmas')
        if sigmas is not None:
            tracker.sigmas = np.asarray(sigmas)
    return tracker
