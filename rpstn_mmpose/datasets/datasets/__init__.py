# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .base_clip_dataset import BaseClipDataset
from .coco_test_dev_dataset import CocoTestDevDataset
from .penn_action_dataset import PennActionDataset

__all__ = ['BaseClipDataset', 'CocoTestDevDataset', 'PennActionDataset']
