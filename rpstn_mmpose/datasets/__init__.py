# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .clip_sampling import ClipWindow, clip_windows, offset_windows
from .datasets import (BaseClipDataset, CocoTestDevDataset,
                       PennActionDataset)
from .metainfo import resolve_metainfo_file
from .tracks import Track, TrackStore
from .transforms import (ClipBBox, ClipRandomFlip, ForEachFrame,
                         GenerateClipTarget, LoadClip, PackClipInputs)

__all__ = [
    'BaseClipDataset', 'ClipBBox', 'ClipRandomFlip', 'ClipWindow',
    'CocoTestDevDataset', 'ForEachFrame', 'GenerateClipTarget', 'LoadClip',
    'PackClipInputs', 'PennActionDataset', 'Track', 'TrackStore',
    'clip_windows', 'offset_windows', 'resolve_metainfo_file'
]
