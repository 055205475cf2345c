# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""DSTA (He and Yang, CVPR 2024, https://arxiv.org/abs/2403.19926)."""

from __future__ import annotations

from .estimator import DSTA
from .joint_token_head import JointTokenHead
from .joint_token_neck import JointTokenNeck
from .rle_loss import FlowRLELoss
from .space_time_aggregation import SpaceTimeAggregation

__all__ = [
    'DSTA',
    'FlowRLELoss',
    'JointTokenHead',
    'JointTokenNeck',
    'SpaceTimeAggregation',
]
