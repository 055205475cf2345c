# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .clip_pose_estimator import ClipPoseEstimator
from .heatmap_window import HeatmapWindowEstimator
from .lifter import SequenceLifter
from .memory_estimator import MemoryPoseEstimator, with_memory
from .recurrent import RecurrentPoseEstimator
from .window import WindowPoseEstimator

__all__ = [
    'ClipPoseEstimator',
    'HeatmapWindowEstimator',
    'MemoryPoseEstimator',
    'RecurrentPoseEstimator',
    'SequenceLifter',
    'WindowPoseEstimator',
    'with_memory',
]
