# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Weights of the published DCPose (``DcPose_RSN``)."""

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
from .pose_corrector import PoseCorrector

_IMAGE = 'rough_pose_estimation_net.'
_CHAINS = {
    'support_temporal_fuse.layers.': 'corrector.merger.',
    'diff_temporal_fuse.layers.': 'corrector.residual_fusion.',
    'offset_mask_combine_conv.layers.': 'corrector.fusion.',
}
_NUMBERED = (
    (r'offsets_list\.(\d+)\.0\.', 'offset_layers'),
    (r'masks_list\.(\d+)\.0\.', 'mask_layers'),
    (
        r'modulated_deform_conv_list\.(\d+)\.deform_conv\.',
        'deform_conv_layers',
    ),
)

# Sizes that the recipes leave to PoseCorrector.
PUBLISHED = dict(residual_channels=34, inner_channels=64, num_blocks=(1, 2, 2))


class ReleasedWeights(NamedTuple):
    """What :func:`convert_released` makes.

    Attributes:
        state_dict (dict[str, Tensor]): Under the names of a
            :class:`~rpstn_mmpose.systems.dcpose.DCPose`.
        width (int): Channels of the HRNet at the highest resolution.
        sizes (dict): Of the :class:`PoseCorrector`, by argument.
    """

    state_dict: dict[str, Tensor]
    width: int
    sizes: dict


def convert_released(
    checkpoint: dict, joints: int | None = None
) -> ReleasedWeights:
    """A published checkpoint under this package's names.

    The published convolutions in front of norms have biases, which MMPose's
    have not: the norms' running means take them up, so that outputs in
    evaluation stay the same.

    Args:
        checkpoint (dict): Of the authors' ``DcPose_RSN``.
        joints (int, optional): K that it must have.

    Returns:
        ReleasedWeights: Float32 tensors, new ones, and the counters of
        norms.

    Raises:
        ValueError: One line that tells what is missing or too much.
    """
    state = {
        _new_name(name): value
        for name, value in plain_state(checkpoint).items()
    }
    if not any(name.startswith('corrector.') for name in state):
        raise ValueError(
            'it is not a checkpoint of DCPose: it has no weights of its '
            'merger (support_temporal_fuse)'
        )
    sizes, width = _sizes(state)
    shapes = _shapes(sizes, width)
    biases = {
        name: name.replace('.conv.bias', '.bn.running_mean')
        for name in state
        if name.endswith('.conv.bias')
    }
    check_tensors(
        state, {**shapes, **{b: shapes.get(m, ()) for b, m in biases.items()}}
    )
    counters = norm_counters(state, shapes)
    foreign = [
        name
        for name in state
        if name not in shapes and name not in counters and name not in biases
    ]
    if foreign:
        raise ValueError(
            f'{len(foreign)} tensors belong to another network, first '
            f'{foreign[0]}; only DCPose on an HRNet can be converted'
        )
    if joints not in (None, sizes['num_joints']):
        raise ValueError(
            f'its last 1x1 gives {sizes["num_joints"]} joints, and {joints} '
            'are needed'
        )
    result = {name: state[name].float().clone() for name in shapes}
    for bias, mean in biases.items():
        result[mean] -= state[bias].float()
    result.update({name: state[name].clone() for name in counters})
    return ReleasedWeights(result, width, sizes)


def recipe_options(weights: ReleasedWeights) -> list[str]:
    """What ``--cfg-options`` has to change in the recipe, which is of
    HRNet-W48.

    Returns:
        list[str]: ``KEY=VALUE`` items, none where the recipe fits.
    """
    options = hrnet_options(weights.width)
    for name, published in PUBLISHED.items():
        value = weights.sizes[name]
        if value != published:
            values = value if isinstance(value, tuple) else (value,)
            text = ','.join(map(str, values))
            options.append(f'model.corrector.{name}={text}')
    return options


def _new_name(name: str) -> str:
    for released, new in _CHAINS.items():
        if name.startswith(released):
            rest = name[len(released) :].replace(
                '.conv_bn_relu3.', '.conv_bn3.'
            )
            return new + rest
    for pattern, new in _NUMBERED:
        found = re.match(pattern, name)
        if found:
            return f'corrector.{new}.{found[1]}.{name[found.end() :]}'
    if name.startswith(_IMAGE):
        name = name[len(_IMAGE) :]
        final = name.startswith('final_layer.')
        return f'head.{name}' if final else f'backbone.{name}'
    return name


def _sizes(state: dict[str, Tensor]) -> tuple[dict, int]:
    """Arguments of the corrector, and width of the HRNet."""
    chains = ('merger', 'residual_fusion', 'fusion')
    last = {
        chain: state.get(f'corrector.{chain}.0.conv_bn3.conv.weight')
        for chain in chains
    }
    final = state.get('head.final_layer.weight')
    if any(x is None or x.dim() != 4 for x in (final, *last.values())):
        raise ValueError(
            'it lacks the last 1x1 (final_layer) or a first block of '
            f'{", ".join(name.rstrip(".") for name in _CHAINS)}; the file is '
            'incomplete or of another network'
        )
    sizes = dict(
        num_joints=len(final),
        residual_channels=len(last['residual_fusion']),
        inner_channels=len(last['fusion']),
        num_blocks=tuple(
            count_blocks(state, f'corrector.{chain}') for chain in chains
        ),
    )
    return sizes, final.shape[1]


def _shapes(sizes: dict, width: int) -> Shapes:
    """What a DCPose of these sizes has, counters left out."""
    with torch.device('meta'):
        parts = {
            'backbone.': HRNet(hrnet_extra(width)),
            'corrector.': PoseCorrector(**sizes),
            'head.final_layer.': nn.Conv2d(width, sizes['num_joints'], 1),
        }
    return {
        prefix + name: tuple(value.shape)
        for prefix, part in parts.items()
        for name, value in part.state_dict().items()
        if not name.endswith(COUNTER)
    }
