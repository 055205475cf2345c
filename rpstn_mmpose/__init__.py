# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Video pose estimation for MMPose 1.x: importing it registers its parts."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from .lazy import on_demand
from .recipes import config_path, configs_dir, list_configs
from .registration import register_when_asked
from .version import __version__, check_versions

if TYPE_CHECKING:
    from . import datasets, engine, evaluation, models, systems, visualization
else:
    __getattr__, __dir__ = on_demand(__name__, __file__)

check_versions()
register_when_asked()

# What importing these packages says of the packages that they import.
for _message in ('pkg_resources is deprecated', 'Importing from timm'):
    warnings.filterwarnings('ignore', _message)

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
