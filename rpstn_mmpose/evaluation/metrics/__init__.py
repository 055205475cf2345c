# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .clip_pck import ClipPCK
from .coco_submission import CocoSubmission
from .hieve_metric import HiEveMetric
from .people_metric import PeopleMetric
from .per_frame_metric import PerFrameMetric
from .posetrack_clip_metric import PoseTrackClipMetric
from .sequence_mpjpe import SequenceMPJPE

__all__ = [
    'ClipPCK',
    'CocoSubmission',
    'HiEveMetric',
    'PeopleMetric',
    'PerFrameMetric',
    'PoseTrackClipMetric',
    'SequenceMPJPE',
]
