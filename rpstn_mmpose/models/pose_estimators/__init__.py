# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .clip_pose_estimator import ClipPoseEstimator
from .lifter import SequenceLifter
from .memory_estimator import MemoryPoseEstimator, with_memory
from .recurrent import RecurrentPoseEstimator
from .window import WindowPoseEstimator

__all__ = [
    'ClipPoseEstimator',
    'MemoryPoseEstimator',
    'RecurrentPoseEstimator',
    'SequenceLifter',
    'WindowPoseEstimator',
    'with_memory',
]
