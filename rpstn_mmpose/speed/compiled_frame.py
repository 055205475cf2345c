# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A stream's frame as one function, compiled or recorded."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import torch
from torch import Tensor, nn

from .cuda_graph import GraphedFunction
from .fast_inference import device_of, with_frozen_weights


def _in_order(maps: Tensor, order: torch.memory_format) -> Tensor:
    """Maps with the very strides of a memory order.

    ``Tensor.contiguous`` leaves those of dimensions of size 1 as they are,
    and ``torch.compile`` compiles again for other ones.
    """
    _, channels, height, width = maps.shape
    strides = (height * width, width, 1)
    if order == torch.channels_last:
        strides = (1, width * channels, channels)
    if maps.stride() == (channels * height * width, *strides):
        return maps
    return maps.clone(memory_format=order)


def next_state(model: nn.Module) -> Callable[..., tuple[Tensor, ...]]:
    """The model's next frame of tensors alone: crops and the fields of a
    state to those of the new one, of which the heatmaps are one.
    """

    def frame(inputs: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        return tuple(model.next(inputs, model.State(*state))[1])

    return frame


class GraphedFrame:
    """A stream's next frame as a CUDA graph of the kernels that it is made
    of, for each number of crops, at once and without a compiler.

    Args:
        model (RecurrentPoseEstimator): In evaluation mode. Its weights must
            stay where they are.
    """

    def __init__(self, model: nn.Module) -> None:
        self._state = model.State
        self._frame = GraphedFunction(
            next_state(model), f'A frame of {type(model).__name__}'
        )

    @torch.no_grad()
    def __call__(
        self, inputs: Tensor, state: NamedTuple
    ) -> tuple[Tensor, NamedTuple]:
        """See :class:`CompiledFrame`."""
        state = self._state(*self._frame(inputs, *state))
        return state.heatmaps, state


class CompiledFrame:
    """A stream's next frame, from crops to heatmaps, compiled as a whole.

    On a GPU the compiled kernels are recorded, as in :class:`GraphedFrame`.
    For each number of crops, compiling takes a minute or two at its first
    frame, so that their number is limited; further ones run uncompiled. On a
    CPU it needs a C++ compiler.

    Args:
        model (RecurrentPoseEstimator): In evaluation mode. Its weights must
            not change any more.
        max_recordings (int): For how many different numbers of crops.
            Defaults to 8, as many as ``torch.compile`` takes unasked.
        **options: Arguments of :func:`torch.compile`, in the place of those
            that are chosen by the model's device.

    Raises:
        ValueError: If ``max_recordings`` is below 1.
    """

    def __init__(
        self, model: nn.Module, max_recordings: int = 8, **options: Any
    ) -> None:
        if max_recordings < 1:
            raise ValueError(
                f'{self.__class__.__name__}: max_recordings '
                f'must be at least 1, but got {max_recordings}'
            )

        self._state = model.State
        frame = next_state(model)
        self.max_recordings = max_recordings
        self._sizes: set[int] = set()
        self._plain = frame
        device = device_of(model).type
        if device == 'cpu' and not options:
            self._compiled = with_frozen_weights(frame)
        else:
            options = options or dict(dynamic=False)
            self._compiled = torch.compile(frame, **options)
        if device == 'cuda':
            name = f'A compiled frame of {type(model).__name__}'
            self._compiled = GraphedFunction(
                self._compiled, name, max_recordings
            )

    @torch.no_grad()
    def __call__(
        self, inputs: Tensor, state: NamedTuple
    ) -> tuple[Tensor, NamedTuple]:
        """Heatmaps of the next frame.

        Args:
            inputs (Tensor): Normalized crops, (N, 3, H, W).
            state (NamedTuple): The model's ``State`` of the frame before, of
                N rows.

        Returns:
            tuple[Tensor, NamedTuple]: As of the model's ``next``. Both are
            the caller's own: later frames do not write over them.
        """
        size = len(inputs)
        if size not in self._sizes:
            if len(self._sizes) >= self.max_recordings:
                state = self._state(*self._plain(inputs, *state))
                return state.heatmaps, state
            self._sizes.add(size)
        # One memory order, whoever made the state: for another one it would
        # be compiled again.
        order = torch.contiguous_format
        if state[0].is_contiguous(memory_format=torch.channels_last):
            order = torch.channels_last
        new = self._compiled(
            _in_order(inputs, torch.contiguous_format),
            *(_in_order(part, order) for part in state),
        )
        state = self._state(*new)
        return state.heatmaps, state
