# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .clip_pose_estimator import ClipPoseEstimator
from .lifter import SequenceLifter
from .recurrent import RecurrentPoseEstimator
from .window import WindowPoseEstimator

__all__ = [
    'ClipPoseEstimator',
    'RecurrentPoseEstimator',
    'SequenceLifter',
    'WindowPoseEstimator',
]
