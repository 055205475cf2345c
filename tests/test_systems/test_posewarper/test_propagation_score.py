# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import math

import numpy as np

from rpstn_mmpose.systems.posewarper.propagation_score import (
    Share,
    score_by_distance,
)
from rpstn_mmpose.systems.posewarper.sparse_labels import Pose

JOINTS = ['left_shoulder', 'right_hip', 'nose']


def pose(shift=0.0, visible=(1, 1, 1), labeled=(1, 1, 1), given=False):
    """A torso of 50 pixels: 10 are a fifth of it."""
    return Pose(
        bbox=np.array([0.0, 0, 60, 60]),
        keypoints=np.array([[0.0, 0], [30, 40], [10, 10]]) + [shift, 0],
        labeled=np.array(labeled, bool),
        visible=np.array(visible, bool),
        scores=np.ones(3),
        given=given,
    )


def test_by_distance_and_kind():
    """Labels at 0 and 6 of person 1, at 2 of person 5."""
    people = {
        1: {
            0: pose(given=True),
            1: pose(9.9),
            2: pose(10.1),
            5: pose(0.0),
            6: pose(given=True),
        },
        5: {2: pose(given=True), 3: pose(3.0, labeled=(1, 1, 0))},
    }
    left_out = {
        1: {
            1: pose(visible=(1, 1, 0)),
            2: pose(),
            5: pose(labeled=(1, 1, 0)),
            3: pose(),  # got no pose
        },
        5: {3: pose()},  # its nose got no place
        8: {1: pose()},  # nobody labelled
    }
    scores = score_by_distance(people, left_out, JOINTS)
    assert list(scores) == [1, 2, 3]
    assert scores[1] == dict(visible=Share(6, 7), hidden=Share(1, 1))
    assert scores[2] == dict(visible=Share(0, 3), hidden=Share(0, 0))
    assert scores[3] == dict(visible=Share(0, 3), hidden=Share(0, 0))
    assert scores[1]['visible'].percent == 600 / 7
    assert math.isnan(scores[2]['hidden'].percent)


def test_by_the_size_of_the_box():
    """Twelve pixels are a fifth of 60."""
    people = {1: {0: pose(given=True), 1: pose(11.9), 2: pose(12.1)}}
    left_out = {1: {1: pose(), 2: pose()}}
    scores = score_by_distance(people, left_out, JOINTS, norm_item='person')
    assert [scores[n]['visible'] for n in (1, 2)] == [Share(3, 3), Share(0, 3)]
