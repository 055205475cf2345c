# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Functions that a GPU is given as one call."""

from __future__ import annotations

import copy
import logging
from contextlib import contextmanager
from inspect import signature
from typing import Any, Callable, Iterator, NamedTuple

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

# What MMPose's image models can have recorded; other models tell it by
# ``graphed_methods``.
GRAPHED_METHODS = ('extract_feat',)
# How far a replay may be from the function, as a share of the largest value:
# kernels may be other ones, and round otherwise; a broken recording is not
# that close.
TOLERANCE = 1e-2


def map_tensors(function: Callable, value: Any) -> Any:
    """A structure of dicts, tuples and lists with its tensors replaced.

    Raises:
        RuntimeError: If it has something else in it, which may hold tensors
            that a replay does not write to.
    """
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        changed = copy.copy(value)
        for name, x in value.items():
            changed[name] = map_tensors(function, x)
        return changed
    if isinstance(value, tuple) and hasattr(value, '_fields'):
        return type(value)(*(map_tensors(function, x) for x in value))
    if isinstance(value, (list, tuple)):
        return type(value)(map_tensors(function, x) for x in value)
    if value is None or isinstance(value, (int, float, str)):
        return value
    raise RuntimeError(
        f'it gives a {type(value).__name__}, and only tensors in dicts, '
        'tuples and lists can be recorded'
    )


def tensors_of(value: Any) -> list[Tensor]:
    """The tensors of a structure."""
    found: list[Tensor] = []
    map_tensors(found.append, value)
    return found


def wrong_input(inputs: tuple) -> str:
    """Why inputs cannot be recorded; empty: they can."""
    for x in inputs:
        if not isinstance(x, Tensor):
            return (
                f'it takes a {type(x).__name__}, and only tensors can be '
                'recorded'
            )
    return ''


@contextmanager
def kept_stream() -> Iterator[None]:
    """The current stream stays what it was.

    PyTorch leaves the one that it recorded on where a recording breaks off:
    what ends it raises an error before the streams are changed back.
    """
    before = torch.cuda.current_stream()
    try:
        yield
    finally:
        torch.cuda.set_stream(before)


@kept_stream()
def capture(function: Callable, inputs: list[Tensor]) -> tuple[Any, Callable]:
    """Record a function as a CUDA graph.

    Args:
        function: Of tensors; it does nothing that waits for the GPU.
        inputs: Tensors that stay where they are.

    Returns:
        tuple: What it gives, in tensors that stay where they are, and the
        replay: it reads the inputs and writes to those.
    """
    # As PyTorch's documentation of CUDA graphs wants it: libraries choose
    # their kernels, and make what they keep, on another stream before.
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            function(*inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Other threads may ask for memory meanwhile, as one that pins batches.
    options = {}
    if 'capture_error_mode' in signature(torch.cuda.graph.__init__).parameters:
        options = dict(capture_error_mode='thread_local')
    with torch.cuda.graph(graph, **options):
        outputs = function(*inputs)
    return outputs, graph.replay


class _Recording(NamedTuple):
    inputs: list[Tensor]
    outputs: Any
    replay: Callable


class GraphedFunction:
    """A function of tensors, recorded once for each shape of them.

    A GPU that is faster than the host can give it kernels waits for the
    host; a recording gives it all kernels by one call. The function is called
    as it is with gradients, with keywords, for more shapes than
    ``max_recordings``, and, after one line in the log, where it takes or gives
    something else, the GPU cannot record it or a replay gives other values.

    What a recording computes is copied: the caller's tensors are written
    over neither by this function nor by later calls.

    Args:
        function: Takes tensors, and gives tensors in dicts, tuples and lists.
            Its weights must stay where they are.
        name: For the line.
        max_recordings: For how many shapes. Each holds the memory of a call.

    Raises:
        ValueError: If ``max_recordings`` is below 1.
    """

    # Whether one is being recorded; those inside of it are a part of it.
    _recording = False

    def __init__(
        self, function: Callable, name: str, max_recordings: int = 8
    ) -> None:
        if max_recordings < 1:
            raise ValueError(
                f'{type(self).__name__}: max_recordings must be at least 1, '
                f'but got {max_recordings}'
            )
        self.function = function
        self.name = name
        self.max_recordings = max_recordings
        self._recordings: dict[tuple, _Recording] = {}
        self._given_up = False

    def __call__(self, *inputs: Tensor, **kwargs: Any) -> Any:
        if (
            kwargs
            or self._given_up
            or torch.is_grad_enabled()
            or GraphedFunction._recording
        ):
            return self.function(*inputs, **kwargs)
        reason = wrong_input(inputs)
        if reason:
            self._give_up(reason)
            return self.function(*inputs)
        key = tuple((x.shape, x.dtype) for x in inputs)
        if key not in self._recordings:
            if len(self._recordings) < self.max_recordings:
                return self._record(key, inputs)
            return self.function(*inputs)
        recording = self._recordings[key]
        for kept, new in zip(recording.inputs, inputs):
            kept.copy_(new)
        recording.replay()
        return map_tensors(torch.clone, recording.outputs)

    def _record(self, key: tuple, inputs: tuple) -> Any:
        """What the function gives; it is recorded on the way."""
        kept = [x.clone() for x in inputs]
        GraphedFunction._recording = True
        try:
            expected = self.function(*inputs)
            try:
                outputs, replay = capture(self.function, kept)
                replay()
                change = difference(outputs, expected)
            except RuntimeError as error:
                self._give_up(' '.join(str(error).split()))
                return expected
        finally:
            GraphedFunction._recording = False
        if not change <= TOLERANCE:
            self._give_up(f'a replay differs by {change:.2g}')
        else:
            self._recordings[key] = _Recording(kept, outputs, replay)
        return expected

    def _give_up(self, reason: str) -> None:
        self._recordings.clear()
        self._given_up = True
        warn_without_graph(f'{self.name} runs', reason)


def difference(one: Any, other: Any) -> float:
    """Largest difference of two structures' tensors, as a share of a
    tensor's largest value; what is NaN in both is equal.
    """
    shares = [0.0]
    for a, b in zip(tensors_of(one), tensors_of(other)):
        if a.numel():
            a, b = (x.detach().double().nan_to_num() for x in (a, b))
            scale = b.abs().max().clamp_min(1e-12)
            shares.append(float((a - b).abs().max() / scale))
    return max(shares)


def warn_without_graph(what: str, reason: str) -> None:
    """One line in the log: what runs or trains without a CUDA graph."""
    print_log(
        f'{what} without a CUDA graph: {reason}',
        logger='current',
        level=logging.WARNING,
    )


def replace_methods(
    model: nn.Module, make: Callable[[str], Callable]
) -> list[str]:
    """Put others in the place of a model's ``graphed_methods``; their names.

    Args:
        model (nn.Module): Changed in place.
        make: Gives what is to be called by a name.
    """
    names = getattr(model, 'graphed_methods', GRAPHED_METHODS)
    for name in names:
        # Not setattr, which looks for modules and parameters.
        model.__dict__[name] = make(name)
    return list(names)


def graph_methods(model: nn.Module) -> list[str]:
    """Have an estimator's methods recorded, in place.

    Args:
        model (nn.Module): In evaluation mode, on a GPU. A class names the
            methods by ``graphed_methods``.

    Returns:
        list[str]: The names of the methods.
    """

    def recorded(name: str) -> GraphedFunction:
        label = f'{type(model).__name__}.{name}'
        return GraphedFunction(getattr(model, name), label)

    return replace_methods(model, recorded)
