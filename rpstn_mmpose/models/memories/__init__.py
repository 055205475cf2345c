# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .gated_heatmap_memory import GatedHeatmapMemory
from .learned_heatmap_memory import LearnedHeatmapMemory
from .recursive_heatmap_mean import RecursiveHeatmapMean

__all__ = [
    'GatedHeatmapMemory',
    'LearnedHeatmapMemory',
    'RecursiveHeatmapMean',
]
