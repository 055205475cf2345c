# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Video pose estimation for MMPose 1.x: importing it registers its parts."""
import importlib as _importlib
import importlib.util as _util

from .version import __version__, check_versions

check_versions()

from .engine.safe_checkpoint import enable_safe_loading  # noqa: E402
from .recipes import config_path, configs_dir, list_configs  # noqa: E402

enable_safe_loading()

for _name in ('models', 'datasets', 'evaluation', 'engine', 'visualization'):
    if _util.find_spec(f'{__name__}.{_name}') is not None:
        _importlib.import_module(f'{__name__}.{_name}')

__all__ = [
    '__version__', 'check_versions', 'config_path', 'configs_dir',
    'list_configs'
]
