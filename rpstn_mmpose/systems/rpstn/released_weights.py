# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Weights of the authors' RPSTN under this package's names."""

from __future__ import annotations

import re
from typing import Iterable, Mapping, NamedTuple

import torch
from torch import Tensor

from ...checkpoints.simple_baseline import (
    COUNTER,
    DECONV_CHANNELS,
    Shapes,
    check_tensors,
    feature_channels,
    norm_shapes,
    plain_state,
    recognise_depth,
    simple_baseline_shapes,
)

# The released networks differ by data set, and the number of joints tells
# them apart.
RELEASED_JOINTS = dict(penn=13, jhmdb=15)
RELEASED_DEPTHS = (18, 50, 101)
_RECIPES = dict(
    penn='penn_action/rpstn_res{depth}_1xb8-100e_penn-256x256-released.py',
    jhmdb='jhmdb/rpstn_res{depth}_1xb8-100e_jhmdb-sub1-256x256-released.py',
)

# The extractor is a SimpleBaseline cut before its last layer and put into an
# nn.Sequential, so that its parts have numbers.
_EXTRACTOR_PARTS = {
    '0': 'conv1',
    '1': 'bn1',
    '4': 'layer1',
    '5': 'layer2',
    '6': 'layer3',
    '7': 'layer4',
    '8': 'deconv_layers',
}
# Conv and norm of each stage of the kernel generator; ReLU and pooling have
# a number of their own in the release, and pooling alone has one here.
_GENERATOR = ((0, 1, 0), (4, 5, 2), (8, 9, 4), (12, 13, 6))
_GENERATOR_NAME = 'dkd_param_adapter'
_RELATION = 'non_local_conv2d'
_UNUSED = re.compile(rf'{_RELATION}\.(theta|phi)\.')
_LAYERS = (
    ('conv1x1_reduce_dim', 'neck.aggregate'),
    ('pose_conv1x1_V', 'neck.project'),
    ('bn', 'neck.feature_norm'),
    ('pose_conv1x1_U', 'head.final_layer'),
    ('bn_u', 'head.norm'),
    (f'{_RELATION}.g', 'head.relation.conv_g'),
    (f'{_RELATION}.W.0', 'head.relation.conv_o'),
    (f'{_RELATION}.W.1', 'head.relation.norm_o'),
)


class ReleasedWeights(NamedTuple):
    """What :func:`convert_released` makes.

    Attributes:
        state_dict (dict[str, Tensor]): Under the names of a
            :class:`~rpstn_mmpose.systems.rpstn.VideoTopdownPoseEstimator`.
        dataset (str): ``'penn'`` or ``'jhmdb'``.
        initializer_depth (int): ResNet of the pose initializer.
        extractor_depth (int): ResNet of the feature extractor.
        unused (list[str]): Tensors of the release that its network does not
            use either.
    """

    state_dict: dict[str, Tensor]
    dataset: str
    initializer_depth: int
    extractor_depth: int
    unused: list[str]


def released_shapes(
    initializer_depth: int, extractor_depth: int, num_joints: int
) -> Shapes:
    """Every tensor that the released network uses, counters left out.

    Args:
        initializer_depth (int): ResNet of the pose initializer.
        extractor_depth (int): ResNet of the feature extractor.
        num_joints (int): K.

    Returns:
        dict[str, tuple[int, ...]]: Shapes by the release's names, without
        ``module.``.
    """
    channels, joints = DECONV_CHANNELS, num_joints
    shapes = {
        f'pose_net.{name}': shape
        for name, shape in simple_baseline_shapes(
            initializer_depth, joints
        ).items()
    }
    numbers = {part: number for number, part in _EXTRACTOR_PARTS.items()}
    for name, shape in simple_baseline_shapes(extractor_depth).items():
        part, rest = name.split('.', 1)
        shapes[f'fea_ext.{numbers[part]}.{rest}'] = shape

    def add_conv(name: str, after: int, before: int, side: int = 1) -> None:
        shapes[f'{name}.weight'] = (after, before, side, side)
        shapes[f'{name}.bias'] = (after,)

    add_conv('conv1x1_reduce_dim', channels, channels + joints)
    add_conv('pose_conv1x1_V', channels, channels)
    add_conv('pose_conv1x1_U', joints, channels)
    for conv, norm, _ in _GENERATOR:
        add_conv(f'{_GENERATOR_NAME}.{conv}', channels, channels, 3)
        shapes.update(norm_shapes(f'{_GENERATOR_NAME}.{norm}', channels))
    add_conv(f'{_RELATION}.g', joints, joints)
    add_conv(f'{_RELATION}.W.0', joints, joints)
    shapes.update(norm_shapes(f'{_RELATION}.W.1', joints))
    shapes.update(norm_shapes('bn', channels))
    shapes.update(norm_shapes('bn_u', joints))
    return shapes


def convert_released(
    checkpoint: dict, dataset: str | None = None
) -> ReleasedWeights:
    """Rename the weights of the authors' code.

    Two things are more than a new name. The release joins heatmaps and
    features in this order before ``conv1x1_reduce_dim``, and this package
    the other way round, so that the input channels change places. The
    release's kernel generator has a bias before each batch normalization,
    where it has no effect but on the running mean; it is taken from that.

    Args:
        checkpoint (dict): The release's checkpoint, or its state dict.
        dataset (str, optional): ``'penn'`` or ``'jhmdb'`` to insist on it.
            Defaults to ``None``: told by the number of joints.

    Returns:
        ReleasedWeights: Float32 tensors, new ones.

    Raises:
        ValueError: If it is not a checkpoint of the released network: other
            or missing tensors, a backbone that is no ResNet, other joints
            than those of the data sets.
    """
    state = plain_state(checkpoint)
    unused = [name for name in state if _UNUSED.match(name)]
    state = {
        name: value
        for name, value in state.items()
        if name not in unused and not name.endswith(COUNTER)
    }
    name = _dataset_of(state)
    joints = RELEASED_JOINTS[name]
    if dataset not in (None, name):
        raise ValueError(
            f'it has {joints} joints, so it was trained on {name}, not on '
            f'{dataset}; leave --dataset out or correct it'
        )

    renamed = {name: _new_name(name) for name in state}
    initializer, extractor = _depths(renamed.values())
    shapes = released_shapes(initializer, extractor, joints)
    check_tensors(state, shapes)
    foreign = [name for name in state if name not in shapes]
    if foreign:
        raise ValueError(
            f'{len(foreign)} tensors belong to another network, '
            f'first {foreign[0]}; only the network of the '
            'published code can be converted'
        )

    result = {
        new: state[name].float().clone()
        for name in shapes
        if (new := renamed[name]) is not None
    }
    for conv, norm, stage in _GENERATOR:
        target = f'neck.kernel_generator.{stage}.bn.running_mean'
        mean = state[f'{_GENERATOR_NAME}.{norm}.running_mean'].double()
        bias = state[f'{_GENERATOR_NAME}.{conv}.bias'].double()
        result[target] = (mean - bias).float()
    weight = result['neck.aggregate.weight']
    result['neck.aggregate.weight'] = torch.cat(
        [weight[:, joints:], weight[:, :joints]], dim=1
    )
    return ReleasedWeights(result, name, initializer, extractor, unused)


def _dataset_of(state: Mapping[str, Tensor]) -> str:
    """What a released network was trained on, by its joints."""
    final = state.get('pose_net.final_layer.weight')
    if final is None or _GENERATOR_NAME not in ' '.join(state):
        shown = ', '.join(list(state)[:2])
        raise ValueError(
            'it is not a checkpoint of the released RPSTN, '
            'which has module.pose_net.* and '
            f'module.{_GENERATOR_NAME}.*; this has {shown}'
        )
    joints = final.shape[0] if final.dim() else 0
    for name, number in RELEASED_JOINTS.items():
        if number == joints:
            return name
    raise ValueError(
        f'it has {joints} joints; the released networks '
        'have 13 (Penn Action) or 15 (Sub-JHMDB)'
    )


def _depths(names: Iterable[str | None]) -> tuple[int, int]:
    """Depths of the initializer's and the extractor's ResNets."""
    known = [name for name in names if name is not None]
    depths = []
    for net, part in (
        ('pose_net', 'initializer.backbone.'),
        ('fea_ext', 'backbone.'),
    ):
        try:
            depths.append(
                recognise_depth(
                    name[len(part) :]
                    for name in known
                    if name.startswith(part)
                )
            )
        except ValueError as error:
            raise ValueError(f'{net}: {error}') from None
    return depths[0], depths[1]


def _new_name(name: str) -> str | None:
    """This package's name; ``None`` for a bias that goes into a norm, and
    for what is not known.
    """
    if name.startswith('pose_net.'):
        return _image_name(
            name[len('pose_net.') :],
            'initializer.backbone.',
            'initializer.head.',
        )
    if name.startswith('fea_ext.'):
        number, _, rest = name[len('fea_ext.') :].partition('.')
        part = _EXTRACTOR_PARTS.get(number)
        return part and _image_name(
            f'{part}.{rest}', 'backbone.', 'feature_neck.'
        )
    if name.startswith(f'{_GENERATOR_NAME}.'):
        number, _, leaf = name[len(_GENERATOR_NAME) + 1 :].partition('.')
        for conv, norm, stage in _GENERATOR:
            new = f'neck.kernel_generator.{stage}'
            if number == str(norm):
                return f'{new}.bn.{leaf}'
            if number == str(conv) and leaf == 'weight':
                return f'{new}.conv.{leaf}'
        return None
    parent, _, leaf = name.rpartition('.')
    layer = dict(_LAYERS).get(parent)
    return layer and f'{layer}.{leaf}'


def _image_name(name: str, backbone: str, head: str) -> str:
    in_head = name.startswith(('deconv_layers.', 'final_layer.'))
    return f'{head if in_head else backbone}{name}'


def matching_recipe(weights: ReleasedWeights) -> str:
    """Recipe that builds the network of converted weights, relative to
    ``configs/body_2d_keypoint/rpstn``. See :func:`recipe_options`.
    """
    return _RECIPES[weights.dataset].format(depth=_recipe_depth(weights))


def recipe_options(weights: ReleasedWeights) -> list[str]:
    """What ``--cfg-options`` has to change in :func:`matching_recipe`.

    The recipes have the same ResNet in initializer and extractor; the
    published code also takes two different ones.

    Returns:
        list[str]: ``KEY=VALUE`` items, none where the recipe fits.
    """
    depth, options = _recipe_depth(weights), []
    if weights.extractor_depth != depth:
        channels = feature_channels(weights.extractor_depth)
        options += [
            f'model.backbone.depth={weights.extractor_depth}',
            f'model.feature_neck.in_channels={channels}',
        ]
    if weights.initializer_depth != depth:
        channels = feature_channels(weights.initializer_depth)
        options += [
            f'model.initializer.backbone.depth={weights.initializer_depth}',
            f'model.initializer.head.in_channels={channels}',
        ]
    return options


def _recipe_depth(weights: ReleasedWeights) -> int:
    depth = weights.extractor_depth
    return depth if depth in RELEASED_DEPTHS else 50
