# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .base_clip_dataset import BaseClipDataset
from .base_sequence_dataset import BaseSequenceDataset
from .coco_test_dev_dataset import CocoTestDevDataset
from .hieve_clip_dataset import HiEveClipDataset
from .jhmdb_clip_dataset import JHMDBClipDataset
from .jhmdb_coco_clip_dataset import JHMDBCocoClipDataset
from .mocap_dataset import H36MSequenceDataset, HumanEvaSequenceDataset
from .penn_action_dataset import PennActionDataset
from .people_clip_dataset import PeopleClipDataset
from .posetrack_clip_dataset import PoseTrackClipDataset
from .video_clip_dataset import VideoClipDataset

__all__ = [
    'BaseClipDataset',
    'BaseSequenceDataset',
    'CocoTestDevDataset',
    'H36MSequenceDataset',
    'HiEveClipDataset',
    'HumanEvaSequenceDataset',
    'JHMDBClipDataset',
    'JHMDBCocoClipDataset',
    'PennActionDataset',
    'PeopleClipDataset',
    'PoseTrackClipDataset',
    'VideoClipDataset',
]
