# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .gated_heatmap_memory import GatedHeatmapMemory

__all__ = ['GatedHeatmapMemory']
