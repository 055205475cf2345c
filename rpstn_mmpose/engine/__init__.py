# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .hooks import AtomicCheckpointHook, CheckpointGuardHook
from .safe_checkpoint import (CheckpointError, enable_safe_loading,
                              load_weights)

__all__ = [
    'AtomicCheckpointHook', 'CheckpointError', 'CheckpointGuardHook',
    'enable_safe_loading', 'load_weights'
]
