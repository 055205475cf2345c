# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import on_demand

if TYPE_CHECKING:
    from ..checkpoints import (
        CheckpointError,
        enable_safe_loading,
        load_weights,
    )
    from .autocast_optim_wrapper import AutocastOptimWrapper
    from .hooks import AtomicCheckpointHook, CheckpointGuardHook
else:
    __getattr__, __dir__ = on_demand(__name__, __file__)

__all__ = [
    'AtomicCheckpointHook',
    'AutocastOptimWrapper',
    'CheckpointError',
    'CheckpointGuardHook',
    'enable_safe_loading',
    'load_weights',
]
