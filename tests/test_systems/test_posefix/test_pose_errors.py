# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""How often errors are made, and where they lie."""

import math

import numpy as np
import pytest

from rpstn_mmpose.systems.posefix.error_table import (
    KINDS,
    PARTS,
    error_chances,
    part_of,
    read_skeleton,
)
from rpstn_mmpose.systems.posefix.pose_errors import (
    draw_errors,
    radii,
    reference_points,
)

COCO = 'configs/_base_/datasets/coco.py'
GOOD, JITTER, INVERSION, SWAP, MISS = range(5)
# COCO's sigmas as PoseFix prints them.
SIGMAS = np.array(
    [.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87,
     .87, .89, .89]
) / 10.0  # fmt: skip
FACE, UPPER, LOWER = [*range(5)], [*range(5, 11)], [*range(11, 17)]


@pytest.fixture(scope='module')
def coco():
    return read_skeleton(COCO)


def by_hand(annotated, overlapping):
    """The paper's table, joint by joint of COCO, as its authors' code asks:
    numbers of joints, not parts of the body."""
    rows = []
    for j in range(17):
        if annotated <= 10:
            jitter = 0.15 if j in (0, 13, 14, 15, 16) else 0.2
            jitter = 0.25 if j in (11, 12) else jitter
        else:
            jitter = 0.1 if j in (0, 13, 14, 15, 16) else 0.15
            jitter = 0.2 if j in (11, 12) else jitter
        column = 0 if j in FACE else 1 if j in (5, 6, 15, 16) else 2
        if annotated <= 5:
            miss = (0.15, 0.2, 0.25)[column]
        elif annotated <= 10:
            miss = (0.1, 0.13, 0.15)[column]
        else:
            miss = (0.02, 0.05, 0.1)[column]
        inversion = 0.01 if j in FACE else 0.03 if j in UPPER else 0.06
        crowd = (annotated <= 10 and overlapping > 0) or (
            annotated <= 15 and overlapping >= 3
        )
        swap = 0.01 if j in FACE else 0.06 if j in UPPER else 0.03
        if crowd:
            swap = 0.02 if j in FACE else 0.15 if j in UPPER else 0.1
        rows.append(
            [1 - jitter - inversion - swap - miss, jitter, inversion, swap,
             miss]
        )  # fmt: skip
    return np.array(rows)


@pytest.mark.parametrize('annotated', [0, 5, 6, 10, 11, 15, 16, 17])
@pytest.mark.parametrize('overlapping', [0, 1, 2, 3])
def test_chances_are_those_of_the_table(coco, annotated, overlapping):
    got = error_chances(coco.parts, annotated, overlapping)
    np.testing.assert_allclose(got, by_hand(annotated, overlapping))


def test_other_skeletons_by_name():
    """Penn Action's 13 joints; 6 of 13 is between 5 and 10 of 17."""
    penn = read_skeleton('configs/_base_/datasets/penn_action.py')
    assert penn.names[0] == 'head' and PARTS[penn.parts[0]] == 'face'
    assert list(penn.mirrored[:3]) == [0, 2, 1]
    rows = dict(zip(penn.names, error_chances(penn.parts, 6, 0)))
    np.testing.assert_allclose(
        rows['left_wrist'], [0.56, 0.2, 0.03, 0.06, 0.15]
    )
    np.testing.assert_allclose(rows['head'], [0.68, 0.2, 0.01, 0.01, 0.1])
    # 13 * 10 / 17 is 7.6, so that 8 joints are many
    eight = dict(zip(penn.names, error_chances(penn.parts, 8, 0)))
    np.testing.assert_allclose(
        eight['left_wrist'], [0.66, 0.15, 0.03, 0.06, 0.1]
    )


def test_a_joint_of_no_part(tmp_path):
    with pytest.raises(ValueError, match=r"'tail' tells no part.*dict\(tail="):
        part_of('tail')
    with pytest.raises(ValueError, match="parts: 'tail' is no joint"):
        read_skeleton(COCO, parts=dict(tail='arm'))
    with pytest.raises(ValueError, match="parts: 'wing' is no"):
        read_skeleton(COCO, parts=dict(nose='wing'))
    moved = read_skeleton(COCO, parts=dict(nose='arm'))
    assert PARTS[moved.parts[0]] == 'arm'


def test_rings_by_hand(coco):
    np.testing.assert_allclose(coco.sigmas, SIGMAS)
    got = radii(6400.0, coco.sigmas)
    for joint, similarity in ((0, 0.85), (10, 0.5), (16, 0.1)):
        column = (0.85, 0.5, 0.1).index(similarity)
        distance = got[joint, column]
        similar = math.exp(
            -(distance**2) / (2 * 6400 * (2 * SIGMAS[joint]) ** 2)
        )
        assert similar == pytest.approx(similarity)
    assert (np.diff(got, axis=1) > 0).all()


def person(x=100.0, y=100.0, side=160.0):
    """A standing person of COCO, wide enough that rings are apart."""
    left = np.array(
        [[0, -.5], [.06, -.53], [-.06, -.53], [.12, -.5], [-.12, -.5],
         [.2, -.3], [-.2, -.3], [.3, -.1], [-.3, -.1], [.35, .1], [-.35, .1],
         [.12, .1], [-.12, .1], [.15, .35], [-.15, .35], [.17, .6],
         [-.17, .6]]
    )  # fmt: skip
    return left * side + [x, y]


def test_references_of_a_joint(coco):
    own = person()
    own[3] = np.nan  # left ear: nobody knows
    annotated = np.ones(17, bool)
    annotated[[3, 9]] = False  # left wrist: of another model
    near = person(300)[None]
    near[0, 8] = np.nan
    got = reference_points(own, annotated, near, coco.mirrored)
    assert got.shape == (17, 4, 2)
    np.testing.assert_array_equal(
        got[7], [own[7], own[8], near[0, 7], [np.nan] * 2]
    )
    # the right wrist's mirrored joint is no truth
    np.testing.assert_array_equal(
        got[10], [own[10], [np.nan] * 2, near[0, 10], near[0, 9]]
    )
    # the nose has no other side
    np.testing.assert_array_equal(got[0, [1, 3]], np.full((2, 2), np.nan))
    assert np.isnan(got[3, 0]).all()


@pytest.mark.parametrize('near', [0, 1])
def test_frequencies_over_100_000_draws(coco, near):
    """Per joint and kind within 5 standard deviations of the table. Where an
    error has no point (the nose's inversion; a swap without others), the
    others are as frequent as before among each other."""
    people = 5900  # times 17 joints
    others = person(250)[None][:near]
    points = reference_points(
        person(), np.ones(17, bool), others, coco.mirrored
    )
    chances = error_chances(coco.parts, 17, near)
    places, kinds = draw_errors(
        np.tile(points, (people, 1, 1)),
        np.tile(radii(8000.0, coco.sigmas), (people, 1)),
        np.tile(chances, (people, 1)),
        np.random.default_rng(0),
    )
    assert np.isfinite(places).all()
    expected = by_hand(17, near)
    expected[0, INVERSION] = 0
    if not near:
        expected[:, SWAP] = 0
    expected /= expected.sum(axis=1, keepdims=True)
    kinds = kinds.reshape(people, 17)
    for kind in range(5):
        got = (kinds == kind).mean(axis=0)
        limit = 5 * np.sqrt(expected[:, kind] / people) + 1e-9
        assert (abs(got - expected[:, kind]) <= limit).all(), KINDS[kind]


@pytest.mark.parametrize('kind', range(5), ids=KINDS)
def test_each_kind_in_its_ring_and_nearest_to_the_right_point(coco, kind):
    """Of all reference points the right one is nearest."""
    near = np.stack([person(250), person(100, 260)])
    points = reference_points(person(), np.ones(17, bool), near, coco.mirrored)
    rings = radii(8000.0, coco.sigmas)
    number = 60
    alone = np.zeros((17, 5))
    alone[:, kind] = 1
    places, kinds = draw_errors(
        np.tile(points, (number, 1, 1)),
        np.tile(rings, (number, 1)),
        np.tile(alone, (number, 1)),
        np.random.default_rng(1),
    )
    points, rings = (
        np.tile(points, (number, 1, 1)),
        np.tile(rings, (number, 1)),
    )
    made = kinds == kind
    nose = np.arange(len(kinds)) % 17 == 0
    if kind == INVERSION:
        np.testing.assert_array_equal(made, ~nose)
        assert np.isnan(places[nose]).all()
    assert made[~nose].all()
    gaps = np.linalg.norm(places[made, None] - points[made], axis=-1)
    inner, half, outer = rings[made].T
    gaps = np.where(np.isfinite(gaps), gaps, np.inf)
    nearest, source = gaps.min(axis=1), gaps.argmin(axis=1)
    if kind == GOOD:
        assert (source == 0).all() and (nearest < inner).all()
        assert nearest.max() > 0.9 * inner.min()
    elif kind == JITTER:
        assert (source == 0).all()
        assert ((nearest > inner) & (nearest < half)).all()
    elif kind == INVERSION:
        assert (source == 1).all() and (nearest < half).all()
    elif kind == SWAP:
        assert (source >= 2).all() and (nearest < half).all()
        assert set(source) == {2, 3, 4, 5}
    else:
        assert ((nearest > half) & (nearest < outer)).all()
        assert set(source) == {0, 1, 2, 3, 4, 5}
        # nowhere else's; the ring of a miss may reach to others
        assert (np.partition(gaps, 1, axis=1)[:, 1] > half).all()


def test_misses_around_others_count_a_quarter():
    """Four points far from each other: the own one is taken four times as
    often as each of the others."""
    points = np.array([[[0, 0], [1e4, 0], [0, 1e4], [1e4, 1e4]]], float)
    number = 20000
    places, _ = draw_errors(
        np.tile(points, (number, 1, 1)),
        np.tile([[1.0, 2.0, 3.0]], (number, 1)),
        np.tile([[0, 0, 0, 0, 1.0]], (number, 1)),
        np.random.default_rng(2),
    )
    source = np.linalg.norm(places[:, None] - points, axis=2).argmin(axis=1)
    share = np.bincount(source, minlength=4) / number
    np.testing.assert_allclose(share, [4 / 7, 1 / 7, 1 / 7, 1 / 7], atol=0.015)


def test_what_has_no_point_is_no_error():
    """Own and mirrored joint at one place: nothing is farther from the other
    than from it, and only a miss around nothing else is left."""
    points = np.array([[[5, 5], [5, 5]]], float)
    rings = np.array([[1.0, 2.0, 3.0]])
    for chances, expected in (
        ([0.5, 0.3, 0.1, 0.1, 0.0], -1),
        ([0.9, 0.0, 0.0, 0.0, 0.1], MISS),
    ):
        places, kinds = draw_errors(
            points, rings, np.array([chances]), np.random.default_rng(0)
        )
        assert kinds[0] == expected
        assert np.isfinite(places).all() == (expected == MISS)
    # nobody knows where it is
    places, kinds = draw_errors(
        np.full((1, 2, 2), np.nan), rings, np.full((1, 5), 0.2)
    )
    assert np.isnan(places).all() and kinds[0] == -1
