# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .data_preprocessors import ClipDataPreprocessor
from .heads import JREHead, RelationMixin
from .memories import GatedHeatmapMemory
from .necks import DeconvNeck, JRPSPNeck
from .pose_estimators import ClipState, VideoTopdownPoseEstimator
from .relation import (ConvRefinement, JointRelationExtractor,
                       NonLocalRelation, RelationSequence,
                       SkeletonGraphRelation)

__all__ = [
    'ClipDataPreprocessor', 'ClipState', 'ConvRefinement', 'DeconvNeck',
    'GatedHeatmapMemory', 'JREHead', 'JRPSPNeck', 'JointRelationExtractor',
    'NonLocalRelation', 'RelationMixin', 'RelationSequence',
    'SkeletonGraphRelation', 'VideoTopdownPoseEstimator'
]
