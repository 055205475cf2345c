# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .camera import CameraSource
from .cuts import shots_of
from .images import AlbumSource, GeneratorSource, ImagesSource
from .open import InputType, open_source
from .source import Frame, FrameSource
from .video_file import AddressSource, VideoFileSource

__all__ = [
    'AddressSource',
    'AlbumSource',
    'CameraSource',
    'Frame',
    'FrameSource',
    'GeneratorSource',
    'ImagesSource',
    'InputType',
    'VideoFileSource',
    'open_source',
    'shots_of',
]
