# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import on_demand

if TYPE_CHECKING:
    from .collate import PackedSamples, stack_in_worker
    from .datasets import (
        BaseClipDataset,
        BaseSequenceDataset,
        CocoTestDevDataset,
        H36MSequenceDataset,
        HiEveClipDataset,
        HumanEvaSequenceDataset,
        JHMDBClipDataset,
        JHMDBCocoClipDataset,
        PennActionDataset,
        PeopleClipDataset,
        PoseTrackClipDataset,
        VideoClipDataset,
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
        PackLifterInputs,
        ReducedTopdownAffine,
        TopdownStretch,
    )
    from .whole_track import WholeTrack
    from .window_options import make_window
    from .windows import (
        ClipWindow,
        ConsecutiveFrames,
        FramesAround,
        FrameWindow,
        NearPair,
        clip_windows,
        offset_windows,
    )
else:
    __getattr__, __dir__ = on_demand(__name__, __file__)

__all__ = [
    'BaseClipDataset',
    'BaseSequenceDataset',
    'ClipBBox',
    'ClipKeypointConverter',
    'ClipRandomFlip',
    'ClipWindow',
    'CocoTestDevDataset',
    'ConsecutiveFrames',
    'ForEachFrame',
    'FrameWindow',
    'FramesAround',
    'GenerateClipTarget',
    'H36MSequenceDataset',
    'HiEveClipDataset',
    'HumanEvaSequenceDataset',
    'JHMDBClipDataset',
    'JHMDBCocoClipDataset',
    'LoadClip',
    'MaskRandomJoints',
    'NearPair',
    'PackClipInputs',
    'PackLifterInputs',
    'PackedSamples',
    'PennActionDataset',
    'PeopleClipDataset',
    'PoseTrackClipDataset',
    'ReducedTopdownAffine',
    'TopdownStretch',
    'Track',
    'TrackStore',
    'VideoClipDataset',
    'WholeTrack',
    'clip_windows',
    'make_window',
    'offset_windows',
    'resolve_metainfo_file',
    'stack_in_worker',
]
