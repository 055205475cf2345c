# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A stand-in for a GPU's recordings, which keeps their memory as PyTorch's
documentation of CUDA graphs says."""

from types import SimpleNamespace
from unittest import mock

import torch

from rpstn_mmpose.speed import compiled_frame, cuda_graph
from rpstn_mmpose.speed.cuda_graph import (
    GraphedFunction,
    map_tensors,
    tensors_of,
)


class Gpu:
    """Replays write over the outputs of the last one, and consist of all
    kernels, those of recordings inside included.
    """

    def __init__(self, monkeypatch):
        self.recorded = []
        self.replays = 0
        monkeypatch.setattr(cuda_graph, 'capture', self.capture)

    def capture(self, function, inputs):
        outputs = map_tensors(torch.clone, function(*inputs))
        self.recorded.append([tuple(x.shape) for x in inputs])

        def replay():
            self.replays += 1
            with mock.patch.object(GraphedFunction, '_recording', True):
                new = function(*inputs)
            for kept, value in zip(tensors_of(outputs), tensors_of(new)):
                kept.copy_(value)

        return outputs, replay

    def compiles(self, monkeypatch):
        """Models say that they are on it; what is compiled is kept."""
        self.compiled = []

        def compiler(function, **options):
            self.compiled.append(options)
            return function

        monkeypatch.setattr(torch, 'compile', compiler)
        monkeypatch.setattr(
            compiled_frame,
            'device_of',
            lambda model: SimpleNamespace(type='cuda'),
        )


class Replay(torch.autograd.Function):
    """A pass whose outputs stay where they are."""

    @staticmethod
    def forward(ctx, kept, run, *weights):
        with torch.enable_grad():
            ctx.outputs, ctx.weights = run(), weights
        for place, value in zip(kept, ctx.outputs):
            place.copy_(value.detach())
        return tuple(place.detach() for place in kept)

    @staticmethod
    def backward(ctx, *grads):
        pairs = [
            (x, grad) for x, grad in zip(ctx.outputs, grads) if x.requires_grad
        ]
        found = torch.autograd.grad(
            [x for x, _ in pairs],
            ctx.weights,
            [grad for _, grad in pairs],
            allow_unused=True,
        )
        return None, None, *found


class TrainingGpu:
    """In place of ``torch.cuda``'s recordings of training passes.

    ``broken`` names what goes wrong: the ``capture``, which leaves its stream
    on as PyTorch does, an ``output`` or a ``gradient``.
    """

    def __init__(self, monkeypatch):
        self.recorded = []
        self.replays = 0
        self.broken = ''
        self.stream = 'default'
        self.during = lambda module: None
        for name, value in dict(
            make_graphed_callables=self.make_graphed_callables,
            graph_pool_handle=lambda: 'memory',
            current_stream=lambda: self.stream,
            set_stream=lambda stream: setattr(self, 'stream', stream),
        ).items():
            monkeypatch.setattr(torch.cuda, name, value)

    def make_graphed_callables(
        self, module, inputs, allow_unused_input=False, pool=None
    ):
        assert allow_unused_input and pool == 'memory'
        self.stream = 'recorded'
        self.during(module)
        if self.broken == 'capture':
            raise RuntimeError('operation not permitted\nwhen capturing')
        self.recorded.append([tuple(x.shape) for x in inputs])
        kept = [x.detach().clone() for x in module(*inputs)]
        self.stream = 'default'
        weights = [x for x in module.parameters() if x.requires_grad]

        def run(new):
            outputs = module(*new)
            if self.broken == 'output':
                outputs = [x + 1 for x in outputs]
            if self.broken == 'gradient':
                outputs = [x.detach() + 0 * x for x in outputs]
            return list(outputs)

        def replay(*new):
            self.replays += 1
            return Replay.apply(kept, lambda: run(new), *weights)

        return replay
