# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .data_preprocessors import ClipDataPreprocessor
from .heads import JRECPMHead, JREHead, JREViPNASHead, RelationMixin
from .memories import GatedHeatmapMemory, RecursiveHeatmapMean
from .necks import DeconvNeck
from .pose_estimators import (
    ClipPoseEstimator,
    RecurrentPoseEstimator,
    SequenceLifter,
    WindowPoseEstimator,
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
    'JRECPMHead',
    'JREHead',
    'JREViPNASHead',
    'JointRelationExtractor',
    'NonLocalRelation',
    'RecurrentPoseEstimator',
    'RecursiveHeatmapMean',
    'RelationMixin',
    'RelationSequence',
    'SequenceLifter',
    'SkeletonGraphRelation',
    'WindowPoseEstimator',
]
