# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .joint_relation_extractor import JointRelationExtractor

__all__ = ['JointRelationExtractor']
