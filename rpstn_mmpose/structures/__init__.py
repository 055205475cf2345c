# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .clip import narrow, split_clip, wanted_frames

__all__ = ['narrow', 'split_clip', 'wanted_frames']
