# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""VideoPose3D (Pavllo et al., CVPR 2019, https://arxiv.org/abs/1811.11742)."""

from __future__ import annotations

from .sequence_tcn import SequenceTCN

__all__ = ['SequenceTCN']
