# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import on_demand

if TYPE_CHECKING:
    from .error import CheckpointError
    from .image_pretrained import load_image_pretrained
    from .safe_checkpoint import enable_safe_loading, load_weights
else:
    __getattr__, __dir__ = on_demand(__name__, __file__)

__all__ = [
    'CheckpointError',
    'enable_safe_loading',
    'load_image_pretrained',
    'load_weights',
]
