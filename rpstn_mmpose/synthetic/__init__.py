# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Procedural videos of articulated people in real data set formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import on_demand

if TYPE_CHECKING:
    from .config import GenerateConfig
    from .difficulty import PRESETS, Difficulty, get_difficulty
    from .generate import GENERATOR_VERSION, generate_jhmdb, generate_penn
    from .hieve_generator import generate_hieve
    from .jhmdb_writer import JHMDB_JOINTS, jhmdb_joints
    from .penn_writer import PENN_ORDER
    from .posetrack_generator import generate_posetrack
    from .sampling import render_video, sample_scene
    from .scene import REASONS, Scene
    from .skeleton import PENN_JOINTS, POINTS
else:
    __getattr__, __dir__ = on_demand(__name__, __file__)

__all__ = [
    'GENERATOR_VERSION',
    'GenerateConfig',
    'JHMDB_JOINTS',
    'PENN_JOINTS',
    'PENN_ORDER',
    'POINTS',
    'PRESETS',
    'Difficulty',
    'REASONS',
    'Scene',
    'generate_hieve',
    'generate_jhmdb',
    'generate_penn',
    'generate_posetrack',
    'get_difficulty',
    'jhmdb_joints',
    'render_video',
    'sample_scene',
]
