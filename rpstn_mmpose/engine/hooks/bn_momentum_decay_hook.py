# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch.nn.modules.batchnorm import _BatchNorm


@HOOKS.register_module()
class BNMomentumDecayHook(Hook):
    """Batch norms whose running statistics come to rest.

    Their momentum falls exponentially from epoch to epoch, as in VideoPose3D:
    ``start`` in the first one, and ``end`` would be reached after the last.
    ``GraphedTrainingHook``, whose recordings keep the first, refuses it.

    Args:
        parts (Sequence[str]): Names of modules whose batch norms it is about.
            Defaults to ``('',)``, the whole model.
        start (float): Momentum of the first epoch. Defaults to 0.1.
        end (float): As above. Defaults to 0.001.

    Raises:
        ValueError: A momentum that is not from above 0 to 1.
    """

    def __init__(
        self,
        parts: Sequence[str] = ('',),
        start: float = 0.1,
        end: float = 0.001,
    ) -> None:
        if not (0 < start <= 1 and 0 < end <= 1):
            raise ValueError(
                f'{type(self).__name__}: start and end must be above 0 and at '
                f'most 1, but got {start} and {end}'
            )
        self.parts = tuple(parts)
        self.start, self.end = start, end

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the momentum of this epoch."""
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        done = runner.epoch / runner.max_epochs
        momentum = self.start * (self.end / self.start) ** done
        for part in self.parts:
            for module in model.get_submodule(part).modules():
                if isinstance(module, _BatchNorm):
                    module.momentum = momentum
