# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .autocast_optim_wrapper import AutocastOptimWrapper
from .hooks import AtomicCheckpointHook, CheckpointGuardHook
from .safe_checkpoint import (CheckpointError, enable_safe_loading,
                              load_weights)

__all__ = [
    'AtomicCheckpointHook', 'AutocastOptimWrapper', 'CheckpointError',
    'CheckpointGuardHook', 'enable_safe_loading', 'load_weights'
]
