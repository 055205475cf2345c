# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A recurrent estimator as two ONNX graphs: the first frame, and a step."""
from __future__ import annotations

from pathlib import Path
from typing import Tuple, Union

import torch
from torch import Tensor, nn

OPSET = 18


class _FirstFrame(nn.Module):
    """Images (N, 3, H, W) to heatmaps and features to remember."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tuple[Tensor, Tensor]:
        frames = image[:, None]
        initial = self.model.initial_heatmaps(frames)
        heatmaps, state = self.model.start(
            self.model.extract_feat(frames)[:, 0],
            None if initial is None else initial[:, 0])
        return heatmaps, state.feats


class _NextFrame(nn.Module):
    """Images and the state of the frame before to the same."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, prev_feats: Tensor,
                prev_heatmaps: Tensor) -> Tuple[Tensor, Tensor]:
        from ..models.pose_estimators import ClipState
        feats = self.model.extract_feat(image[:, None])[:, 0]
        heatmaps, state = self.model.step(
            feats, ClipState(prev_feats, prev_heatmaps))
        return heatmaps, state.feats


def export_streaming(model: nn.Module,
                     folder: Union[str, Path],
                     people: int = 1) -> Tuple[Path, Path]:
    """Write ``first_frame.onnx`` and ``next_frame.onnx``.

    Both give ``heatmaps`` (N, K, h, w) and ``feats`` (N, C, h, w).
    ``first_frame`` takes ``image``, N normalized crops (N, 3, H, W);
    ``next_frame`` also takes the state, ``prev_feats`` and
    ``prev_heatmaps``, which are ``feats`` and ``heatmaps`` of the frame
    before.

    Args:
        model (nn.Module): A :class:`~rpstn_mmpose.models.
            VideoTopdownPoseEstimator` in evaluation mode, float32, on the
            CPU, not compiled, its weights in contiguous order.
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
    from ..models.pose_estimators import VideoTopdownPoseEstimator
    if not (isinstance(model, VideoTopdownPoseEstimator)
            and model.carries_state):
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
        heatmaps, feats = first(image)
    paths = folder / 'first_frame.onnx', folder / 'next_frame.onnx'
    graphs = ((first, (image, ), ['image']),
              (following, (image, feats, heatmaps),
               ['image', 'prev_feats', 'prev_heatmaps']))
    for path, (module, args, names) in zip(paths, graphs):
        torch.onnx.export(
            module,
            args,
            str(path),
            input_names=names,
            output_names=['heatmaps', 'feats'],
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False)
    return paths
