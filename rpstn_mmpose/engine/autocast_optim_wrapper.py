# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

import torch
from mmengine.optim import OptimWrapper
from mmengine.runner.amp import autocast
from mmpose.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Trains in bfloat16 where that is safe, on any device.

    mmengine's ``AmpOptimWrapper`` refuses CPUs, which have instructions for
    bfloat16 too, and scales the loss, which only float16 needs. Takes the
    arguments of :class:`mmengine.optim.OptimWrapper`.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Compute the loss under autocast.

        Args:
            model (nn.Module): The model that trains, by itself or wrapped.
        """
        # Said here: mmengine takes a GPU that is there for the model's place.
        device = next(model.parameters()).device.type
        with super().optim_context(model), autocast(device, torch.bfloat16):
            yield
