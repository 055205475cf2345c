# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .data_preprocessors import ClipDataPreprocessor
from .heads import JRECPMHead, JREHead, JREViPNASHead, RelationMixin
from .memories import GatedHeatmapMemory, RecursiveHeatmapMean
from .necks import DeconvNeck, JRPSPNeck
from .pose_estimators import ClipState, VideoTopdownPoseEstimator
from .relation import (
                       ConvRefinement,
                       JointRelationExtractor,
                       NonLocalRelation,
                       RelationSequence,
                       SkeletonGraphRelation,
)

__all__ = [
    'ClipDataPreprocessor', 'ClipState', 'ConvRefinement', 'DeconvNeck',
    'GatedHeatmapMemory', 'JRECPMHead', 'JREHead', 'JREViPNASHead',
    'JRPSPNeck', 'JointRelationExtractor', 'NonLocalRelation',
    'RecursiveHeatmapMean', 'RelationMixin', 'RelationSequence',
    'SkeletonGraphRelation',
    'VideoTopdownPoseEstimator'
]
