# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .atomic_checkpoint_hook import AtomicCheckpointHook
from .bn_momentum_decay_hook import BNMomentumDecayHook
from .channels_last_hook import ChannelsLastHook
from .checkpoint_guard_hook import CheckpointGuardHook
from .fast_inference_hook import FastInferenceHook
from .graphed_training_hook import GraphedTrainingHook
from .train_only_hook import TrainOnlyHook

__all__ = [
    'AtomicCheckpointHook',
    'BNMomentumDecayHook',
    'ChannelsLastHook',
    'CheckpointGuardHook',
    'FastInferenceHook',
    'GraphedTrainingHook',
    'TrainOnlyHook',
]
