# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Video pose estimation for MMPose 1.x: importing it registers its parts."""

from __future__ import annotations

from .version import __version__, check_versions

# Before anything that needs the packages it checks.
check_versions()

from . import datasets, engine, evaluation, models, systems, visualization  # noqa: E402
from .recipes import config_path, configs_dir, list_configs  # noqa: E402

engine.enable_safe_loading()

__all__ = [
    '__version__',
    'check_versions',
    'config_path',
    'configs_dir',
    'datasets',
    'engine',
    'evaluation',
    'list_configs',
    'models',
    'systems',
    'visualization',
]
