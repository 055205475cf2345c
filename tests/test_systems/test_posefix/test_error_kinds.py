# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np

from rpstn_mmpose.systems.posefix.error_kinds import error_kinds
from rpstn_mmpose.systems.posefix.pose_errors import draw_errors

GOOD, JITTER, INVERSION, SWAP, MISS = range(5)


def test_kinds_by_hand():
    """Rings of 1, 2 and 4 around (0, 0); the mirrored joint at (10, 0), that
    of somebody else at (10, 1)."""
    points = np.array([[[0, 0], [10, 0], [10, 1], [np.nan] * 2]], float)
    unknown = points.copy()
    unknown[:, 0] = np.nan
    cases = [
        ((0.6, 0.8), points, GOOD),  # 1 away
        ((0, 1.5), points, JITTER),
        ((0, 3), points, MISS),
        ((10, 0.4), points, INVERSION),
        ((10, 0.6), points, SWAP),
        ((13, 0), points, MISS),
        ((np.nan, 0), points, MISS),
        ((0, 0), unknown, -1),
    ]
    places, refs, expected = zip(*cases)
    got = error_kinds(
        np.array(places), np.concatenate(refs), np.tile([1.0, 2, 4], (8, 1))
    )
    assert list(got) == list(expected)


def test_near_joints_are_right_first():
    """Two joints of a person 1 apart: within 0.5 of the truth is good."""
    points = np.array([[[0, 0], [1, 0]]], float)
    got = error_kinds(np.array([[0.8, 0]]), points, np.array([[1.0, 2, 4]]))
    assert got[0] == GOOD


def test_drawn_errors_are_found_again():
    """Of points that are far from each other."""
    points = np.array([[[0, 0], [50, 0], [0, 50], [50, 50]]], float)
    rings = np.array([[2.0, 5.0, 9.0]])
    for kind in range(5):
        chances = np.eye(5)[[kind]].repeat(200, axis=0)
        places, drawn = draw_errors(
            points.repeat(200, axis=0),
            rings.repeat(200, axis=0),
            chances,
            np.random.default_rng(0),
        )
        assert (drawn == kind).all()
        got = error_kinds(
            places, points.repeat(200, axis=0), rings.repeat(200, axis=0)
        )
        assert (got == kind).all()


def test_people_without_others():
    points = np.zeros((2, 1, 2))
    got = error_kinds(
        np.array([[0, 0], [30, 0]]), points, np.ones((2, 3)) * [1, 2, 4]
    )
    assert list(got) == [GOOD, MISS]
