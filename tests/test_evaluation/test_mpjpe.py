# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Errors of 3D poses against plain restatements, by hand and degenerate."""

import math

import numpy as np
import pytest
from mmpose.evaluation.functional import keypoint_mpjpe
from scipy.spatial.transform import Rotation

from rpstn_mmpose.evaluation.functional import (
    bone_length_spread,
    mpjpe,
    mpjve,
    n_mpjpe,
    p_mpjpe,
    similarity_aligned,
)

RNG = np.random.default_rng(0)


def poses(n=6, k=17):
    return RNG.normal(size=(n, k, 3))


def plain_mean(found, true):
    """Loops and the square root."""
    return sum(
        math.sqrt(sum((a - b) ** 2 for a, b in zip(p, q)))
        for p, q in zip(found, true)
    ) / len(found)


def test_mpjpe_is_the_plain_mean():
    found, true = poses(), poses()
    expected = [plain_mean(p, q) for p, q in zip(found, true)]
    np.testing.assert_allclose(mpjpe(found, true), expected)


def test_mpjpe_by_hand():
    """Two joints, off by 5 (a 3-4-5 triangle) and by nothing."""
    assert mpjpe([[[0, 3, 4], [1, 1, 1]]], [[[0, 0, 0], [1, 1, 1]]]) == [2.5]


def test_p_mpjpe_against_scipy_and_a_search():
    """SciPy's best rotation, and the best scale by calculus."""
    found, true = poses(), poses()
    for p, q, error in zip(found, true, p_mpjpe(found, true)):
        x, y = p - p.mean(0), q - q.mean(0)
        turned = Rotation.align_vectors(y, x)[0].apply(x)
        scale = (turned * y).sum() / (turned * turned).sum()
        assert math.isclose(error, plain_mean(scale * turned, y))


def test_p_mpjpe_is_mmposes_but_for_mirrors():
    found, true = poses(), poses()
    mask = np.ones((6, 17), bool)
    assert math.isclose(
        p_mpjpe(found, true).mean(),
        keypoint_mpjpe(found, true, mask, 'procrustes'),
        rel_tol=1e-6,
    )
    assert math.isclose(
        n_mpjpe(found, true).mean(),
        keypoint_mpjpe(found, true, mask, 'scale'),
        rel_tol=1e-6,
    )


def test_who_is_invariant():
    """A similarity changes MPJPE and N-MPJPE, not P-MPJPE; a scale not
    N-MPJPE; an offset not MPJVE."""
    true = poses()
    found = true + 0.1 * poses()
    rotation = Rotation.from_euler('xyz', [0.3, 1, -2]).as_matrix()
    moved = 0.4 * found @ rotation.T + [1, -2, 3]
    np.testing.assert_allclose(p_mpjpe(moved, true), p_mpjpe(found, true))
    assert (abs(mpjpe(moved, true) - mpjpe(found, true)) > 0.01).all()
    assert (abs(n_mpjpe(moved, true) - n_mpjpe(found, true)) > 0.01).all()
    np.testing.assert_allclose(n_mpjpe(3 * found, true), n_mpjpe(found, true))
    np.testing.assert_allclose(mpjve(found + 7, true), mpjve(found, true))
    np.testing.assert_allclose(
        p_mpjpe(0.4 * true @ rotation.T + 1, true), 0, atol=1e-12
    )
    np.testing.assert_allclose(n_mpjpe(true / 3, true), 0, atol=1e-12)


class TestDegenerate:
    def test_one_joint(self):
        found, true = poses(k=1), poses(k=1)
        np.testing.assert_allclose(p_mpjpe(found, true), 0, atol=1e-12)
        assert (mpjpe(found, true) > 0).all()

    def test_all_joints_in_one_place(self):
        true = poses()
        at_once = np.repeat(poses(k=1), 17, axis=1)
        # Moved to the true ones' mean, and nothing more can be done.
        expected = np.linalg.norm(true - true.mean(1, keepdims=True), axis=-1)
        np.testing.assert_allclose(p_mpjpe(at_once, true), expected.mean(1))
        np.testing.assert_allclose(p_mpjpe(true, at_once), 0, atol=1e-12)
        nothing = np.zeros_like(true)
        np.testing.assert_allclose(
            n_mpjpe(nothing, true), mpjpe(nothing, true)
        )

    def test_a_mirrored_pose_is_not_turned_into_the_other(self):
        true = poses()
        mirrored = true * [-1, 1, 1]
        assert (p_mpjpe(mirrored, true) > 0.1).all()
        aligned = similarity_aligned(mirrored, true)
        # A rotation keeps the sign of the triple product of three joints.
        for before, after in zip(mirrored, aligned):
            a, b = (np.linalg.det(p[1:4] - p[0]) for p in (before, after))
            assert a * b > 0

    def test_in_a_plane_a_mirror_is_a_turn(self):
        true = poses() * [1, 1, 0]
        np.testing.assert_allclose(
            p_mpjpe(true * [-1, 1, 1], true), 0, atol=1e-12
        )

    @pytest.mark.parametrize('shape', [(4, 3), (2, 0, 3), (2, 4, 2)])
    def test_other_shapes(self, shape):
        with pytest.raises(ValueError, match='poses .n, K, 3. of one shape'):
            mpjpe(np.zeros(shape), np.zeros(shape))


def test_velocity_by_hand():
    """One joint goes 1 m a frame, and is found to stand."""
    true = np.array([[[0.0, 0, 0]], [[1, 0, 0]], [[2, 0, 0]]])
    assert mpjve(np.zeros_like(true), true).tolist() == [1, 1]
    assert mpjve(true[:1], true[:1]).tolist() == []


def test_spread_by_hand():
    """Lengths 1 and 3 (standard deviation 1), and 2 and 2."""
    frames = np.zeros((2, 3, 3))
    frames[:, 1, 0] = 1, 3
    frames[:, 2, 1] = 2
    assert bone_length_spread(frames, [(0, 1), (0, 2)]) == 0.5
