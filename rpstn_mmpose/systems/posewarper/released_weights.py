# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Weights of the published PoseWarper, and of MMPose 0.x's port of it."""

from __future__ import annotations

import re
from typing import NamedTuple

import torch
from mmpose.models.backbones import HRNet
from torch import Tensor, nn

from ...checkpoints.hrnet import hrnet_extra, hrnet_options
from ...checkpoints.simple_baseline import (
    COUNTER,
    Shapes,
    check_tensors,
    count_blocks,
    norm_counters,
    plain_state,
)
from .warper import HeatmapWarper

# Published name, MMPose 0.x's, this package's. The image model's other parts
# follow.
_NAMES = (
    (r'final_layer\.', r'neck\.trans_layer\.', 'head.final_layer.'),
    (r'offset_feats\.', r'neck\.offset_feats\.', 'warper.offset_feats.'),
)
_NUMBERED = (
    (r'offsets([1-5])\.', r'neck\.offset_layers\.([0-4])\.', 'offset_layers'),
    (
        r'deform_conv([1-5])\.',
        r'neck\.deform_conv_layers\.([0-4])\.',
        'deform_conv_layers',
    ),
)


class ReleasedWeights(NamedTuple):
    """What :func:`convert_released` makes.

    Attributes:
        state_dict (dict[str, Tensor]): Under the names of a
            :class:`~rpstn_mmpose.systems.posewarper.PoseWarper`.
        width (int): Channels of the HRNet at the highest resolution.
        inner (int): Channels of the warper's residual blocks.
        blocks (int): Number of these.
        port (bool): Whether the file was MMPose 0.x's.
    """

    state_dict: dict[str, Tensor]
    width: int
    inner: int
    blocks: int
    port: bool


def convert_released(
    checkpoint: dict, joints: int | None = None
) -> ReleasedWeights:
    """A published checkpoint under this package's names.

    Args:
        checkpoint (dict): ``final_state.pth`` of the authors, or one of
            MMPose 0.x's PoseWarper.
        joints (int, optional): K that it must have.

    Returns:
        ReleasedWeights: Float32 tensors, new ones, and the counters of
        norms.

    Raises:
        ValueError: One line that tells what is missing or too much.
    """
    state = plain_state(checkpoint)
    port = any(name.startswith('backbone.') for name in state)
    renamed = {_new_name(name, port): value for name, value in state.items()}
    if not any(name.startswith('warper.') for name in renamed):
        if 'backbone.conv1.weight' in renamed:
            raise ValueError(
                'it has no weights of a warper (offset_feats): it is an image '
                'model, of stage 1; start a training from it with model.'
                'image_pretrained.checkpoint'
            )
        raise ValueError(
            "it is not a checkpoint of PoseWarper: it has neither an HRNet's "
            "conv1 nor a warper's offset_feats"
        )
    shapes = _shapes(renamed)
    check_tensors(renamed, shapes)
    counters = norm_counters(renamed, shapes)
    foreign = [n for n in renamed if n not in shapes and n not in counters]
    if foreign:
        raise ValueError(
            f'{len(foreign)} tensors belong to another network, first '
            f'{foreign[0]}; only PoseWarper on an HRNet can be converted'
        )
    found, width = renamed['head.final_layer.weight'].shape[:2]
    if joints not in (None, found):
        raise ValueError(
            f'its last 1x1 gives {found} joints, and {joints} are needed'
        )
    inner, blocks = _warper_size(renamed)
    result = {name: renamed[name].float().clone() for name in shapes}
    result.update({name: renamed[name].clone() for name in counters})
    return ReleasedWeights(result, width, inner, blocks, port)


def recipe_options(weights: ReleasedWeights) -> list[str]:
    """What ``--cfg-options`` has to change in the recipe, which is of
    HRNet-W48.

    Returns:
        list[str]: ``KEY=VALUE`` items, none where the recipe fits.
    """
    options = hrnet_options(weights.width)
    if (weights.inner, weights.blocks) != (128, 20):
        options.append(f'model.warper.inner_channels={weights.inner}')
        options.append(f'model.warper.num_blocks={weights.blocks}')
    return options


def _warper_size(state: dict[str, Tensor]) -> tuple[int, int]:
    """Channels and number of the residual blocks."""
    first = state['warper.offset_feats.0.conv1.weight']
    return len(first), count_blocks(state, 'warper.offset_feats')


def _new_name(name: str, port: bool) -> str:
    for released, ported, new in _NAMES:
        found = re.match(ported if port else released, name)
        if found:
            return new + name[found.end() :]
    for released, ported, new in _NUMBERED:
        found = re.match(ported if port else released, name)
        if found:
            number = int(found[1]) - (not port)
            return f'warper.{new}.{number}.{name[found.end() :]}'
    return name if port else f'backbone.{name}'


def _shapes(state: dict[str, Tensor]) -> Shapes:
    """What a PoseWarper of this file's sizes has, counters left out."""
    final = state.get('head.final_layer.weight')
    first = state.get('warper.offset_feats.0.conv1.weight')
    if final is None or first is None or {final.dim(), first.dim()} != {4}:
        raise ValueError(
            'it lacks the last 1x1 (final_layer) or the first block of the '
            'warper (offset_feats.0); the file is incomplete or of another '
            'network'
        )
    joints, width = final.shape[:2]
    with torch.device('meta'):
        parts = {
            'backbone.': HRNet(hrnet_extra(width)),
            'warper.': HeatmapWarper(joints, *_warper_size(state)),
            'head.final_layer.': nn.Conv2d(width, joints, 1),
        }
    return {
        prefix + name: tuple(value.shape)
        for prefix, part in parts.items()
        for name, value in part.state_dict().items()
        if not name.endswith(COUNTER)
    }
