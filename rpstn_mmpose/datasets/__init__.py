# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .clip_sampling import ClipWindow, clip_windows, offset_windows
from .datasets import (
                       BaseClipDataset,
                       CocoTestDevDataset,
                       JHMDBClipDataset,
                       JHMDBCocoClipDataset,
                       PennActionDataset,
                       PoseTrackClipDataset,
                       VideoClipDataset,
                       VideoPeople,
)
from .metainfo import resolve_metainfo_file
from .tracks import Track, TrackStore
from .transforms import (
                       ClipBBox,
                       ClipKeypointConverter,
                       ClipRandomFlip,
                       ForEachFrame,
                       GenerateClipTarget,
                       LoadClip,
                       MaskRandomJoints,
                       PackClipInputs,
                       ReducedTopdownAffine,
                       TopdownStretch,
)

__all__ = [
    'BaseClipDataset', 'ClipBBox', 'ClipKeypointConverter', 'ClipRandomFlip',
    'ClipWindow', 'CocoTestDevDataset', 'ForEachFrame', 'GenerateClipTarget',
    'JHMDBClipDataset', 'JHMDBCocoClipDataset', 'LoadClip',
    'MaskRandomJoints', 'PackClipInputs', 'PennActionDataset',
    'PoseTrackClipDataset', 'ReducedTopdownAffine', 'TopdownStretch', 'Track',
    'TrackStore', 'VideoClipDataset', 'VideoPeople', 'clip_windows',
    'offset_windows', 'resolve_metainfo_file'
]
