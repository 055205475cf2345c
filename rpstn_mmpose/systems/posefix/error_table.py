# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""How often each error is made, by the joints' names (PoseFix, Sec. 4)."""

from __future__ import annotations

from typing import Mapping, NamedTuple

import numpy as np
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from ...datasets.metainfo import resolve_metainfo_file

KINDS = ('good', 'jitter', 'inversion', 'swap', 'miss')

# Words in the joints' names, looked for from the first part to the last.
_WORDS: dict[str, tuple[str, ...]] = {
    'nose': ('nose',),
    'face': ('eye', 'ear', 'head', 'neck', 'face', 'mouth', 'chin'),
    'shoulder': ('shoulder', 'chest', 'thorax'),
    'arm': ('elbow', 'wrist', 'hand', 'finger', 'thumb'),
    'hip': ('hip', 'pelvis', 'root', 'belly', 'spine'),
    'knee': ('knee',),
    'ankle': ('ankle', 'foot', 'heel', 'toe'),
}
PARTS = tuple(_WORDS)

# Chances by part, of few and of many annotated joints; the paper counts
# COCO's 17.
_OF_JOINTS = 17
_FEW, _SOME, _MOST = 5, 10, 15
_JITTER = np.array(
    [
        [0.15, 0.20, 0.20, 0.20, 0.25, 0.15, 0.15],  # at most _SOME
        [0.10, 0.15, 0.15, 0.15, 0.20, 0.10, 0.10],
    ]
)
_MISS = np.array(
    [
        [0.15, 0.15, 0.20, 0.25, 0.25, 0.25, 0.20],  # at most _FEW
        [0.10, 0.10, 0.13, 0.15, 0.15, 0.15, 0.13],  # at most _SOME
        [0.02, 0.02, 0.05, 0.10, 0.10, 0.10, 0.05],
    ]
)
_INVERSION = np.array([0.01, 0.01, 0.03, 0.03, 0.06, 0.06, 0.06])
_SWAP = np.array(
    [
        [0.01, 0.01, 0.06, 0.06, 0.03, 0.03, 0.03],
        [0.02, 0.02, 0.15, 0.15, 0.10, 0.10, 0.10],  # in a crowd
    ]
)


class Skeleton(NamedTuple):
    """What errors of a pose depend on.

    Attributes:
        names: Of the K joints.
        parts: (K,) numbers in :data:`PARTS`.
        mirrored: (K,) number of the joint on the other side, the joint's own
            where there is none.
        sigmas: (K,) of the object keypoint similarity.
    """

    names: tuple[str, ...]
    parts: np.ndarray
    mirrored: np.ndarray
    sigmas: np.ndarray


def part_of(name: str) -> str:
    """Part of the body that a joint belongs to.

    Args:
        name: By the metainfos of MMPose.

    Raises:
        ValueError: A name that tells no part.

    Examples:
        >>> part_of('left_wrist'), part_of('head_top'), part_of('r_heel')
        ('arm', 'face', 'ankle')
    """
    for part, words in _WORDS.items():
        if any(word in name.lower() for word in words):
            return part
    raise ValueError(
        f'the joint {name!r} tells no part of the body; give '
        f'parts=dict({name}=...), one of {", ".join(PARTS)}'
    )


def read_skeleton(
    metainfo: str, parts: Mapping[str, str] | None = None
) -> Skeleton:
    """The joints of a data set.

    Args:
        metainfo (str): Path of its metainfo file, as in a data set's
            ``metainfo=dict(from_file=...)``.
        parts (Mapping[str, str], optional): Parts of joints whose names tell
            none, or another one.

    Raises:
        ValueError: A joint of no known part, or no sigmas.
    """
    meta = parse_pose_metainfo(dict(from_file=resolve_metainfo_file(metainfo)))
    names = tuple(
        meta['keypoint_id2name'][k]
        for k in range(len(meta['keypoint_id2name']))
    )
    given = dict(parts or {})
    unknown = sorted({*given} - {*names}) + sorted(
        {*given.values()} - {*PARTS}
    )
    if unknown:
        raise ValueError(
            f'parts: {unknown[0]!r} is no joint of {metainfo} and no part of '
            f'{", ".join(PARTS)}'
        )
    sigmas = meta.get('sigmas')
    if sigmas is None or len(sigmas) != len(names):
        raise ValueError(
            f'{metainfo} has no sigma for each of its {len(names)} joints, '
            'which the errors are scaled by; add them'
        )
    return Skeleton(
        names,
        np.array([PARTS.index(given.get(n) or part_of(n)) for n in names]),
        np.array(meta['flip_indices']),
        np.asarray(sigmas, float),
    )


def error_chances(
    parts: np.ndarray, annotated: int, overlapping: int
) -> np.ndarray:
    """Chance of each kind of error, by joint.

    Args:
        parts (np.ndarray): (K,), see :class:`Skeleton`.
        annotated (int): Annotated joints of the person in the crop.
        overlapping (int): People whose box overlaps with the person's.

    Returns:
        np.ndarray: (K, 5) in the order of :data:`KINDS`; rows sum to 1.

    Examples:
        >>> # a wrist of a person alone, 17 of 17 joints annotated
        >>> error_chances(np.repeat(PARTS.index('arm'), 17), 17, 0)[0].round(2)
        array([0.66, 0.15, 0.03, 0.06, 0.1 ])
    """
    few, some, most = (
        annotated * _OF_JOINTS <= limit * len(parts)
        for limit in (_FEW, _SOME, _MOST)
    )
    crowd = (some and overlapping > 0) or (most and overlapping >= 3)
    chances = np.stack(
        [
            np.zeros(len(parts)),
            _JITTER[0 if some else 1, parts],
            _INVERSION[parts],
            _SWAP[int(crowd), parts],
            _MISS[0 if few else 1 if some else 2, parts],
        ],
        axis=1,
    )
    chances[:, 0] = 1 - chances.sum(axis=1)
    return chances
