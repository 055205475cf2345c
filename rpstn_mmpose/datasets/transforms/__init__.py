# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .clip_bbox import ClipBBox
from .clip_checks import check_clip_boxes
from .clip_flip import ClipRandomFlip
from .clip_formatting import PackClipInputs
from .clip_target import GenerateClipTarget
from .for_each_frame import ForEachFrame
from .loading import LoadClip

__all__ = [
    'ClipBBox', 'ClipRandomFlip', 'ForEachFrame', 'GenerateClipTarget',
    'LoadClip', 'PackClipInputs', 'check_clip_boxes'
]
