# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .conv_refinement import ConvRefinement
from .joint_relation_extractor import JointRelationExtractor
from .non_local_relation import NonLocalRelation
from .relation_sequence import RelationSequence
from .skeleton_graph_relation import SkeletonGraphRelation

__all__ = [
    'ConvRefinement',
    'JointRelationExtractor',
    'NonLocalRelation',
    'RelationSequence',
    'SkeletonGraphRelation',
]
