# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .data_preprocessors import ClipDataPreprocessor
from .heads import JRECPMHead, JREHead, JREViPNASHead, RelationMixin
from .memories import (
    GatedHeatmapMemory,
    LearnedHeatmapMemory,
    RecursiveHeatmapMean,
)
from .necks import DeconvNeck
from .pose_estimators import (
    ClipPoseEstimator,
    HeatmapWindowEstimator,
    MemoryPoseEstimator,
    RecurrentPoseEstimator,
    SequenceLifter,
    WindowPoseEstimator,
    with_memory,
)
from .relation import (
    ConvRefinement,
    JointRelationExtractor,
    NonLocalRelation,
    RelationSequence,
    SkeletonGraphRelation,
)

__all__ = [
    'ClipDataPreprocessor',
    'ClipPoseEstimator',
    'ConvRefinement',
    'DeconvNeck',
    'GatedHeatmapMemory',
    'HeatmapWindowEstimator',
    'JRECPMHead',
    'JREHead',
    'JREViPNASHead',
    'JointRelationExtractor',
    'LearnedHeatmapMemory',
    'MemoryPoseEstimator',
    'NonLocalRelation',
    'RecurrentPoseEstimator',
    'RecursiveHeatmapMean',
    'RelationMixin',
    'RelationSequence',
    'SequenceLifter',
    'SkeletonGraphRelation',
    'WindowPoseEstimator',
    'with_memory',
]
