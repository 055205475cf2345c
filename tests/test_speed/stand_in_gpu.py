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
