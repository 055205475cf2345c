# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.synthetic.skeleton import (
    ANGLES,
    CHANNELS,
    LIMITS,
    POINT_INDEX,
    Body,
    forward_kinematics,
    rotation,
    sample_body,
)


def zeros(count=1):
    return {name: np.zeros(count) for name in CHANNELS}


def random_angles(rng, count):
    """Angles far beyond the limits, so that the limits have work to do."""
    angles = {name: rng.uniform(-200, 200, count) for name in ANGLES}
    return dict(angles, jump=np.zeros(count))


def at(points, name):
    return points[:, POINT_INDEX[name]]


def test_rotation_turns_f_towards_l_about_u():
    turned = rotation(2, np.array([90.0]))[0] @ [1.0, 0.0, 0.0]
    np.testing.assert_allclose(turned, [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize(
    'yaw, left_shoulder',
    [
        (0, (1, 0)),  # faces the camera: own left is right in the picture
        (180, (-1, 0)),  # seen from behind: own left is left
        (90, (0, 1)),  # faces the right edge: left side is far
        (-90, (0, -1)),  # faces the left edge: left side is near
    ],
)
def test_left_side_in_the_picture(yaw, left_shoulder):
    angles = dict(zeros(), root_yaw=np.array([float(yaw)]))
    body = Body()
    points, forward = forward_kinematics(angles, body)
    place = at(points, 'left_shoulder')[0, [0, 2]] / body.shoulder_half
    np.testing.assert_allclose(place, left_shoulder, atol=1e-9)
    facing = np.radians(yaw)
    expected = [np.sin(facing), 0, -np.cos(facing)]
    np.testing.assert_allclose(forward[0, 0], expected, atol=1e-9)


def test_standing_height():
    body = Body()
    points, _ = forward_kinematics(zeros(), body)
    # The toes are lowest: 0.025 below the ankles and, as a knee keeps at least
    # 2 degrees of bend, lower by another foot * sin(2).
    assert points[..., 1].max() == pytest.approx(0)
    two = np.radians(2)
    height = 0.025 * np.cos(two) + body.foot * np.sin(two)
    height += body.thigh + body.shank * np.cos(two) + body.torso
    height += body.neck + body.head_half_height
    assert -at(points, 'head_top')[0, 1] == pytest.approx(height)


def test_bone_lengths_never_change():
    rng = np.random.default_rng(0)
    body = sample_body(rng)
    points, _ = forward_kinematics(random_angles(rng, 200), body, 10)
    for side in ('left', 'right'):
        for inner, outer, length in (
            ('shoulder', 'elbow', body.upper_arm),
            ('elbow', 'wrist', body.forearm),
            ('hip', 'knee', body.thigh),
            ('knee', 'ankle', body.shank),
        ):
            bone = at(points, f'{side}_{outer}') - at(
                points, f'{side}_{inner}'
            )
            np.testing.assert_allclose(
                np.linalg.norm(bone, axis=1), length, atol=1e-9
            )
    width = at(points, 'left_hip') - at(points, 'right_hip')
    np.testing.assert_allclose(
        np.linalg.norm(width, axis=1), 2 * body.hip_half, atol=1e-9
    )


def test_knees_and_elbows_bend_one_way_only():
    """Thigh x shank points to the left exactly if the knee bends backward;
    upper arm x forearm points to the right if the elbow bends forward."""
    angles = zeros(61)
    sweep = np.linspace(-200, 200, 61)
    for side in ('left', 'right'):
        angles[f'{side}_knee'] = angles[f'{side}_elbow'] = sweep
    points, _ = forward_kinematics(angles, Body())
    to_left = at(points, 'left_hip') - at(points, 'right_hip')
    for side in ('left', 'right'):
        hip, knee, ankle, shoulder, elbow, wrist = (
            at(points, f'{side}_{name}')
            for name in ('hip', 'knee', 'ankle', 'shoulder', 'elbow', 'wrist')
        )
        assert (
            (np.cross(knee - hip, ankle - knee) * to_left).sum(1) > 0
        ).all()
        bend = np.cross(elbow - shoulder, wrist - elbow)
        assert ((bend * to_left).sum(1) < 0).all()


def test_hinge_angles_stay_inside_the_limits():
    rng = np.random.default_rng(1)
    points, _ = forward_kinematics(random_angles(rng, 300), Body())
    for a, b, c, name in (
        ('left_hip', 'left_knee', 'left_ankle', 'left_knee'),
        ('right_shoulder', 'right_elbow', 'right_wrist', 'right_elbow'),
    ):
        first, second = (
            at(points, b) - at(points, a),
            at(points, c) - at(points, b),
        )
        cosine = (first * second).sum(1) / (
            np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        )
        bend = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        low, high = LIMITS[name]
        assert bend.min() > low - 1e-4 and bend.max() < high + 1e-4
        # Both limits are reached, so they are what stops the joint.
        assert bend.min() < low + 1 and bend.max() > high - 1


def test_bodies_differ_but_stay_human():
    bodies = [sample_body(np.random.default_rng(i)) for i in range(50)]
    thighs = np.array([body.thigh for body in bodies])
    assert len(set(thighs)) == 50
    assert 0.23 < thighs.min() and thighs.max() < 0.26
