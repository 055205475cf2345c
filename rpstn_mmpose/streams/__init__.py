# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .lifter_stream import LiftedPoses, LifterStream
from .lookahead_stream import LookaheadStream
from .pose_stream import FramePoses, FrameStream, PoseStream, make_stream
from .recurrent_stream import RecurrentStream
from .refine_stage import RefineStage
from .window_stream import WindowStream

__all__ = [
    'FramePoses',
    'FrameStream',
    'LiftedPoses',
    'LifterStream',
    'LookaheadStream',
    'PoseStream',
    'RecurrentStream',
    'RefineStage',
    'WindowStream',
    'make_stream',
]
