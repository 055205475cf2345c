# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The papers that live here, a folder each; importing registers them."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

__all__ = sorted(module.name for module in iter_modules(__path__))

for _name in __all__:
    import_module(f'{__name__}.{_name}')
