# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .jre_cpm_head import JRECPMHead
from .jre_head import JREHead
from .jre_vipnas_head import JREViPNASHead
from .relation_mixin import RelationMixin
from .simcc_heatmap_heads import (
    HEATMAP_HEADS,
    RTMCCHeatmapHead,
    SimCCHeatmapHead,
    SimCCHeatmapMixin,
)

__all__ = [
    'HEATMAP_HEADS',
    'JRECPMHead',
    'JREHead',
    'JREViPNASHead',
    'RTMCCHeatmapHead',
    'RelationMixin',
    'SimCCHeatmapHead',
    'SimCCHeatmapMixin',
]
