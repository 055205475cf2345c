# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Kinematic chain: joint angles and limb lengths to 3D points.

Camera space: X to the right, Y down, Z away from the camera. A body part has
the axes f (forward), l (the person's left) and u (up); f x l = u. At yaw 0 the
person faces the camera, at yaw +90 degrees it faces the right picture edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

PENN_JOINTS = (
    'head',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
)
# The labelled joints come first; the others only help drawing and writers of
# other formats (JHMDB needs neck and belly, PoseTrack the top of the head).
POINTS = PENN_JOINTS + (
    'neck',
    'pelvis',
    'head_top',
    'left_hand',
    'right_hand',
    'left_toe',
    'right_toe',
)
POINT_INDEX = {name: index for index, name in enumerate(POINTS)}
FRAMES = ('root', 'torso', 'head') + tuple(
    f'{side}_{part}'
    for side in ('left', 'right')
    for part in ('upper_arm', 'forearm', 'thigh', 'shank', 'foot')
)
FRAME_INDEX = {name: index for index, name in enumerate(FRAMES)}
SIDES = (('left', 1.0), ('right', -1.0))

# Degrees. Elbows and knees are hinges that bend one way only: the forearm
# towards the front of the upper arm, the shank towards the back of the thigh.
LIMITS: dict[str, tuple[float, float]] = {
    'root_yaw': (-np.inf, np.inf),
    'root_pitch': (-30.0, 85.0),
    'root_roll': (-20.0, 20.0),
    'spine_bend': (-20.0, 70.0),
    'spine_side': (-30.0, 30.0),
    'spine_twist': (-45.0, 45.0),
    'head_pitch': (-60.0, 45.0),
    'head_yaw': (-60.0, 60.0),
}
for _side, _ in SIDES:
    LIMITS.update(
        {
            f'{_side}_shoulder_flex': (-60.0, 170.0),
            f'{_side}_shoulder_abd': (-15.0, 170.0),
            f'{_side}_shoulder_rot': (-60.0, 90.0),
            f'{_side}_elbow': (2.0, 150.0),
            f'{_side}_hip_flex': (-30.0, 120.0),
            f'{_side}_hip_abd': (-15.0, 60.0),
            f'{_side}_hip_rot': (-40.0, 40.0),
            f'{_side}_knee': (2.0, 150.0),
            f'{_side}_ankle': (-30.0, 30.0),
        }
    )
ANGLES = tuple(LIMITS)
# Offset of the whole body from the ground, in statures.
CHANNELS = ANGLES + ('jump',)


@dataclass(frozen=True)
class Body:
    """Limb lengths and thicknesses of one person, all in statures."""

    torso: float = 0.285
    neck: float = 0.115
    shoulder_half: float = 0.115
    hip_half: float = 0.062
    upper_arm: float = 0.178
    forearm: float = 0.150
    hand: float = 0.055
    thigh: float = 0.245
    shank: float = 0.245
    foot: float = 0.105
    head_half_height: float = 0.068
    head_half_width: float = 0.054
    bulk: float = 1.0


def sample_body(rng: np.random.Generator) -> Body:
    """Draw a plausible body: every length within about 6 % of the mean.

    Args:
        rng (np.random.Generator): Stream of the identity.

    Returns:
        Body: Lengths in statures.
    """
    mean = Body()
    lengths = {
        name: getattr(mean, name) * float(rng.uniform(0.94, 1.06))
        for name in Body.__dataclass_fields__
        if name != 'bulk'
    }
    return Body(**lengths, bulk=float(rng.uniform(0.88, 1.2)))


def rotation(axis: int, degrees: np.ndarray) -> np.ndarray:
    """Right-handed rotations about one axis of (f, l, u).

    Args:
        axis (int): 0 = f, 1 = l, 2 = u.
        degrees (np.ndarray): Angles, n.

    Returns:
        np.ndarray: n x 3 x 3.
    """
    angle = np.radians(np.asarray(degrees, dtype=np.float64))
    matrix = np.zeros(angle.shape + (3, 3))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., first, first] = matrix[..., second, second] = np.cos(angle)
    matrix[..., first, second] = -np.sin(angle)
    matrix[..., second, first] = np.sin(angle)
    return matrix


def clamp(angles: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Keep every angle inside ``LIMITS`` (degrees)."""
    return {
        name: np.clip(values, *LIMITS[name]) if name in LIMITS else values
        for name, values in angles.items()
    }


def forward_kinematics(
    angles: dict[str, np.ndarray], body: Body, elevation: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Points and part directions of a person for every moment.

    Args:
        angles (dict): ``CHANNELS`` -> n values, degrees (jump: statures).
        body (Body): Limb lengths.
        elevation (float): Camera looks down by so many degrees.

    Returns:
        tuple: Points n x len(POINTS) x 3 in statures, camera space, with the
        ground below the body at Y = 0; forward axes n x len(FRAMES) x 3.
    """
    angles = clamp(angles)
    count = len(angles['root_yaw'])
    base = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
    root = (
        base
        @ rotation(2, angles['root_yaw'])
        @ rotation(1, angles['root_pitch'])
        @ rotation(0, angles['root_roll'])
    )
    torso = (
        root
        @ rotation(2, angles['spine_twist'])
        @ rotation(1, angles['spine_bend'])
        @ rotation(0, angles['spine_side'])
    )
    head = (
        torso
        @ rotation(2, angles['head_yaw'])
        @ rotation(1, -angles['head_pitch'])
    )
    axes = {'root': root, 'torso': torso, 'head': head}
    points = {'pelvis': np.zeros((count, 3))}
    points['neck'] = torso @ np.array([0.0, 0.0, body.torso])
    points['head'] = points['neck'] + head @ np.array([0.012, 0, body.neck])
    points['head_top'] = points['head'] + head @ np.array(
        [0, 0, body.head_half_height]
    )
    for side, sign in SIDES:
        _arm(points, axes, angles, body, side, sign)
        _leg(points, axes, angles, body, side, sign)
    stacked = np.stack([points[name] for name in POINTS], axis=1)
    # The lowest point rests on the ground, which keeps the feet planted in a
    # squat and lets hands carry the body in a push-up.
    stacked[..., 1] -= stacked[..., 1].max(axis=1, keepdims=True)
    stacked[..., 1] -= np.asarray(angles['jump'])[:, None]
    forward = np.stack([axes[name][..., 0] for name in FRAMES], axis=1)
    tilt = np.radians(elevation)
    camera = np.array(
        [
            [1.0, 0.0, 0.0],
            [0.0, np.cos(tilt), -np.sin(tilt)],
            [0.0, np.sin(tilt), np.cos(tilt)],
        ]
    )
    return stacked @ camera.T, forward @ camera.T


def _arm(
    points: np.ndarray,
    axes: np.ndarray,
    angles: Any,
    body: Any,
    side: str,
    sign: float,
) -> None:
    """Add shoulder, elbow, wrist and hand of one side."""
    upper = (
        axes['torso']
        @ rotation(1, -angles[f'{side}_shoulder_flex'])
        @ rotation(0, sign * angles[f'{side}_shoulder_abd'])
        @ rotation(2, -sign * angles[f'{side}_shoulder_rot'])
    )
    lower = upper @ rotation(1, -angles[f'{side}_elbow'])
    shoulder = points['neck'] + axes['torso'] @ np.array(
        [0.0, sign * body.shoulder_half, -0.02]
    )
    elbow = shoulder - body.upper_arm * upper[..., 2]
    wrist = elbow - body.forearm * lower[..., 2]
    points[f'{side}_shoulder'] = shoulder
    points[f'{side}_elbow'] = elbow
    points[f'{side}_wrist'] = wrist
    points[f'{side}_hand'] = wrist - body.hand * lower[..., 2]
    axes[f'{side}_upper_arm'], axes[f'{side}_forearm'] = upper, lower


def _leg(
    points: np.ndarray,
    axes: np.ndarray,
    angles: Any,
    body: Any,
    side: str,
    sign: float,
) -> None:
    """Add hip, knee, ankle and toe of one side."""
    thigh = (
        axes['root']
        @ rotation(1, -angles[f'{side}_hip_flex'])
        @ rotation(0, sign * angles[f'{side}_hip_abd'])
        @ rotation(2, sign * angles[f'{side}_hip_rot'])
    )
    shank = thigh @ rotation(1, angles[f'{side}_knee'])
    foot = shank @ rotation(1, -angles[f'{side}_ankle'])
    hip = points['pelvis'] + axes['root'] @ np.array(
        [0.0, sign * body.hip_half, 0.0]
    )
    knee = hip - body.thigh * thigh[..., 2]
    ankle = knee - body.shank * shank[..., 2]
    points[f'{side}_hip'] = hip
    points[f'{side}_knee'] = knee
    points[f'{side}_ankle'] = ankle
    points[f'{side}_toe'] = ankle + foot @ np.array([body.foot, 0.0, -0.025])
    axes[f'{side}_thigh'], axes[f'{side}_shank'] = thigh, shank
    axes[f'{side}_foot'] = foot
