# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keeps the convolutions' weights, and so all maps, in channels-last
    order, which many convolutions are faster in. Results stay the same up to
    rounding.
    """

    def before_run(self, runner: Runner) -> None:
        """Convert the model before it trains, validates or tests.

        Args:
            runner (Runner): The runner of the process.
        """
        runner.model.to(memory_format=torch.channels_last)
