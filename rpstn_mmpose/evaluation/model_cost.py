# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a model costs, and on which machine."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch
from mmengine.analysis import get_model_complexity_info
from torch import nn


class _TensorMode(nn.Module):
    """An MMPose estimator from images to heatmaps, for the count."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: torch.Tensor) -> Any:
        return self.model(inputs, None, mode='tensor')


def gmacs_per_frame(model: nn.Module, inputs: torch.Tensor) -> float:
    """Multiply-accumulates of an estimator, in 10^9 for each input frame.

    Args:
        model: An MMPose estimator; left in evaluation mode.
        inputs: A clip T x 3 x H x W, or an image 3 x H x W.
    """
    frames = len(inputs) if inputs.dim() == 4 else 1
    device = next(model.parameters()).device
    batch = torch.zeros(1, *inputs.shape, device=device)
    with torch.no_grad():
        # What mmengine calls flops are multiply-accumulates.
        counts = get_model_complexity_info(
            _TensorMode(model).eval(),
            inputs=(batch,),
            show_table=False,
            show_arch=False,
        )
    return counts['flops'] / frames / 1e9


def cpu_name() -> str:
    """The processor's model."""
    try:
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
