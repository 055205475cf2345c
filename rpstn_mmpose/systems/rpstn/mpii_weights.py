# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""An MPII SimpleBaseline as the start of RPSTN (paper, Sec. IV-B)."""

from __future__ import annotations

from typing import NamedTuple, Sequence

from torch import Tensor

from ...checkpoints.image_pretrained import (
    has_microsoft_names,
    image_state_dict,
    select_joints,
    source_channels,
    video_state_dict,
)
from ...checkpoints.simple_baseline import (
    COUNTER,
    check_tensors,
    plain_state,
    recognise_depth,
    simple_baseline_shapes,
)
from .estimator import VideoTopdownPoseEstimator

# Joints that MPII does not have, and the ones nearest to them. All others
# start from the joint of their own name.
MPII_START = dict(head='head_top', neck='upper_neck', belly='pelvis')


class MPIIWeights(NamedTuple):
    """What :func:`convert_mpii` makes.

    Attributes:
        state_dict (dict[str, Tensor]): Weights of extractor, initializer and
            1x1 of a ``VideoTopdownPoseEstimator``.
        depth (int): Of the ResNet.
        start (dict[str, str]): For each joint the MPII joint it starts from.
        microsoft (bool): Whether the names were Microsoft's, whose networks
            take BGR pictures.
        unused (list[str]): Tensors that are no part of a SimpleBaseline.
    """

    state_dict: dict[str, Tensor]
    depth: int
    start: dict[str, str]
    microsoft: bool
    unused: list[str]


def mpii_joints(joints: Sequence[str]) -> list[str]:
    """For each joint the name of the MPII joint that it starts from."""
    return [MPII_START.get(joint, joint) for joint in joints]


def convert_mpii(
    checkpoint: dict, joints: Sequence[str], mpii_names: Sequence[str]
) -> MPIIWeights:
    """An MPII SimpleBaseline's weights for extractor, initializer and 1x1.

    Args:
        checkpoint (dict): In MMPose's or Microsoft's naming.
        joints (Sequence[str]): Names of the video model's K joints.
        mpii_names (Sequence[str]): Names of MPII's joints, in their order.

    Returns:
        MPIIWeights: Float32 tensors, new ones.

    Raises:
        ValueError: If it is no SimpleBaseline with a ResNet and MPII's
            joints, or a joint has no MPII joint to start from.
    """
    plain = plain_state(checkpoint)
    state = image_state_dict(plain)
    names = {}
    for name in state:
        part, _, short = name.partition('.')
        if part in ('backbone', 'head') and not name.endswith(COUNTER):
            names[short] = name
    final = state.get('head.final_layer.weight')
    if final is None:
        raise ValueError(
            'it is not a SimpleBaseline: it has no last 1x1 '
            '(head.final_layer of MMPose, final_layer of '
            'Microsoft)'
        )
    if final.dim() != 4 or len(final) != len(mpii_names):
        raise ValueError(
            f'its last 1x1 has the shape {tuple(final.shape)}, '
            f'and MPII has {len(mpii_names)} joints'
        )
    depth = recognise_depth(names)
    shapes = simple_baseline_shapes(depth, len(mpii_names))
    check_tensors(
        {short: state[name] for short, name in names.items()}, shapes
    )
    start = dict(zip(joints, mpii_joints(joints)))
    order = source_channels(list(start.values()), mpii_names, 'MPII')
    kept = {
        name: state[name].float()
        for short, name in names.items()
        if short in shapes
    }
    result = video_state_dict(
        select_joints(kept, order), VideoTopdownPoseEstimator.image_weights
    )
    return MPIIWeights(
        {name: value.clone() for name, value in result.items()},
        depth,
        start,
        has_microsoft_names(plain),
        unused=[n for n in state if n not in kept and not n.endswith(COUNTER)],
    )
