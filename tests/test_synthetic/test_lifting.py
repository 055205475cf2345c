# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.synthetic.lifting import estimate_yaw, lift
from rpstn_mmpose.synthetic.skeleton import CHANNELS, Body, forward_kinematics
from rpstn_mmpose.synthetic.trajectories import Trajectory


def project(yaw):
    """A person with bent knees and elbows seen from a known direction."""
    angles = {name: np.zeros(9) for name in CHANNELS}
    angles['root_yaw'] += yaw
    for side in ('left', 'right'):
        angles[f'{side}_knee'] += 40
        angles[f'{side}_hip_flex'] += 30
        angles[f'{side}_elbow'] += 50
    points, _ = forward_kinematics(angles, Body())
    return 200 * points[:, :13, :2] + (160, 220)


@pytest.mark.parametrize('yaw', [0, 35, -35, 80, -80, 120, -120, 180])
def test_facing_direction_comes_back(yaw):
    measured = estimate_yaw(project(yaw), Body(), 200.0)
    turn = np.angle(np.exp(1j * (measured - np.radians(yaw))))
    # Shoulders and hips need not be exactly as wide as the mean body's.
    assert np.degrees(np.abs(turn)).max() < 4


def test_labelled_joints_are_kept_and_hidden_wrists_lie_behind():
    joints = project(0)
    seen = np.ones((9, 13), bool)
    seen[:, 5] = False
    trajectory = Trajectory(
        number=1,
        train=True,
        action='bowl',
        pose='front',
        size=(320, 240),
        joints=joints,
        seen=seen,
        stature=200.0,
    )
    points, forward = lift(trajectory, Body())
    np.testing.assert_array_equal(points[:, :13, :2], joints)
    assert (points[:, 5, 2] > 0).all() and (points[:, 6, 2] < 0).all()
    np.testing.assert_allclose(np.linalg.norm(forward, axis=-1), 1)
