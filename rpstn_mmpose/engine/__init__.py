# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from ..checkpoints import CheckpointError, enable_safe_loading, load_weights
from .autocast_optim_wrapper import AutocastOptimWrapper
from .hooks import AtomicCheckpointHook, CheckpointGuardHook

__all__ = [
    'AtomicCheckpointHook',
    'AutocastOptimWrapper',
    'CheckpointError',
    'CheckpointGuardHook',
    'enable_safe_loading',
    'load_weights',
]
