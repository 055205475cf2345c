# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A recurrent estimator as two ONNX graphs: the first frame, and a step."""
from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Tuple, Union

import torch
from torch import Tensor, nn

OPSET = 18


class _FirstFrame(nn.Module):
    """Images (N, 3, H, W) to the state, its heatmaps first."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tuple[Tensor, ...]:
        return _heatmaps_first(self.model.first(image)[1])


class _NextFrame(nn.Module):
    """Images and the state of the frame before to the same."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, *state: Tensor) -> Tuple[Tensor, ...]:
        state = self.model.State(*state)
        return _heatmaps_first(self.model.next(image, state)[1])


def _heatmaps_first(state: NamedTuple) -> Tuple[Any, ...]:
    others = [
        value for name, value in zip(state._fields, state)
        if name != 'heatmaps'
    ]
    return (state.heatmaps, *others)


def export_streaming(model: nn.Module,
                     folder: Union[str, Path],
                     people: int = 1) -> Tuple[Path, Path]:
    """Write ``first_frame.onnx`` and ``next_frame.onnx``.

    Both give ``heatmaps`` (N, K, h, w) and the other fields of the model's
    ``State`` (of RPSTN: ``feats``, (N, C, h, w)). ``first_frame`` takes
    ``image``, N normalized crops (N, 3, H, W); ``next_frame`` also takes the
    state of the frame before, each name with ``prev_`` in front.

    Args:
        model (nn.Module): A recurrent estimator in evaluation mode, float32,
            on the CPU, not compiled, its weights in contiguous order.
        folder (str | Path): Where to write.
        people (int): N, which is fixed: the kernels of the dynamic
            convolution are part of the data, and the graph has one group for
            each of them.

    Returns:
        tuple[Path, Path]: The two files.

    Raises:
        ImportError: If ``onnx`` or ``onnxscript``, which torch's exporter
            needs, is not installed.
        ValueError: If the model is not a recurrent one, or is in training
            mode.
    """
    if not getattr(model, 'carries_state', False):
        raise ValueError(f'export_streaming: {type(model).__name__} has no '
                         'state to hand on; it takes a '
                         'VideoTopdownPoseEstimator with a neck or a memory')
    if model.training:
        raise ValueError('export_streaming needs a model in evaluation mode; '
                         'call model.eval() first')
    if people < 1:
        raise ValueError('export_streaming: people must be at least 1, but '
                         f'got {people}')
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    width, height = model.head.decoder.input_size
    image = torch.zeros(people, 3, height, width)
    first, following = _FirstFrame(model).eval(), _NextFrame(model).eval()
    with torch.no_grad():
        state = model.first(image)[1]
    outputs = list(_heatmaps_first(model.State(*model.State._fields)))
    paths = folder / 'first_frame.onnx', folder / 'next_frame.onnx'
    graphs = ((first, (image, ), ['image']),
              (following, (image, *state),
               ['image', *(f'prev_{name}' for name in state._fields)]))
    for path, (module, args, names) in zip(paths, graphs):
        torch.onnx.export(
            module,
            args,
            str(path),
            input_names=names,
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False)
    return paths
