# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import on_demand

if TYPE_CHECKING:
    from .box_files import load_boxes
    from .boxes import box_iou, check_boxes
    from .clip import narrow, split_clip, wanted_frames
    from .foreign_boxes import VideoHints
    from .people_files import joint_names, load_people, read_people
    from .video_people import PeopleError, VideoPeople
else:
    __getattr__, __dir__ = on_demand(__name__, __file__)

__all__ = [
    'PeopleError',
    'VideoHints',
    'VideoPeople',
    'box_iou',
    'check_boxes',
    'joint_names',
    'load_boxes',
    'load_people',
    'narrow',
    'read_people',
    'split_clip',
    'wanted_frames',
]
