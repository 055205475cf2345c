# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np

from rpstn_mmpose.structures.hidden_joints import (
    HIDDEN_BY,
    HIDDEN_KINDS,
    frames_unseen,
    hidden_masks,
)
from rpstn_mmpose.synthetic.scene import (
    BY_ITSELF,
    BY_OCCLUDER,
    BY_PERSON,
    OUTSIDE,
    VISIBLE,
)


def test_frames_since_each_joint_was_seen():
    visible = np.array([[0, 1], [0, 0], [1, 0], [0, 1], [0, 0], [1, 0]])
    unseen = frames_unseen(visible)
    assert unseen[:, 0].tolist() == [-1, -1, 0, 1, 2, 0]
    assert unseen[:, 1].tolist() == [0, 1, 2, 0, 1, 2]
    assert frames_unseen(np.zeros((0, 13))).shape == (0, 13)


def test_every_hidden_joint_is_in_one_kind_and_in_one_bin():
    # One frame of 12 joints: behind a thing, behind somebody, by itself,
    # outside, visible; last seen at the edges of the bins.
    hidden_by = np.array([[1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 4, 1]])
    unseen = np.array([[1, 2, 3, 4, 7, 8, 99, -1, -1, 5, 5, 1]])
    hidden = np.array([[True] * 11 + [False]])
    found = {
        kind: np.flatnonzero(mask[0]).tolist()
        for kind, mask in hidden_masks(hidden, hidden_by, unseen).items()
    }
    assert found == {
        'by_thing': [0, 1, 2, 3],
        'by_person': [4, 5, 6, 7, 8],
        'unseen_1': [0],
        'unseen_2-3': [1, 2],
        'unseen_4-7': [3, 4],
        'unseen_8+': [5, 6],
        'never_seen': [7, 8],
    }
    assert tuple(found) == HIDDEN_KINDS


def test_numbers_are_those_of_the_generator():
    names = {
        VISIBLE: 'nothing',
        BY_OCCLUDER: 'thing',
        BY_PERSON: 'person',
        BY_ITSELF: 'itself',
        OUTSIDE: 'outside',
    }
    assert names == dict(enumerate(HIDDEN_BY))
