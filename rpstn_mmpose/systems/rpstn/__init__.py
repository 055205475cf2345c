# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""RPSTN (Dang et al., TIP 2022, https://arxiv.org/abs/2107.03591)."""

from __future__ import annotations

from .dynamic_conv import depthwise_dynamic_conv
from .estimator import ClipState, PreparedState, VideoTopdownPoseEstimator
from .jrpsp_neck import JRPSPNeck

__all__ = [
    'ClipState',
    'JRPSPNeck',
    'PreparedState',
    'VideoTopdownPoseEstimator',
    'depthwise_dynamic_conv',
]
