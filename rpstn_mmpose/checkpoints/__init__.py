# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .error import CheckpointError
from .image_pretrained import load_image_pretrained
from .safe_checkpoint import enable_safe_loading, load_weights

__all__ = [
    'CheckpointError',
    'enable_safe_loading',
    'load_image_pretrained',
    'load_weights',
]
