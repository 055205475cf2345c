# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Anatomy3D (Chen et al., TCSVT 2021, https://arxiv.org/abs/2002.10322)."""

from __future__ import annotations

from .anatomy_head import AnatomyHead
from .bone_direction_net import BoneDirectionNet
from .bone_length_net import BoneLengthNet
from .estimator import AnatomyLifter

__all__ = ['AnatomyHead', 'AnatomyLifter', 'BoneDirectionNet', 'BoneLengthNet']
