# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a model costs, and on which machine."""

from __future__ import annotations

import platform
from functools import partial
from pathlib import Path
from typing import Any, Callable

import torch
from mmengine.analysis import get_model_complexity_info
from torch import nn


class _Counted(nn.Module):
    """What a model does, for the count."""

    def __init__(self, model: nn.Module, function: Callable) -> None:
        super().__init__()
        self.model, self.function = model, function

    def forward(self, inputs: torch.Tensor) -> Any:
        return self.function(inputs)


def _gmacs(model: nn.Module, inputs: torch.Tensor, function: Any) -> float:
    """Of one input to a function of a model."""
    device = next(model.parameters()).device
    batch = torch.zeros(1, *inputs.shape, device=device)
    with torch.no_grad():
        # What mmengine calls flops are multiply-accumulates.
        counts = get_model_complexity_info(
            _Counted(model, function).eval(),
            inputs=(batch,),
            show_table=False,
            show_arch=False,
        )
    return counts['flops'] / 1e9


def gmacs_per_frame(model: nn.Module, inputs: torch.Tensor) -> float:
    """Multiply-accumulates of an estimator, in 10^9 for each input frame.

    Args:
        model: An MMPose estimator; left in evaluation mode.
        inputs: A clip T x 3 x H x W, or an image 3 x H x W.
    """
    frames = len(inputs) if inputs.dim() == 4 else 1
    return (
        _gmacs(model, inputs, partial(model, data_samples=None, mode='tensor'))
        / frames
    )


def gmacs_per_pose(model: Any, inputs: torch.Tensor) -> float:
    """Multiply-accumulates of a stream, in 10^9 for each frame.

    A window's frames go through the network once, when they come in; what
    combines them is done for each.

    Args:
        model: An MMPose estimator; left in evaluation mode.
        inputs: A clip T x 3 x H x W, or an image 3 x H x W.
    """
    # What it works out once and keeps is no part of a frame.
    with torch.no_grad():
        batch = torch.zeros(1, *inputs.shape)
        model.eval()(
            batch.to(next(model.parameters())),
            data_samples=None,
            mode='tensor',
        )
    per_frame = gmacs_per_frame(model, inputs)
    if getattr(model, 'kind', '') != 'window':
        return per_frame
    again = len(inputs) - 1
    features = _gmacs(model, inputs[0], model.frame_features)
    return per_frame * len(inputs) - features * again


def cpu_name() -> str:
    """The processor's model."""
    try:
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
