# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Limbs of a skeleton, by the names of its joints."""

from __future__ import annotations

import re
from typing import NamedTuple, Sequence

from mmpose.datasets.datasets.utils import parse_pose_metainfo

from ...datasets.metainfo import resolve_metainfo_file

# Joints of each limb from the trunk to its end, of the head from the top. A
# number at the end of a name is left out here; joints of the trunk are in no
# limb.
_SIDED = {
    'arm': ('shoulder', 'elbow', 'wrist'),
    'leg': ('hip', 'knee', 'ankle', 'heel', 'big_toe', 'small_toe'),
    'hand': (
        'hand_root',
        'thumb',
        'forefinger',
        'middle_finger',
        'ring_finger',
        'pinky_finger',
    ),
}
_HEAD = (
    'head_top',
    'nose',
    'head_bottom',
    'head',
    'neck',
    'upper_neck',
    'eye',
    'ear',
    'face',
)


def joint_names(metainfo: str) -> list[str]:
    """Names of a data set's joints, in their order.

    Args:
        metainfo (str): Path of a metainfo file, as in a data set's
            ``metainfo=dict(from_file=...)``.
    """
    meta = parse_pose_metainfo(dict(from_file=resolve_metainfo_file(metainfo)))
    names = meta['keypoint_id2name']
    return [names[i] for i in sorted(names)]


class _Place(NamedTuple):
    """Where a joint belongs; limbs are sorted by it, whatever the order of
    the joints.
    """

    limb: str
    rank: int
    name: str
    number: int


def _place(joint: str) -> _Place | None:
    word, number = re.fullmatch(r'(.*?)[-_]?(\d*)', joint).groups()
    side, _, part = word.partition('_')
    if side in ('left', 'right'):
        for limb, words in _SIDED.items():
            if part in words:
                rank = words.index(part)
                return _Place(f'{side} {limb}', rank, word, int(number or 0))
        word_of_head = part
    else:
        word_of_head = word
    if word_of_head in _HEAD:
        rank = _HEAD.index(word_of_head)
        return _Place('head', rank, word, int(number or 0))
    return None


def limbs_of(names: Sequence[str]) -> list[list[str]]:
    """Head, arms, legs and hands among the joints.

    Args:
        names (Sequence[str]): Joints, by the names of MMPose's metainfos.

    Returns:
        list[list[str]]: Joints of each limb. Those of the trunk are missing.

    Raises:
        ValueError: Names of which none is known.

    Examples:
        >>> limbs_of(['right_wrist', 'belly', 'head', 'right_elbow', 'neck'])
        [['head', 'neck'], ['right_elbow', 'right_wrist']]
    """
    limbs: dict[str, list[_Place]] = {}
    joints = {}
    for name in names:
        place = _place(name)
        if place is not None:
            limbs.setdefault(place.limb, []).append(place)
            joints[place] = name
    if not limbs:
        raise ValueError(
            f'no limb is known by the names of the joints {list(names)[:3]}, '
            '...; give joint_groups, lists of names'
        )
    return [
        [joints[place] for place in sorted(limbs[limb])]
        for limb in sorted(limbs)
    ]


def group_numbers(
    groups: Sequence[Sequence[str]], names: Sequence[str]
) -> list[list[int]]:
    """Numbers of the joints of each group.

    Args:
        groups (Sequence[Sequence[str]]): Names.
        names (Sequence[str]): Names of all joints, in their order.

    Raises:
        ValueError: No or empty groups, a name that is none of the joints, or
            one that comes twice.
    """
    flat = [name for group in groups for name in group]
    unknown = sorted(set(flat) - set(names))
    twice = sorted({name for name in flat if flat.count(name) > 1})
    if unknown or twice or not groups or not all(groups):
        what = (
            f'{unknown} are none of the joints {list(names)}'
            if unknown
            else f'{twice} are in more than one'
            if twice
            else 'each needs a joint'
        )
        raise ValueError(f'joint_groups: {what}')
    return [[names.index(name) for name in group] for group in groups]
