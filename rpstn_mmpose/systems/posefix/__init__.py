# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""PoseFix (Moon et al., CVPR 2019, https://arxiv.org/abs/1812.03595)."""

from __future__ import annotations

from .coarse_to_fine_loss import CoarseToFineLoss
from .coco_refine_dataset import CocoRefineDataset
from .estimator import PoseRefiner
from .posefix_head import PoseFixHead
from .transforms import (
    AddInputPose,
    AddNearPeople,
    GetPoseCenterScale,
    LoadInputPose,
    SynthesizePoseErrors,
)

__all__ = [
    'AddInputPose',
    'AddNearPeople',
    'CoarseToFineLoss',
    'CocoRefineDataset',
    'GetPoseCenterScale',
    'LoadInputPose',
    'PoseFixHead',
    'PoseRefiner',
    'SynthesizePoseErrors',
]
