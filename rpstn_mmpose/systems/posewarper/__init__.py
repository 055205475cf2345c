# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""PoseWarper (Bertasius et al., NeurIPS 2019)."""

from __future__ import annotations

from .estimator import PoseWarper
from .warper import HeatmapWarper

__all__ = ['HeatmapWarper', 'PoseWarper']
