# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .video_topdown import ClipState, VideoTopdownPoseEstimator

__all__ = ['ClipState', 'VideoTopdownPoseEstimator']
