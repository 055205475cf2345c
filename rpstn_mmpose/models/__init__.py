# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .data_preprocessors import ClipDataPreprocessor
from .heads import JREHead, RelationMixin
from .necks import DeconvNeck, JRPSPNeck, MemoryJRPSPNeck
from .pose_estimators import ClipState, VideoTopdownPoseEstimator
from .relation import (ConvRefinement, JointRelationExtractor,
                       NonLocalRelation, RelationSequence,
                       SkeletonGraphRelation)

__all__ = [
    'ClipDataPreprocessor', 'ClipState', 'ConvRefinement', 'DeconvNeck',
    'JREHead', 'JRPSPNeck', 'JointRelationExtractor', 'MemoryJRPSPNeck',
    'NonLocalRelation', 'RelationMixin', 'RelationSequence',
    'SkeletonGraphRelation', 'VideoTopdownPoseEstimator'
]
