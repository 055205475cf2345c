# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import dataclasses

import numpy as np
import pytest

from rpstn_mmpose.synthetic.motion import ACTIONS, FPS, sample_motion
from rpstn_mmpose.synthetic.skeleton import (
    POINT_INDEX,
    Body,
    forward_kinematics,
)


@pytest.mark.parametrize('action', sorted(ACTIONS))
def test_joints_move_smoothly(action):
    """Sampled ten times finer, no joint jumps: speed stays human."""
    motion = sample_motion(np.random.default_rng(5))
    motion = dataclasses.replace(motion, action=action)
    times = np.arange(0, 40, 0.1)
    points, _ = forward_kinematics(motion.angles(times), Body())
    step = np.linalg.norm(np.diff(points, axis=0), axis=2)
    # Statures a second; a wrist in a throw reaches about 6.
    assert step.max() * 10 * FPS < 8
    assert step.max() > 0


def test_walking_legs_alternate_and_arms_oppose_legs():
    motion = sample_motion(np.random.default_rng(0))
    motion = dataclasses.replace(
        motion,
        action='walk',
        size=1.0,
        yaw=90.0,
        offset={name: 0.0 for name in motion.offset},
        sway=np.zeros_like(motion.sway),
    )
    points, _ = forward_kinematics(motion.angles(np.arange(200)), Body())
    x = {name: points[:, index, 0] for name, index in POINT_INDEX.items()}
    legs = np.corrcoef(
        x['left_knee'] - x['left_hip'], x['right_knee'] - x['right_hip']
    )[0, 1]
    arms = np.corrcoef(
        x['left_knee'] - x['left_hip'], x['left_elbow'] - x['left_shoulder']
    )[0, 1]
    assert legs < -0.9 and arms < -0.9


def test_speed_scales_the_frequency_only():
    slow = sample_motion(np.random.default_rng(2), speed=1.0)
    fast = sample_motion(np.random.default_rng(2), speed=2.0)
    assert fast.frequency == pytest.approx(2 * slow.frequency)
    assert fast.action == slow.action and fast.yaw == slow.yaw
