# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .clip import split_clip, wanted_frames

__all__ = ['split_clip', 'wanted_frames']
