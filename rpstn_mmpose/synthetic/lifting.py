# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""2D joint tracks -> something the renderer can draw.

Depth is not in the labels. The facing direction follows from which shoulder
and hip are on which side of the picture and from the way knees and elbows
bend; limbs that the real video hides go behind the torso.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .appearance import Appearance
from .difficulty import Difficulty
from .render import Track
from .sampling import compose
from .scene import MOMENTS, NUM_JOINTS, Actor, Scene
from .seeding import open_stream
from .skeleton import FRAMES, POINT_INDEX, POINTS, Body, sample_body
from .trajectories import Trajectory


def _at(points: np.ndarray, name: str) -> np.ndarray:
    return points[:, POINT_INDEX[name], :2]


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, 1e-6)


def estimate_yaw(joints: np.ndarray, body: Body, stature: float) -> np.ndarray:
    """Facing direction from 2D joints.

    The width of shoulders and hips, seen along the picture's torso, gives the
    cosine; its sign comes from left and right. Which way a profile looks
    follows from the bends: knees point forward, elbows backward.

    Args:
        joints (np.ndarray): n x 13 x 2 pixels.
        body (Body): Widths.
        stature (float): Pixels.

    Returns:
        np.ndarray: Radians, n; 0 faces the camera, pi / 2 the right.
    """
    shoulders = (
        _at(joints, 'left_shoulder') + _at(joints, 'right_shoulder')
    ) / 2
    hips = (_at(joints, 'left_hip') + _at(joints, 'right_hip')) / 2
    down = _unit(hips - shoulders)
    across = np.stack([down[:, 1], -down[:, 0]], axis=1)
    width = sum(
        ((_at(joints, f'left_{p}') - _at(joints, f'right_{p}')) * across).sum(
            1
        )
        for p in ('shoulder', 'hip')
    )
    full = 2 * (body.shoulder_half + body.hip_half) * stature
    cosine = np.clip(width / full, -1, 1)
    cosine = gaussian_filter1d(cosine, 2, mode='nearest').clip(-1, 1)
    bend = 0.0
    for side in ('left', 'right'):
        for inner, joint, outer, sign in (
            ('hip', 'knee', 'ankle', 1.0),
            ('shoulder', 'elbow', 'wrist', -1.0),
        ):
            chord = _at(joints, f'{side}_{inner}') + _at(
                joints, f'{side}_{outer}'
            )
            off = _at(joints, f'{side}_{joint}') - chord / 2
            bend += sign * float((off * across).sum(axis=1).mean())
    return np.arccos(cosine) * (1.0 if bend >= 0 else -1.0)


def lift(trajectory: Trajectory, body: Body) -> tuple[np.ndarray, np.ndarray]:
    """Points and forward axes for every frame.

    Args:
        trajectory (Trajectory): n frames.
        body (Body): Thicknesses and widths.

    Returns:
        tuple: n x len(POINTS) x 3 (pixels, depth in pixels) and
        n x len(FRAMES) x 3.
    """
    joints, stature = trajectory.joints, trajectory.stature
    count = len(joints)
    yaw = estimate_yaw(joints, body, stature)
    points = np.zeros((count, len(POINTS), 3))
    points[:, :NUM_JOINTS, :2] = joints
    index = POINT_INDEX
    neck = (_at(joints, 'left_shoulder') + _at(joints, 'right_shoulder')) / 2
    pelvis = (_at(joints, 'left_hip') + _at(joints, 'right_hip')) / 2
    down = _unit(pelvis - neck)
    across = np.stack([down[:, 1], -down[:, 0]], axis=1)
    points[:, index['neck'], :2] = neck
    points[:, index['pelvis'], :2] = pelvis
    up = _unit(_at(joints, 'head') - neck)
    # A head annotated on the neck gives no direction: keep the torso's.
    short = np.linalg.norm(_at(joints, 'head') - neck, axis=1) < 0.03 * stature
    up[short] = -down[short]
    points[:, index['head_top'], :2] = (
        _at(joints, 'head') + up * body.head_half_height * stature
    )
    # Forward and left axes of the torso in camera space (see skeleton.py).
    forward = np.zeros((count, 3))
    forward[:, :2] = np.sin(yaw)[:, None] * across
    forward[:, 2] = -np.cos(yaw)
    for side, sign in (('left', 1.0), ('right', -1.0)):
        depth = sign * np.sin(yaw) * stature
        seen = trajectory.seen.astype(np.float64)
        for part, half, share in (
            ('shoulder', body.shoulder_half, 0.0),
            ('elbow', body.shoulder_half, 0.06),
            ('wrist', body.shoulder_half, 0.12),
            ('hip', body.hip_half, 0.0),
            ('knee', body.hip_half, 0.02),
            ('ankle', body.hip_half, 0.0),
        ):
            joint = index[f'{side}_{part}']
            front = gaussian_filter1d(
                2 * seen[:, joint] - 1, 2, mode='nearest'
            )
            points[:, joint, 2] = half * depth - share * stature * front
        _extremities(points, forward, body, stature, side)
    axes = np.repeat(forward[:, None], len(FRAMES), axis=1)
    return points, axes


def _extremities(
    points: np.ndarray,
    forward: np.ndarray,
    body: Any,
    stature: float,
    side: str,
) -> None:
    """Hands prolong the forearm, toes point forward."""
    index = POINT_INDEX
    wrist, elbow = (
        points[:, index[f'{side}_{p}']] for p in ('wrist', 'elbow')
    )
    reach = (wrist - elbow) * (body.hand / body.forearm)
    longest = body.hand * stature
    size = np.linalg.norm(reach, axis=1, keepdims=True)
    reach *= np.minimum(1, longest / np.maximum(size, 1e-6))
    points[:, index[f'{side}_hand']] = wrist + reach
    ankle, knee = (points[:, index[f'{side}_{p}']] for p in ('ankle', 'knee'))
    toe = forward + 0.35 * _unit(ankle - knee)
    points[:, index[f'{side}_toe']] = ankle + body.foot * stature * _unit(toe)


def trajectory_scene(
    trajectory: Trajectory,
    key: tuple[int, str, int],
    difficulty: Difficulty,
    max_frames: int = 0,
) -> Scene:
    """Scene with one invented person who moves like the real one.

    Args:
        trajectory (Trajectory): Joints to follow.
        key (tuple): Seed, split and video, see :func:`seeding.stream`.
        difficulty (Difficulty): Occluders and camera.
        max_frames (int): Keep so many consecutive frames, 0 = all.

    Returns:
        Scene: One actor.
    """
    identity_rng, identity_id = open_stream(*key, 'identity')
    motion_rng, _ = open_stream(*key, 'motion')
    body = sample_body(identity_rng)
    points, forward = lift(trajectory, body)
    count = len(points)
    if max_frames and max_frames < count:
        start = int(motion_rng.integers(0, count - max_frames + 1))
        points = points[start : start + max_frames]
        forward = forward[start : start + max_frames]
        count = max_frames
    actor = Actor(
        body=body,
        appearance=Appearance(identity_rng),
        track=Track(
            points=_between(points),
            forward=_between(forward),
            stature=np.full(count, trajectory.stature),
        ),
        identity_id=identity_id,
        motion_id=f'penn_action:{trajectory.number:04d}',
        action=trajectory.action,
        pose=trajectory.pose,
    )
    return compose(
        key,
        [actor],
        trajectory.size,
        difficulty,
        targets=points[:, :NUM_JOINTS, :2],
        stature=trajectory.stature,
    )


def _between(values: np.ndarray) -> np.ndarray:
    """Values inside the open shutter, frames x moments x ... ."""
    count = len(values)
    times = np.arange(count)[:, None] + MOMENTS
    low = np.clip(np.floor(times).astype(int), 0, count - 1)
    high = np.clip(low + 1, 0, count - 1)
    part = np.clip(times - low, 0, 1)[..., None, None]
    return (1 - part) * values[low] + part * values[high]
