# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .base_tracker import BaseTracker
from .byte_tracker import ByteTracker
from .given_boxes import track_boxes
from .motion_tracker import MotionTracker

__all__ = ['BaseTracker', 'ByteTracker', 'MotionTracker', 'track_boxes']
