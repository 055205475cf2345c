# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Limbs by the names of joints."""

import random

import pytest

from rpstn_mmpose.systems.dsta.joint_groups import joint_names, limbs_of

LIMBS = [
    [f'{side}_{joint}' for joint in limb]
    for side in ('left', 'right')
    for limb in (('shoulder', 'elbow', 'wrist'), ('hip', 'knee', 'ankle'))
]
HEADS = dict(
    penn_action=['head'],
    jhmdb=['head', 'neck'],
    posetrack18=['head_top', 'nose', 'head_bottom', 'left_ear', 'right_ear'],
    coco=['nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear'],
    mpii=['head_top', 'upper_neck'],
    h36m=['head'],
)


@pytest.mark.parametrize('name', HEADS)
def test_data_sets(name):
    names = joint_names(f'configs/_base_/datasets/{name}.py')
    limbs = limbs_of(names)
    if name == 'h36m':
        # It calls its feet and shoulders as others do, its ankles not.
        assert ['left_shoulder', 'left_elbow', 'left_wrist'] in limbs
        return
    assert sorted(limbs) == sorted([HEADS[name], *LIMBS])
    random.Random(1).shuffle(names)
    assert limbs_of(names) == limbs


def test_whole_body():
    """133 joints: all in a limb, none in two; fingers in their order."""
    names = joint_names('configs/_base_/datasets/coco_wholebody.py')
    limbs = limbs_of(names)
    flat = [name for limb in limbs for name in limb]
    assert sorted(flat) == sorted(names) and len(limbs) == 7
    hand = next(limb for limb in limbs if 'left_hand_root' in limb)
    assert len(hand) == 21 and hand[:3] == [
        'left_hand_root',
        'left_thumb1',
        'left_thumb2',
    ]
    face = next(limb for limb in limbs if 'face-0' in limb)
    assert len(face) == 5 + 68
    assert face.index('face-9') + 1 == face.index('face-10')
    leg = next(limb for limb in limbs if 'right_heel' in limb)
    assert leg == [
        f'right_{joint}'
        for joint in ('hip', 'knee', 'ankle', 'heel', 'big_toe', 'small_toe')
    ]


def test_unknown_names():
    with pytest.raises(ValueError, match='give joint_groups, lists of names'):
        limbs_of(['L_F_Paw', 'tail'])
