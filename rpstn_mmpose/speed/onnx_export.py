# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Video models as two ONNX graphs: the first frame and a step, or a frame and
what is made of a window of frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

OPSET = 18


class _FirstFrame(nn.Module):
    """Images (N, 3, H, W) to the state, its heatmaps first."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return _heatmaps_first(self.model.first(image)[1])


class _NextFrame(nn.Module):
    """Images and the state of the frame before to the same."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        state = self.model.State(*state)
        return _heatmaps_first(self.model.next(image, state)[1])


class _Frame(nn.Module):
    """Images (N, 3, H, W) to the levels of their features."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.model.frame_features(image)


class _Window(nn.Module):
    """Levels of T frames, (N, T, ...), to the answers for the wanted one."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *levels: Tensor) -> Tensor:
        offsets = self.model.clip_offsets
        return self.model.outputs(self.model.combine(levels, offsets))


def _heatmaps_first(state: NamedTuple) -> tuple[Any, ...]:
    others = [
        value
        for name, value in zip(state._fields, state)
        if name != 'heatmaps'
    ]
    return (state.heatmaps, *others)


def export_streaming(
    model: nn.Module, folder: str | Path, people: int = 1
) -> tuple[Path, Path]:
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
        raise ValueError(
            f'export_streaming: {type(model).__name__} has no '
            'state to hand on; it takes a '
            'VideoTopdownPoseEstimator with a neck or a memory'
        )
    folder = _checked('export_streaming', model, folder, people)
    width, height = model.head.decoder.input_size
    image = torch.zeros(people, 3, height, width)
    first, following = _FirstFrame(model).eval(), _NextFrame(model).eval()
    with torch.no_grad():
        state = model.first(image)[1]
    outputs = list(_heatmaps_first(model.State(*model.State._fields)))
    paths = folder / 'first_frame.onnx', folder / 'next_frame.onnx'
    _export(paths[0], first, (image,), ['image'], outputs)
    names = ['image', *(f'prev_{name}' for name in state._fields)]
    _export(paths[1], following, (image, *state), names, outputs)
    return paths


def export_window(
    model: nn.Module, folder: str | Path, people: int = 1
) -> tuple[Path, Path]:
    """Write ``frame.onnx`` and ``window.onnx``.

    ``frame`` takes ``image``, N normalized crops (N, 3, H, W), and gives what
    is kept of a frame, ``level0`` and so on. ``window`` takes these of T
    frames, (N, T, ...), in the order of the model's ``clip_offsets``, and
    gives ``output``: what the model gives in ``mode='tensor'``.

    Args:
        model (nn.Module): A window estimator in evaluation mode, float32, on
            the CPU, not compiled, its weights in contiguous order.
        folder (str | Path): Where to write.
        people (int): N, which is fixed, as T is.

    Returns:
        tuple[Path, Path]: The two files.

    Raises:
        ImportError: See :func:`export_streaming`.
        ValueError: If the model is of another kind, or in training mode.
    """
    if getattr(model, 'kind', '') != 'window':
        raise ValueError(
            f'export_window: {type(model).__name__} combines no '
            'frames; it takes a WindowPoseEstimator'
        )
    folder = _checked('export_window', model, folder, people)
    width, height = model.head.decoder.input_size
    image = torch.zeros(people, 3, height, width)
    with torch.no_grad():
        levels = model.frame_features(image)
    frames = len(model.clip_offsets)
    window = tuple(
        level[:, None].repeat(1, frames, *[1] * (level.dim() - 1))
        for level in levels
    )
    names = [f'level{number}' for number in range(len(levels))]
    paths = folder / 'frame.onnx', folder / 'window.onnx'
    _export(paths[0], _Frame(model).eval(), (image,), ['image'], names)
    _export(paths[1], _Window(model).eval(), window, names, ['output'])
    return paths


def _checked(
    name: str, model: nn.Module, folder: str | Path, people: int
) -> Path:
    """The folder, which is there then."""
    if model.training:
        raise ValueError(
            f'{name} needs a model in evaluation mode; call model.eval() first'
        )
    if people < 1:
        raise ValueError(
            f'{name}: people must be at least 1, but got {people}'
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _export(
    path: Path,
    module: nn.Module,
    args: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
) -> None:
    # Without gradients deformable convolutions are an operator of torchvision
    # that ONNX runtimes do not have.
    with torch.enable_grad():
        torch.onnx.export(
            module,
            args,
            str(path),
            input_names=inputs,
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
