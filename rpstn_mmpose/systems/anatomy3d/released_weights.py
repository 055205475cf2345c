# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Weights of the authors' Anatomy3D under this package's names."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from ...checkpoints.simple_baseline import (
    COUNTER,
    Shapes,
    check_tensors,
    plain_state,
)

JOINTS = 17
_BONES, _PAIRS = JOINTS - 1, JOINTS * (JOINTS + 1) // 2 - (JOINTS - 1)
_NORM = ('weight', 'bias', 'running_mean', 'running_var')


class ReleasedWeights(NamedTuple):
    """What :func:`convert_released` makes.

    Attributes:
        state_dict (dict[str, Tensor]): Under the names of an
            :class:`~rpstn_mmpose.systems.anatomy3d.AnatomyLifter`.
        channels (int): C.
        num_filters (int): Filters of width 3; the window is 3 to the power
            of that.
    """

    state_dict: dict[str, Tensor]
    channels: int
    num_filters: int


def _layers(channels: int, blocks: int) -> list[tuple]:
    """Each layer: its name in the release and here, the shape of its weight,
    whether it has a bias; and the names of the norm behind it, if there is
    one.
    """
    c = channels
    rows: list[tuple] = []

    def conv(old: str, norm: str, new: str, *shape: int) -> None:
        rows.append((old, f'{new}.conv', shape, False, norm, f'{new}.norm'))

    def linear(old: str, norm: str, new: str, *shape: int) -> None:
        rows.append((old, f'{new}.0', shape, True, norm, f'{new}.1'))

    def plain(old: str, new: str, *shape: int) -> None:
        rows.append((old, new, shape, True, '', ''))

    conv('expand_conv', 'expand_bn', 'backbone.stem', c, 2 * JOINTS, 3)
    conv(
        'expand_convscore',
        'expand_bnscore',
        'backbone.score_stem',
        *(c, JOINTS, 3),
    )
    for i in range(blocks):
        for end, part in (('', 'blocks'), ('1', 'refining_blocks')):
            double = i == 0 or part == 'refining_blocks'
            shapes = ((c, 2 * c if double else c, 3), (c, c, 1))
            for k, shape in enumerate(shapes):
                number = 2 * i + k
                conv(
                    f'layers_conv{end}.{number}',
                    f'layers_bn{end}.{number}',
                    f'backbone.{part}.{i}.{k}',
                    *shape,
                )
    for i in range(2 * blocks + 1):
        block, k = divmod(i - 1, 2)
        linear(
            f'layers_convbone.{i}',
            f'layers_bnbone.{i}',
            'length_net.' + (f'blocks.{block}.{k}' if i else 'stem'),
            *(c, c if i else 2 * JOINTS),
        )
    last = f'layers_convbone.{2 * blocks + 1}'
    plain(last, 'length_net.pose', 3 * JOINTS, c)
    plain('boneatt', 'length_net.attention', _BONES, 6 * JOINTS)
    plain('shrink_direct_1', 'head.top_direction', 3 * _BONES, c, 1)
    plain('shrink_direct_2', 'head.refined_direction', 3 * _BONES, c, 1)
    for end, last, new, points in (
        ('', 'shrink', 'head.fusion', JOINTS),
        ('_1', 'shrink_js_1', 'head.top_shift.fusion', _PAIRS),
        ('_2', 'shrink_js_2', 'head.refined_shift.fusion', _PAIRS),
    ):
        plain(f'directlinear{end}', f'{new}.direction', c, 3 * _BONES, 1)
        plain(f'lengthlinear{end}', f'{new}.length', c, _BONES)
        plain(last, f'{new}.final', 3 * points, c, 1)
    return rows


def _tensors(channels: int, blocks: int) -> tuple[Shapes, dict[str, str]]:
    """Shapes and new names by the release's names."""
    shapes, names = {}, {}
    for old, new, shape, bias, old_norm, new_norm in _layers(channels, blocks):
        shapes[f'{old}.weight'] = shape
        names[f'{old}.weight'] = f'{new}.weight'
        if bias:
            shapes[f'{old}.bias'] = shape[:1]
            names[f'{old}.bias'] = f'{new}.bias'
        if old_norm:
            for leaf in _NORM:
                shapes[f'{old_norm}.{leaf}'] = (channels,)
                names[f'{old_norm}.{leaf}'] = f'{new_norm}.{leaf}'
            shapes[f'{old_norm}.{COUNTER}'] = ()
            names[f'{old_norm}.{COUNTER}'] = f'{new_norm}.{COUNTER}'
    return shapes, names


def convert_released(checkpoint: dict) -> ReleasedWeights:
    """A published checkpoint under this package's names.

    The counters of norms may be missing; nothing else may, and nothing may be
    too much.

    Args:
        checkpoint (dict): The authors' file, or its ``model_pos``.

    Returns:
        ReleasedWeights: Float32 tensors, new ones.

    Raises:
        ValueError: One line that tells what is wrong.
    """
    state = plain_state(checkpoint.get('model_pos', checkpoint))
    stem = state.get('expand_conv.weight')
    if stem is None or 'boneatt.weight' not in state:
        raise ValueError(
            'it is no checkpoint of the released Anatomy3D, which has '
            'expand_conv.weight and boneatt.weight; this has '
            f'{", ".join(list(state)[:2])}'
        )
    channels = len(stem)
    blocks = (
        sum(
            name.startswith('layers_conv.') and value.dim() == 3
            for name, value in state.items()
        )
        // 2
    )
    shapes, names = _tensors(channels, blocks)
    needed = {n: s for n, s in shapes.items() if not n.endswith(COUNTER)}
    check_tensors(state, needed)
    foreign = [name for name in state if name not in shapes]
    if foreign:
        raise ValueError(
            f'{len(foreign)} tensors belong to another network, first '
            f'{foreign[0]}'
        )
    result = {
        names[name]: value.clone()
        if name.endswith(COUNTER)
        else value.float().clone()
        for name, value in state.items()
    }
    return ReleasedWeights(result, channels, blocks + 1)


def recipe_options(weights: ReleasedWeights) -> list[str]:
    """What ``--cfg-options`` has to change in a recipe of 243 frames and 1024
    channels.
    """
    options = []
    if weights.num_filters != 5:
        widths = ','.join('3' * weights.num_filters)
        options += [
            f'model.backbone.filter_widths="[{widths}]"',
            f'model.length_net.num_blocks={weights.num_filters - 1}',
        ]
    if weights.channels != 1024:
        options += [
            f'model.backbone.channels={weights.channels}',
            f'model.length_net.channels={weights.channels}',
            f'model.head.in_channels={weights.channels}',
        ]
    return options
