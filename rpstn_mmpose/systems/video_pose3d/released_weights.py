# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Weights of VideoPose3D's authors under MMPose's names."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from ...checkpoints.simple_baseline import (
    COUNTER,
    Shapes,
    check_tensors,
    norm_counters,
    norm_shapes,
    plain_state,
)

# In the authors' files; prefixes of MMPose's PoseLifter.
_NETWORKS = (
    ('model_pos', 'backbone', 'head'),
    ('model_traj', 'traj_backbone', 'traj_head'),
)


class ReleasedWeights(NamedTuple):
    """What :func:`convert_released` makes.

    Attributes:
        state_dict (dict[str, Tensor]): Under the names of MMPose's
            ``PoseLifter``.
        channels (int): C.
        widths (tuple[int, ...]): Taps of the filters.
        in_joints (int): K of the 2D poses.
        joints (int): K of the 3D poses.
        trajectory (bool): Whether the file has the network of the roots'
            places too.
    """

    state_dict: dict[str, Tensor]
    channels: int
    widths: tuple[int, ...]
    in_joints: int
    joints: int
    trajectory: bool


def convert_released(checkpoint: dict) -> ReleasedWeights:
    """A checkpoint of the authors under MMPose's names.

    Args:
        checkpoint (dict): The authors' file, or its ``model_pos``.

    Returns:
        ReleasedWeights: Float32 tensors, new ones.

    Raises:
        ValueError: One line that tells what is missing or too much.
    """
    if 'model_pos' not in checkpoint:
        checkpoint = dict(model_pos=checkpoint)
    result: dict[str, Tensor] = {}
    facts: dict[str, Any] = {}
    for key, backbone, head in _NETWORKS:
        if checkpoint.get(key) is None:
            continue
        state = plain_state(checkpoint[key])
        widths = _widths(state)
        channels, inputs, _ = state['expand_conv.weight'].shape
        out = len(state['shrink.weight'])
        shapes, names = _tensors(channels, inputs, out, widths)
        check_tensors(state, shapes)
        known = {*shapes, *norm_counters(state, shapes)}
        foreign = [name for name in state if name not in known]
        if foreign:
            raise ValueError(
                f'{len(foreign)} tensors belong to another network, first '
                f'{foreign[0]}'
            )
        for old, value in state.items():
            layer, _, leaf = old.rpartition('.')
            part, _, rest = names[layer].partition('.')
            prefix = backbone if part == 'backbone' else head
            kept = value if leaf == COUNTER else value.float()
            result[f'{prefix}.{rest}.{leaf}'] = kept.clone()
        facts = facts or dict(
            channels=channels,
            widths=widths,
            in_joints=inputs // 2,
            joints=out // 3,
        )
    return ReleasedWeights(
        result, trajectory='traj_head.conv.weight' in result, **facts
    )


def _widths(state: dict[str, Tensor]) -> tuple[int, ...]:
    """Taps of the stem's filter and of each block's first one."""
    firsts = ['expand_conv.weight']
    while f'layers_conv.{2 * len(firsts) - 2}.weight' in state:
        firsts.append(f'layers_conv.{2 * len(firsts) - 2}.weight')
    found = [state[name] for name in firsts if name in state]
    if (
        'shrink.weight' not in state
        or len(found) < 2
        or any(weight.dim() != 3 for weight in found)
    ):
        raise ValueError(
            'it is no checkpoint of VideoPose3D, which has '
            'expand_conv.weight, layers_conv.0.weight and shrink.weight; '
            f'this has {", ".join(list(state)[:2])}'
        )
    return tuple(weight.shape[2] for weight in found)


def _tensors(
    channels: int, inputs: int, out: int, widths: tuple[int, ...]
) -> tuple[Shapes, dict[str, str]]:
    """Shapes of the tensors, counters left out, and MMPose's names of the
    layers, by the authors' names.
    """
    c = channels
    shapes: Shapes = {
        'expand_conv.weight': (c, inputs, widths[0]),
        'shrink.weight': (out, c, 1),
        'shrink.bias': (out,),
        **norm_shapes('expand_bn', c),
    }
    names = {
        'expand_conv': 'backbone.expand_conv.conv',
        'expand_bn': 'backbone.expand_conv.bn',
        'shrink': 'head.conv',
    }
    for i, width in enumerate(widths[1:]):
        for k, taps in enumerate((width, 1)):
            number, new = 2 * i + k, f'backbone.tcn_blocks.{i}.conv{k + 1}.0'
            shapes[f'layers_conv.{number}.weight'] = (c, c, taps)
            shapes.update(norm_shapes(f'layers_bn.{number}', c))
            names[f'layers_conv.{number}'] = f'{new}.conv'
            names[f'layers_bn.{number}'] = f'{new}.bn'
    return shapes, names


def recipe_options(weights: ReleasedWeights) -> list[str]:
    """What ``--cfg-options`` has to change in a recipe of five filters of
    width 3, 1024 channels and 17 joints.
    """
    options = []
    if weights.widths != (3,) * 5:
        taps = ','.join(map(str, weights.widths))
        options += [
            f'model.backbone.kernel_sizes="[{taps}]"',
            f'model.backbone.num_blocks={len(weights.widths) - 1}',
        ]
    if weights.channels != 1024:
        options += [
            f'model.backbone.stem_channels={weights.channels}',
            f'model.head.in_channels={weights.channels}',
        ]
    if weights.in_joints != 17:
        options.append(f'model.backbone.in_channels={2 * weights.in_joints}')
    if weights.joints != 17:
        options.append(f'model.head.num_joints={weights.joints}')
    return options
