# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a training pass changes beside its outputs, to be put back."""

from __future__ import annotations

import random
from functools import partial
from typing import Any, Callable

import numpy as np
import torch
from torch import nn


class TrainingState:
    """Of a model: its buffers, its gradients, what is trained and in which
    mode; of the process: the generators of random numbers.

    Weights are left out, which a pass does not write to.

    Args:
        model: As it is now.
    """

    def __init__(self, model: nn.Module) -> None:
        self._modes = [(part, part.training) for part in model.modules()]
        self._buffers = [
            (part, name, x, x.clone())
            for part in model.modules()
            for name, x in part._buffers.items()
            if x is not None
        ]
        self._weights = [
            (x, x.requires_grad, x.grad, x.grad.clone())
            if x.grad is not None
            else (x, x.requires_grad, None, None)
            for x in model.parameters()
        ]
        self._devices = sorted(
            {x.device.index for x in model.parameters() if x.is_cuda}
        )
        self._generators = self._read_generators()

    def _read_generators(self) -> list[tuple[Callable, Any]]:
        """What sets each of them, and to what."""
        found: list[tuple[Callable, Any]] = [
            (random.setstate, random.getstate()),
            (np.random.set_state, np.random.get_state()),
            (torch.set_rng_state, torch.get_rng_state()),
        ]
        for device in self._devices:
            setter = partial(torch.cuda.set_rng_state, device=device)
            found.append((setter, torch.cuda.get_rng_state(device)))
        return found

    def what_cannot_be_recorded(self) -> str:
        """What has been changed since that a recording would not change in
        each replay; empty: nothing.
        """
        for (_, before), (_, now) in zip(
            self._generators, self._read_generators()
        ):
            if not _equal(before, now):
                return (
                    'it draws random numbers, as dropout does, so that a '
                    'replay cannot be compared'
                )
        for part, name, buffer, _ in self._buffers:
            if part._buffers.get(name) is not buffer:
                return (
                    f'it puts another tensor in the place of its buffer {name}'
                )
        return ''

    @torch.no_grad()
    def put_back(self) -> None:
        """Make everything what it was."""
        for part, training in self._modes:
            part.training = training
        for part, name, buffer, value in self._buffers:
            part._buffers[name] = buffer
            buffer.copy_(value)
        for weight, trained, grad, value in self._weights:
            weight.requires_grad_(trained)
            weight.grad = grad
            if grad is not None:
                grad.copy_(value)
        for setter, state in self._generators:
            setter(state)


def _equal(one: Any, other: Any) -> bool:
    """Of the states of a generator."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, tuple):
        return all(_equal(a, b) for a, b in zip(one, other))
    return one == other
