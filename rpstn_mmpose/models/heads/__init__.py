# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .jre_head import JREHead
from .relation_mixin import RelationMixin

__all__ = ['JREHead', 'RelationMixin']
