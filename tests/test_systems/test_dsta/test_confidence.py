# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Scores of joints from their sigmas."""

import json

import numpy as np
import pytest

from rpstn_mmpose.systems.dsta.confidence import (
    calibrate,
    log_sigma,
    read_confidence,
)

SIGMAS = np.array([[[0.1, 0.3], [0.5, 0.5]]])


@pytest.mark.parametrize(
    'score, expected',
    [('1-sigma', [0.8, 0.5]), ('exp(-sigma)', np.exp([-0.2, -0.5]))],
)
def test_named(score, expected):
    np.testing.assert_allclose(read_confidence(score, 2)(SIGMAS)[0], expected)


def test_a_file(tmp_path):
    """Slope 2 and offset 1 at sigma 0.2: 1 / (1 + exp(-1 + 2 ln 0.2))."""
    path = tmp_path / 'scores.json'
    path.write_text(json.dumps(dict(slope=[2.0, 0.0], offset=[1.0, 0.0])))
    found = read_confidence(str(path), 2)(SIGMAS)
    expected = 1 / (1 + np.exp(-1) * 0.2**2)
    np.testing.assert_allclose(found, [[expected, 0.5]], rtol=1e-6)


@pytest.mark.parametrize(
    'content, message',
    [
        ('{"slope": [1], "offset": [1]}', 'has 1 joints, and the model 2'),
        ('{"slope": [1, 2]}', 'not a file of calibrate_scores.py'),
        ('[]', 'not a file of calibrate_scores.py'),
        ('{"slope": ["a", 1], "offset": [1, 2]}', 'not a file of'),
        ('', 'not a file of calibrate_scores.py'),
    ],
)
def test_bad_files(content, message, tmp_path):
    path = tmp_path / 'scores.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_confidence(str(path), 2)


def test_another_name():
    with pytest.raises(ValueError, match="'1-sigma'"):
        read_confidence('sigma', 2)


def drawn(count=20000):
    """Joints that are right by a known chance: 1 - sigma^1.5 and 0.4."""
    rng = np.random.default_rng(0)
    sigmas = rng.uniform(0.01, 0.9, (count, 2, 2))
    logits = np.stack(
        [-0.5 - 1.5 * log_sigma(sigmas)[:, 0], np.full(count, -0.4)], axis=1
    )
    right = rng.random((count, 2)) < 1 / (1 + np.exp(-logits))
    return sigmas, right


def test_what_was_drawn_is_found():
    sigmas, right = drawn()
    found = calibrate(sigmas, right, np.ones_like(right))
    np.testing.assert_allclose(found.slope, [1.5, 0], atol=0.1)
    np.testing.assert_allclose(found.offset, [-0.5, -0.4], atol=0.1)
    # Among joints of a score of s, a share of s is right.
    scores = found(sigmas)
    for low in (0.3, 0.5, 0.7):
        among = (scores >= low) & (scores < low + 0.1)
        if among.sum() > 500:
            assert abs(right[among].mean() - scores[among].mean()) < 0.03


def test_joints_that_nobody_labelled():
    """They get the fit of all others; and one alone does little."""
    sigmas, right = drawn(2000)
    known = np.ones_like(right)
    known[:, 1] = False
    found = calibrate(sigmas, right, known)
    assert found.slope[1] == pytest.approx(found.slope[0], abs=0.1)
    known[0, 1], right[0, 1] = True, True
    other = calibrate(sigmas, right, known)
    assert abs(other.offset[1] - found.offset[1]) < 0.7


@pytest.mark.parametrize('value', [True, False])
def test_all_right_or_all_wrong(value):
    """No logistic regression has an end there; the scores do."""
    sigmas, right = drawn(100)
    found = calibrate(sigmas, np.full_like(right, value), np.ones_like(right))
    scores = found(sigmas)
    assert np.isfinite(scores).all()
    assert ((scores > 0.9) == value).all()


def test_nothing_is_labelled():
    sigmas, right = drawn(3)
    with pytest.raises(ValueError, match='no joint is labelled'):
        calibrate(sigmas, right, np.zeros_like(right))
