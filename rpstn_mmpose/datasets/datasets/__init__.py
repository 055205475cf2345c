# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .base_clip_dataset import BaseClipDataset
from .penn_action_dataset import PennActionDataset

__all__ = ['BaseClipDataset', 'PennActionDataset']
