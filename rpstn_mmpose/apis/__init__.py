# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .crop_pipeline import frame_pipeline
from .given_boxes import has_ids, load_boxes_of
from .people_drawing import draw_people
from .person_detector import PersonDetector
from .prediction_writer import PredictionWriter
from .smoothing import OneEuroFilter
from .tracking import BaseTracker, ByteTracker, MotionTracker
from .trajectories import TrajectoryRecorder
from .video_io import (
    AddressSource,
    AlbumSource,
    CameraSource,
    Frame,
    FrameSource,
    GeneratorSource,
    ImagesSource,
    VideoFileSource,
    open_source,
)
from .video_output import VideoRun
from .video_pose_inferencer import VideoPoseInferencer

__all__ = [
    'AddressSource',
    'AlbumSource',
    'BaseTracker',
    'ByteTracker',
    'CameraSource',
    'Frame',
    'FrameSource',
    'GeneratorSource',
    'ImagesSource',
    'MotionTracker',
    'OneEuroFilter',
    'PersonDetector',
    'PredictionWriter',
    'TrajectoryRecorder',
    'VideoFileSource',
    'VideoPoseInferencer',
    'VideoRun',
    'draw_people',
    'frame_pipeline',
    'has_ids',
    'load_boxes_of',
    'open_source',
]
