# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpose.registry import HOOKS

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
    of an epoch is the second. The loss stays the same up to rounding. See
    :class:`~rpstn_mmpose.speed.graphed_training.GraphedTraining`.
    """

    def before_train(self, runner: Runner) -> None:
        """Have the model's passes recorded from now on.

        Args:
            runner (Runner): The runner of the process.

        Raises:
            ValueError: On a CPU; with an optimizer wrapper that accumulates
                gradients, which a replay writes over; with a
                :class:`BNMomentumDecayHook`, whose later momenta a recording
                does not know.
        """
        name = type(self).__name__
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        if device_of(model).type != 'cuda':
            raise ValueError(f'{name} needs a GPU; leave it out')
        counts = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if counts > 1:
            raise ValueError(
                f'{name}: a step writes over the gradients of the last one, '
                f'and accumulative_counts={counts} adds them; leave one out'
            )
        if any(isinstance(hook, BNMomentumDecayHook) for hook in runner.hooks):
            raise ValueError(
                f'{name} keeps the momenta of batch norms as they are at '
                'first, and BNMomentumDecayHook changes them; leave one out'
            )
        graph_training(model)
