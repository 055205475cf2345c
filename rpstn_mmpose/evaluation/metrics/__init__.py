# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .clip_pck import ClipPCK
from .coco_submission import CocoSubmission
from .per_frame_metric import PerFrameMetric

__all__ = ['ClipPCK', 'CocoSubmission', 'PerFrameMetric']
