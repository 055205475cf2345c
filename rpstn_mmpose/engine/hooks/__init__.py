# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .atomic_checkpoint_hook import AtomicCheckpointHook
from .checkpoint_guard_hook import CheckpointGuardHook

__all__ = ['AtomicCheckpointHook', 'CheckpointGuardHook']
