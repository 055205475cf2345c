# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Weights of the published DSTA under this package's names."""

from __future__ import annotations

import re
from typing import NamedTuple

import torch
from mmpose.models.backbones import ResNet
from torch import Tensor

from ...checkpoints.simple_baseline import (
    COUNTER,
    Shapes,
    check_tensors,
    norm_counters,
    plain_state,
    recognise_depth,
)
from .joint_token_head import JointTokenHead
from .joint_token_neck import JointTokenNeck
from .space_time_aggregation import SpaceTimeAggregation

METAINFO = 'configs/_base_/datasets/posetrack18.py'
# The published tokens are in the order of its limbs, 15 and 16 left over.
# This is the token of each joint of PoseTrack; the ears are given head_top's,
# and the two that are left over take their place.
TOKENS = (1, 2, 0, 15, 16, 3, 6, 4, 7, 5, 8, 9, 12, 10, 13, 11, 14)
LIMBS = (
    ('head_top', 'nose', 'head_bottom'),
    *(
        tuple(f'{side}_{joint}' for joint in limb)
        for limb in (('shoulder', 'elbow', 'wrist'), ('hip', 'knee', 'ankle'))
        for side in ('left', 'right')
    ),
)
ALIASES = dict(left_ear='head_top', right_ear='head_top')
DEPTH, DIMS = 4, 32

_BLOCKS = r'(\d+\.(?:norm[12]|attn\.qkv|attn\.proj)\.)'
_NAMES = (
    (r'preact\.', 'backbone.'),
    (r'fc_coord\.linear\.', 'neck.decoder.'),
    (r'Spatial_pos_embed$', 'aggregator.space.position'),
    (r'Temporal_pos_embed$', 'aggregator.time.position'),
    (r'Spatial_norm\.', 'aggregator.space.norm.'),
    (r'Temporal_norm\.', 'aggregator.time.norm.'),
    (r'Spatial_blocks\.' + _BLOCKS, r'aggregator.space.blocks.\1'),
    (r'blocks\.' + _BLOCKS, r'aggregator.time.blocks.\1'),
    (r'Spatial_blocks\.(\d+)\.mlp\.', r'aggregator.space.blocks.\1.'),
    (r'blocks\.(\d+)\.mlp\.', r'aggregator.time.blocks.\1.'),
    (r'weighted_mean\.', 'aggregator.mix.'),
    (r'head_coord\.', 'head.coord.'),
    (r'head_sigma\.', 'head.sigma.'),
    (r'flow\.', 'head.loss_module.flow_model.'),
)
_FLOW = 'head.loss_module.flow_model.'


class ReleasedWeights(NamedTuple):
    """What :func:`convert_released` makes.

    Attributes:
        state_dict (dict[str, Tensor]): Under the names of a
            :class:`~rpstn_mmpose.systems.dsta.DSTA` of PoseTrack's joints.
        depth (int): Of the ResNet.
        num_frames (int): T.
    """

    state_dict: dict[str, Tensor]
    depth: int
    num_frames: int


def offsets_of(num_frames: int) -> tuple[int, ...]:
    """Frames around the one in the middle, as the published code has them."""
    return tuple(range(-(num_frames // 2), num_frames - num_frames // 2))


def convert_released(checkpoint: dict) -> ReleasedWeights:
    """A published checkpoint under this package's names.

    Args:
        checkpoint (dict): ``epoch_N_state.pth`` of the authors.

    Returns:
        ReleasedWeights: Float32 tensors, new ones, and the counters of
        norms.

    Raises:
        ValueError: One line that tells what is missing or too much.
    """
    state = plain_state(checkpoint)
    time = state.get('Temporal_pos_embed')
    if time is None or time.dim() != 3:
        raise ValueError(
            'it is not a checkpoint of DSTA: it has no Temporal_pos_embed of '
            'three dimensions'
        )
    depth = recognise_depth(
        name[len('preact.') :] for name in state if name.startswith('preact.')
    )
    num_frames = time.shape[1]
    renamed = {_new_name(name): value for name, value in state.items()}
    renamed['aggregator.time.position'] = time[0]
    mix = renamed.get('aggregator.mix.weight')
    if mix is not None:
        renamed['aggregator.mix.weight'] = mix.flatten(1)
    # The code makes them anew, and neither is trained.
    renamed.setdefault(f'{_FLOW}loc', torch.full((2,), 0.5))
    renamed.setdefault(f'{_FLOW}cov', torch.eye(2))
    shapes = _shapes(depth, num_frames)
    check_tensors(renamed, shapes)
    counters = norm_counters(renamed, shapes)
    foreign = sorted(set(renamed) - set(shapes) - set(counters))
    if foreign:
        raise ValueError(
            f'{len(foreign)} tensors belong to another network, first '
            f'{foreign[0]}; only DSTA on a ResNet can be converted'
        )
    result = {name: renamed[name].float().clone() for name in shapes}
    for leaf in ('weight', 'bias'):
        name = f'neck.decoder.{leaf}'
        rows = result[name].unflatten(0, (len(TOKENS), DIMS))
        result[name] = rows[list(TOKENS)].flatten(0, 1)
    result.update({name: renamed[name].clone() for name in counters})
    return ReleasedWeights(result, depth, num_frames)


def recipe_options(weights: ReleasedWeights) -> list[str]:
    """What ``--cfg-options`` has to change in the recipe, which is of
    ResNet-50 and three frames.

    Returns:
        list[str]: ``KEY=VALUE`` items, none where the recipe fits.
    """
    options = []
    if weights.depth != 50:
        channels = _channels(weights.depth)
        options.append(f'model.backbone.depth={weights.depth}')
        options.append(f'model.neck.in_channels={channels}')
    if weights.num_frames != 3:
        offsets = ','.join(map(str, offsets_of(weights.num_frames)))
        for place in (
            'model',
            'val_dataloader.dataset',
            'test_dataloader.dataset',
        ):
            options.append(f'{place}.clip_offsets={offsets}')
    return options


def _channels(depth: int) -> int:
    return 512 if depth < 50 else 2048


def _new_name(name: str) -> str:
    for released, new in _NAMES:
        found = re.match(released, name)
        if found:
            return found.expand(new) + name[found.end() :]
    return name


def _shapes(depth: int, num_frames: int) -> Shapes:
    """What a DSTA of these sizes has, counters left out."""
    with torch.device('meta'):
        backbone = ResNet(depth)
    parts = {
        'backbone.': backbone,
        'neck.': JointTokenNeck(_channels(depth), len(TOKENS), DIMS),
        'aggregator.': SpaceTimeAggregation(
            METAINFO,
            offsets_of(num_frames),
            LIMBS,
            ALIASES,
            embed_dims=DIMS,
            depth=DEPTH,
        ),
        'head.': JointTokenHead(
            len(TOKENS), DIMS, loss=dict(type='FlowRLELoss')
        ),
    }
    return {
        prefix + name: tuple(value.shape)
        for prefix, part in parts.items()
        for name, value in part.state_dict().items()
        if not name.endswith(COUNTER)
    }
