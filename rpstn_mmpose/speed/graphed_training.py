# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Training passes, forward and backward, that a GPU is given as one call."""

from __future__ import annotations

import copy
import logging
import weakref
from inspect import signature
from typing import Any, Callable

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from .cuda_graph import (
    TOLERANCE,
    difference,
    kept_stream,
    map_tensors,
    replace_methods,
    tensors_of,
    warn_without_graph,
    wrong_input,
)
from .training_state import TrainingState

# How far gradients may be from those of the plain pass, as a share of their
# length: kernels that add in another order each time make some of it.
GRADIENT_TOLERANCE = 5e-2


class _Pass(nn.Module):
    """A method of a model as a module that gives tensors alone."""

    def __init__(self, model: nn.Module, method: Callable) -> None:
        super().__init__()
        self.model = model
        self.method = method

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = self.method(*inputs)
        self.structure = map_tensors(torch.Tensor.detach, outputs)
        return tuple(tensors_of(outputs))


class GraphedTraining:
    """A model's method, recorded with its backward pass for each shape.

    As :class:`~rpstn_mmpose.speed.cuda_graph.GraphedFunction`, for training:
    PyTorch's ``make_graphed_callables`` records both passes. The method is
    called as it is in evaluation mode, without gradients, with keywords, for
    inputs that are trained, a second time before the backward pass of the
    first, and for more shapes than ``max_recordings``.

    One line in the log tells the first recording. A warning tells why there
    is none, and the method is the model's own again, with all else as it was
    before:

    - The GPU cannot record it, or a replay gives something else.
    - It takes or gives other than tensors.
    - It draws random numbers, as dropout does. PyTorch draws new ones in each
      replay, and nothing is left to compare a replay with.
    - It computes in float16: gradients that are not scaled, as those that are
      compared, are rounded to 0 there. bfloat16 is recorded.
    - It puts another tensor in the place of a buffer.

    A step's gradients are written over by the next step's: they cannot be
    accumulated.

    Attributes:
        given_up: Why it is called as it is from now on; empty: it is not.

    Args:
        model: Its weights must stay where they are.
        name: Of the method. It takes tensors, and gives tensors in dicts,
            tuples and lists.
        max_recordings: For how many shapes; they share their memory.
    """

    def __init__(
        self, model: nn.Module, name: str, max_recordings: int = 2
    ) -> None:
        self.model = model
        self.name = name
        self.max_recordings = max_recordings
        self._method = getattr(type(model), name).__get__(model)
        self._recordings: dict[tuple, tuple[Callable, Any]] = {}
        self.given_up = ''
        self._pool: Any = None
        self._open: Callable = lambda: None

    def __deepcopy__(self, memo: dict) -> GraphedTraining:
        """Of the copied model, with nothing recorded."""
        model = copy.deepcopy(self.model, memo)
        return type(self)(model, self.name, self.max_recordings)

    def __call__(self, *inputs: Tensor, **kwargs: Any) -> Any:
        if (
            kwargs
            or self.given_up
            or not self.model.training
            or not torch.is_grad_enabled()
            or any(getattr(x, 'requires_grad', False) for x in inputs)
            # Its backward pass still reads what a replay would write over.
            or self._open() is not None
        ):
            return self._method(*inputs, **kwargs)
        reason = wrong_input(inputs)
        if reason:
            self._give_up(reason)
            return self._method(*inputs)
        dtype = autocast_dtype()
        key = (
            dtype,
            *((x.shape, x.dtype) for x in inputs),
            *(x.requires_grad for x in self.model.parameters()),
            *(part.training for part in self.model.modules()),
        )
        if key not in self._recordings:
            if len(self._recordings) == self.max_recordings:
                return self._method(*inputs)
            self._record(key, inputs)
            if self.given_up:
                return self._method(*inputs)
        replay, structure = self._recordings[key]
        replayed = replay(*inputs)
        nodes = [x.grad_fn for x in replayed if x.grad_fn is not None]
        self._open = weakref.ref(nodes[0])
        outputs = iter(replayed)
        return map_tensors(lambda _: next(outputs), structure)

    def _record(self, key: tuple, inputs: tuple[Tensor, ...]) -> None:
        state = TrainingState(self.model)
        try:
            with kept_stream():
                recording = self._recording(key[0], inputs, state)
        except (AssertionError, RuntimeError) as error:  # of PyTorch both
            self._give_up(' '.join(str(error).split()))
            return
        finally:
            state.put_back()
        if not self._recordings:
            shapes = ', '.join(str(tuple(x.shape)) for x in inputs)
            print_log(
                f'{self._title} trains by CUDA graphs, recorded for inputs '
                f'of {shapes}',
                logger='current',
                level=logging.INFO,
            )
        self._recordings[key] = recording

    def _recording(
        self,
        dtype: torch.dtype | None,
        inputs: tuple[Tensor, ...],
        state: TrainingState,
    ) -> tuple[Callable, Any]:
        """A replay that was compared with the plain pass, and the structure
        of what the method gives.

        Raises:
            RuntimeError: Why there is none.
        """
        if dtype == torch.float16:
            raise RuntimeError(
                'float16 rounds the gradients that are compared to 0; '
                'bfloat16 is recorded, as of AutocastOptimWrapper'
            )
        one_pass = _Pass(self.model, self._method)
        with torch.autocast(
            'cuda',
            dtype=dtype,
            enabled=dtype is not None,
            cache_enabled=False,  # casts are a part of the recording
        ):
            outputs = one_pass(*inputs)
            reason = state.what_cannot_be_recorded()
            if reason:
                raise RuntimeError(reason)
            if not any(x.requires_grad for x in outputs):
                raise RuntimeError('none of its weights is trained')
            gradient = self._gradient(outputs)
            if not 0 < gradient.norm() < float('inf'):
                raise RuntimeError(
                    'its first gradient, with which a replay is compared, is '
                    '0 or not finite'
                )
            # Its memory is given back before as much is recorded.
            outputs = tuple(x.detach() for x in outputs)
            replay = torch.cuda.make_graphed_callables(
                _Pass(self.model, self._method),
                tuple(x.clone() for x in inputs),
                allow_unused_input=True,
                **self._memory(),
            )
        replayed = replay(*inputs)
        check('a replay', difference(replayed, outputs), TOLERANCE)
        change = (self._gradient(replayed) - gradient).norm()
        share = float(change / gradient.norm())
        check("a replay's gradient", share, GRADIENT_TOLERANCE)
        return replay, one_pass.structure

    def _memory(self) -> dict[str, Any]:
        """One memory for all recordings, where torch can (since 2.3)."""
        known = signature(torch.cuda.make_graphed_callables).parameters
        if 'pool' not in known:
            return {}
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        return dict(pool=self._pool)

    def _gradient(self, outputs: tuple[Tensor, ...]) -> Tensor:
        """Of the mean of squares, by all weights, as one vector."""
        weights = [x for x in self.model.parameters() if x.requires_grad]
        loss = sum(x.float().square().mean() for x in outputs)
        found = torch.autograd.grad(loss, weights, allow_unused=True)
        full = [
            torch.zeros_like(weight) if grad is None else grad
            for weight, grad in zip(weights, found)
        ]
        return torch.cat([x.double().flatten() for x in full])

    @property
    def _title(self) -> str:
        return f'{type(self.model).__name__}.{self.name}'

    def _give_up(self, reason: str) -> None:
        self._recordings.clear()
        self.given_up = reason
        if vars(self.model).get(self.name) is self:
            del self.model.__dict__[self.name]
        warn_without_graph(f'{self._title} trains', reason)


def autocast_dtype() -> torch.dtype | None:
    """What a GPU computes in under the autocast that is on, if one is."""
    if not torch.is_autocast_enabled():
        return None
    if hasattr(torch, 'get_autocast_dtype'):  # since torch 2.4
        return torch.get_autocast_dtype('cuda')
    return torch.get_autocast_gpu_dtype()


def check(what: str, change: float, tolerance: float) -> None:
    """Raise a RuntimeError if a replay is too far from the plain pass."""
    if not change <= tolerance:
        raise RuntimeError(f'{what} differs by {change:.2g}')


def graph_training(model: nn.Module) -> list[str]:
    """Have a model's passes recorded while it trains, in place.

    Args:
        model: On a GPU. A class names the methods by ``graphed_methods``.

    Returns:
        list[str]: The names of the methods.
    """
    return replace_methods(model, lambda name: GraphedTraining(model, name))
