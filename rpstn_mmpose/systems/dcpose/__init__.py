# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""DCPose (Liu et al., CVPR 2021)."""

from __future__ import annotations

from .estimator import DCPose
from .pose_corrector import PoseCorrector

__all__ = ['DCPose', 'PoseCorrector']
