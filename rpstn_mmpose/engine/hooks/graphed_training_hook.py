# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import AmpOptimWrapper, OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from mmpose.registry import HOOKS

from ...speed.cuda_graph import GRAPHED_METHODS
from ...speed.fast_inference import device_of
from ...speed.graphed_training import graph_training
from .bn_momentum_decay_hook import BNMomentumDecayHook


@HOOKS.register_module()
class GraphedTrainingHook(Hook):
    """Gives a GPU the forward and the backward pass by one call each.

    A GPU that is done before the host has given it the next kernel waits for
    the host; small batches and small models train faster so. A recording
    takes as long as a few steps, and is made for the first two sizes of a
    batch: let the loader have ``drop_last`` or be content that the last batch
    of an epoch is the second. The loss stays the same up to rounding.

    The first step's log tells that it is recorded or, in a warning, why the
    model trains as without this hook, such as with dropout: see
    :class:`~rpstn_mmpose.speed.graphed_training.GraphedTraining`.
    """

    def before_train(self, runner: Runner) -> None:
        """Have the model's passes recorded from now on.

        Args:
            runner (Runner): The runner of the process.

        Raises:
            ValueError: On a CPU, in distributed training, with a model that
                names no methods, with gradients that are accumulated,
                float16 (``--amp``), ``checkpointing``,
                :class:`BNMomentumDecayHook` or a loader that pins memory.
        """
        reason = self._obstacle(runner)
        if reason:
            raise ValueError(f'{type(self).__name__} {reason}')
        graph_training(runner.model)

    @staticmethod
    def _obstacle(runner: Runner) -> str:
        """Why it cannot be done; empty: it can."""
        model = runner.model
        if is_model_wrapper(model):
            return 'is for one process; leave it out of distributed training'
        if device_of(model).type != 'cuda':
            return 'needs a GPU; leave it out'
        if not getattr(model, 'graphed_methods', GRAPHED_METHODS):
            return f'knows nothing of {type(model).__name__}; leave it out'
        if _in_float16(runner.optim_wrapper):
            return (
                'cannot compare gradients of float16 (--amp); take '
                'optim_wrapper.type=AutocastOptimWrapper, or leave it out'
            )
        counts = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if counts > 1:
            return (
                'writes over the gradients of the last step, and '
                f'accumulative_counts={counts} adds them; leave one out'
            )
        if (getattr(model, 'train_cfg', None) or {}).get('checkpointing'):
            return (
                'records a pass once, and checkpointing=True computes it '
                'again; leave one out'
            )
        if any(isinstance(hook, BNMomentumDecayHook) for hook in runner.hooks):
            return (
                'keeps the momenta of batch norms as they are at first, and '
                'BNMomentumDecayHook changes them; leave one out'
            )
        if getattr(runner.train_dataloader, 'pin_memory', False):
            # Its thread asks the driver for memory while a graph is recorded.
            return (
                'cannot record beside the thread of '
                'train_dataloader.pin_memory=True; leave one out'
            )
        return ''


def _in_float16(wrapper: OptimWrapper | OptimWrapperDict) -> bool:
    """Whether mmengine trains so: it does unless another type is named."""
    if not isinstance(wrapper, AmpOptimWrapper):
        return False
    return wrapper.cast_dtype in (None, torch.float16)
