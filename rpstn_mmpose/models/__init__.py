# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .data_preprocessors import ClipDataPreprocessor
from .heads import JREHead, RelationMixin
from .necks import DeconvNeck, JRPSPNeck
from .pose_estimators import ClipState, VideoTopdownPoseEstimator
from .relation import JointRelationExtractor

__all__ = [
    'ClipDataPreprocessor', 'ClipState', 'DeconvNeck', 'JREHead', 'JRPSPNeck',
    'JointRelationExtractor', 'RelationMixin', 'VideoTopdownPoseEstimator'
]
