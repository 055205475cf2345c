# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .pose_stream import FramePoses, FrameStream, PoseStream, make_stream
from .recurrent_stream import RecurrentStream
from .window_stream import WindowStream

__all__ = [
    'FramePoses',
    'FrameStream',
    'PoseStream',
    'RecurrentStream',
    'WindowStream',
    'make_stream',
]
