# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .lifter_stream import LiftedPoses, LifterStream
from .lookahead_stream import LookaheadStream
from .pose_stream import FramePoses, FrameStream, PoseStream, make_stream
from .recurrent_stream import RecurrentStream
from .window_stream import WindowStream

__all__ = [
    'FramePoses',
    'FrameStream',
    'LiftedPoses',
    'LifterStream',
    'LookaheadStream',
    'PoseStream',
    'RecurrentStream',
    'WindowStream',
    'make_stream',
]
