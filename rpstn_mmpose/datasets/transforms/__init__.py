# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .clip_bbox import ClipBBox
from .clip_checks import check_clip_boxes
from .clip_flip import ClipRandomFlip
from .clip_formatting import PackClipInputs
from .clip_half_body import ClipHalfBody
from .clip_keypoint_converter import ClipKeypointConverter
from .clip_target import GenerateClipTarget
from .for_each_frame import ForEachFrame
from .labeled_as_visible import LabeledAsVisible
from .lifter_formatting import PackLifterInputs
from .loading import LoadClip
from .mask_random_joints import MaskRandomJoints
from .reduced_affine import ReducedTopdownAffine
from .topdown_stretch import TopdownStretch

__all__ = [
    'ClipBBox',
    'ClipHalfBody',
    'ClipKeypointConverter',
    'ClipRandomFlip',
    'ForEachFrame',
    'GenerateClipTarget',
    'LabeledAsVisible',
    'LoadClip',
    'MaskRandomJoints',
    'PackClipInputs',
    'PackLifterInputs',
    'ReducedTopdownAffine',
    'TopdownStretch',
    'check_clip_boxes',
]
