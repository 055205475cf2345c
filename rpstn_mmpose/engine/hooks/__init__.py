# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .atomic_checkpoint_hook import AtomicCheckpointHook
from .channels_last_hook import ChannelsLastHook
from .checkpoint_guard_hook import CheckpointGuardHook

__all__ = ['AtomicCheckpointHook', 'ChannelsLastHook', 'CheckpointGuardHook']
