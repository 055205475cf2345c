# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Hidden joints put where they were last seen, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from .load_tool import load_tool

tool = load_tool('analysis_tools/memory_bound.py')
JOINTS = ['left_shoulder', 'right_hip', 'left_wrist']


def test_between_two_sightings():
    x = np.array([5.0, 8, 0, 0, 2, 7])
    places = np.stack([x, -x], axis=-1)[:, None]
    seen = np.array([0, 1, 0, 0, 1, 0], bool)[:, None]
    assert tool.held(places, seen)[:, 0, 0].tolist() == [5, 8, 8, 8, 2, 2]
    found = tool.between(places, seen)
    assert found[:, 0, 0].tolist() == [8, 8, 6, 4, 2, 2]
    assert (found[..., 1] == -found[..., 0]).all()


def test_never_seen():
    places = np.arange(6.0).reshape(3, 1, 2)
    seen = np.zeros((3, 1), bool)
    for where in (tool.held, tool.between):
        np.testing.assert_array_equal(where(places, seen), places)


def test_bounds_by_hand():
    """A wrist at rest in the box of somebody who walks: hidden in the frame in
    the middle, where the model is wrong, and 1 pixel off where it is seen. The
    torso is 5 pixels, a joint is right within 1."""
    box = np.array([[10 * t, 0, 10 * t + 10, 20] for t in range(3)], float)
    body = np.array([[3.0, 6], [6, 10], [2, 12]])
    truth = body + box[:, None, :2]
    found = truth.copy()
    found[:, 2] += [[1, 0], [9, 0], [0, 3]]
    visible = np.ones((3, 3), bool)
    visible[1, 2] = False
    video = SimpleNamespace(
        keypoints_visible=visible,
        keypoints_labeled=np.ones((3, 3), bool),
        bboxes=box,
        keypoints=found,
        gt_keypoints=truth,
    )
    rows = list(tool.bounds([video], JOINTS).values())
    # of the wrist's two sightings the second is wrong
    assert rows[0] == pytest.approx(((1 + 1 + 0.5) / 3, 0))
    # last seen 1 off; the mean of 1 right and 3 down is 1.58 off
    assert [hidden for _, hidden in rows[1:]] == [1, 0, 1, 1]
