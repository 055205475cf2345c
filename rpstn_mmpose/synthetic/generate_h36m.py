# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Motion capture of synthetic people, in the files of Human3.6M."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from ..datasets.cameras import (
    Camera,
    cameras_to_json,
    h36m_cameras,
    in_pixels,
    project,
)
from ..datasets.mocap_files import H36M_KEPT
from .data_folder import make_once
from .motion import ACTIONS, FPS, sample_motion
from .seeding import open_stream
from .skeleton import POINT_INDEX, forward_kinematics, sample_body

SUBJECTS = {'train': ('S1', 'S5', 'S6', 'S7', 'S8'), 'test': ('S9', 'S11')}
H36M_FPS = 50.0
# Human3.6M's 17 joints by the skeleton's points; the spine is in the middle
# of the pelvis and the neck.
JOINTS = (
    'pelvis',
    'right_hip',
    'right_knee',
    'right_ankle',
    'left_hip',
    'left_knee',
    'left_ankle',
    'pelvis',
    'neck',
    'head',
    'head_top',
    'left_shoulder',
    'left_elbow',
    'left_wrist',
    'right_shoulder',
    'right_elbow',
    'right_wrist',
)
SPINE = 7
MIRROR = np.array([0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13])
METADATA = dict(
    layout_name='h36m',
    num_joints=17,
    keypoints_symmetry=[[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]],
)
# Of a detector: errors that last, pixels; how much larger they are where a
# joint is hidden; parts of the frames; scores.
NOISE_MEMORY = 0.8
HIDDEN_FACTOR = 6.0
SWAPPED_PART = 0.01
SPELL_FRAMES = 12.0
SEEN_SCORE, HIDDEN_SCORE, SCORE_SPREAD = 0.9, 0.25, 0.08


class Detections(NamedTuple):
    """What a detector would find.

    Attributes:
        keypoints: (n, 17, 2), pixels.
        scores: (n, 17).
    """

    keypoints: np.ndarray
    scores: np.ndarray


def generate_h36m(
    out_dir: str | Path,
    num_takes: int = 12,
    num_frames: int = 400,
    noise: float = 4.0,
    hidden: float = 0.12,
    seed: int = 0,
) -> dict:
    """Write a data set that is read as Human3.6M is, from the same files.

    Five people for training and two others for the test, each with four
    cameras around them: ``data_3d_h36m.npz``, true 2D keypoints
    ``data_2d_h36m_gt.npz``, those of an imagined detector
    ``data_2d_h36m_noisy.npz`` with ``score.pkl``, and ``cameras.json``.

    Args:
        out_dir (str | Path): Empty, missing, or written by this function.
        num_takes (int): Takes of a person, the actions in turn.
        num_frames (int): Frames of a take, 50 a second.
        noise (float): Standard deviation of the detector's errors along x
            and y, pixels; six times that where a joint is hidden.
        hidden (float): Part of the time in which a joint is hidden.
        seed (int): Of all that is drawn.

    Returns:
        dict: The manifest; ``existed`` tells whether it was there before.

    Raises:
        ValueError: A bad setting, or ``out_dir`` holds something else.
        OSError: ``out_dir`` cannot be written.
    """
    settings = dict(
        format='Human3.6M',
        num_takes=num_takes,
        num_frames=num_frames,
        noise=noise,
        hidden=hidden,
        seed=seed,
    )
    if min(num_takes, num_frames) < 1 or min(noise, seed) < 0:
        raise ValueError(
            'num_takes and num_frames must be at least 1, noise and seed at '
            f'least 0, but got {settings}'
        )
    if not 0 <= hidden < 1:
        raise ValueError(f'hidden must be from 0 to below 1, but got {hidden}')

    def make(root: Path) -> dict:
        parts = _Parts({}, {}, {}, {}, {})
        for split, subjects in SUBJECTS.items():
            for number, subject in enumerate(subjects):
                _add_subject(parts, subject, (seed, split, number), settings)
        _write(root, parts)
        return dict(
            num_sequences=len(parts.scores),
            num_frames=len(parts.scores) * num_frames,
        )

    return make_once(out_dir, settings, (), make)


class _Parts(NamedTuple):
    """What the files hold, by subject and take."""

    world: dict[str, dict]
    true: dict[str, dict]
    found: dict[str, dict]
    scores: dict[str, np.ndarray]
    cameras: dict[str, list[Camera]]


def _add_subject(
    parts: _Parts, subject: str, key: tuple[int, str, int], settings: dict
) -> None:
    """All takes of a person.

    Args:
        parts: Added to.
        subject: Its name.
        key: Seed, split and number in the split.
        settings: Of the data set.
    """
    parts.cameras[subject] = ring_of_cameras(*key)
    for part in (parts.world, parts.true, parts.found):
        part[subject] = {}
    for take, name in enumerate(take_names(settings['num_takes'])):
        poses = capture(*key, take, settings['num_frames'])
        rng, _ = open_stream(*key, 'occluder', take)
        seen = [see(camera, poses) for camera in parts.cameras[subject]]
        all_32 = np.zeros((len(poses), 32, 3), np.float32)
        all_32[:, H36M_KEPT] = poses
        parts.world[subject][name] = all_32
        parts.true[subject][name] = seen
        parts.found[subject][name] = []
        for camera, points in enumerate(seen):
            guess = detect(points, settings['noise'], settings['hidden'], rng)
            parts.found[subject][name].append(guess.keypoints)
            parts.scores[f'{subject}_{name}.{camera}'] = guess.scores[
                ..., None
            ]


def _write(out_dir: Path, parts: _Parts) -> None:
    np.savez_compressed(out_dir / 'data_3d_h36m.npz', positions_3d=parts.world)
    for kind, points in (('gt', parts.true), ('noisy', parts.found)):
        np.savez_compressed(
            out_dir / f'data_2d_h36m_{kind}.npz',
            positions_2d=points,
            metadata=METADATA,
        )
    (out_dir / 'score.pkl').write_bytes(pickle.dumps(parts.scores, protocol=4))
    (out_dir / 'cameras.json').write_text(
        json.dumps(cameras_to_json(parts.cameras), indent=1) + '\n'
    )


def take_names(num_takes: int) -> list[str]:
    """Actions in turn, numbered from the second time on."""
    actions = [name.replace('_', ' ').title().replace(' ', '')
               for name in ACTIONS]  # fmt: skip
    names = []
    for take in range(num_takes):
        again, action = divmod(take, len(actions))
        names.append(actions[action] + (f' {again}' if again else ''))
    return names


def ring_of_cameras(seed: int, split: str, subject: int) -> list[Camera]:
    """Four cameras around the middle of the floor, with Human3.6M's lenses.

    Args:
        seed (int): Of the data set.
        split (str): One of ``SUBJECTS``.
        subject (int): Number in its split.
    """
    rng, _ = open_stream(seed, split, subject, 'camera')
    lenses = h36m_cameras()['S1']
    cameras = []
    for number, lens in enumerate(lenses):
        angle = np.pi / 2 * number + rng.uniform(-0.35, 0.35)
        distance = rng.uniform(4.0, 6.0)
        position = np.array(
            [
                distance * np.cos(angle),
                distance * np.sin(angle),
                rng.uniform(1.3, 1.7),
            ]
        )
        away = np.array([0, 0, 0.9]) + rng.normal(0, 0.1, 3) - position
        away /= np.linalg.norm(away)
        right = np.cross(away, [0, 0, 1])
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(away, right), away], axis=1)
        *axis, w = Rotation.from_matrix(axes).as_quat().tolist()
        cameras.append(
            Camera(
                lens.size,
                lens.focal,
                lens.center,
                lens.radial,
                lens.tangential,
                (w, *axis),
                tuple(position.tolist()),
            )
        )
    return cameras


def capture(
    seed: int, split: str, subject: int, take: int, num_frames: int
) -> np.ndarray:
    """Poses (n, 17, 3) of a person, metres, z up from the floor.

    The person moves about within 1.3 m of the middle and turns slowly.

    Args:
        seed (int): Of the data set.
        split (str): One of ``SUBJECTS``.
        subject (int): Number in its split.
        take (int): Number of the take.
        num_frames (int): n.
    """
    identity, _ = open_stream(seed, split, subject, 'identity')
    body = sample_body(identity)
    stature = identity.uniform(1.55, 1.95)
    rng, _ = open_stream(seed, split, subject, 'motion', take)
    motion = sample_motion(rng)
    motion.action = list(ACTIONS)[take % len(ACTIONS)]
    motion.frequency = ACTIONS[motion.action][1] * rng.uniform(0.8, 1.25)
    times = np.arange(num_frames) * FPS / H36M_FPS
    points, _ = forward_kinematics(motion.angles(times), body)
    poses = points[:, [POINT_INDEX[joint] for joint in JOINTS]]
    poses[:, SPINE] = (poses[:, 0] + poses[:, 8]) / 2
    # Away becomes y, and down -z: a turn, which keeps left and right.
    poses = stature * poses @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    seconds = np.arange(num_frames) / H36M_FPS

    def slow(amplitude: float, count: int) -> np.ndarray:
        rates = rng.uniform(0.1, 0.7, (count, 1))
        shifts = rng.uniform(0, 2 * np.pi, (count, 1))
        return amplitude * np.sin(rates * seconds + shifts)

    heading = rng.uniform(0, 2 * np.pi) + slow(0.8, 1)[0]
    turns = Rotation.from_euler('z', heading[:, None]).as_matrix()
    place = np.zeros((num_frames, 1, 3))
    place[:, 0, :2] = slow(0.9, 2).T
    return (poses @ turns.transpose(0, 2, 1) + place).astype(np.float32)


def see(camera: Camera, poses: np.ndarray) -> np.ndarray:
    """Pixels (n, K, 2) of poses (n, K, 3) in the world."""
    points = torch.from_numpy(camera.from_world(poses))
    flat = project(points, torch.from_numpy(camera.lens()).to(points))
    return in_pixels(flat.numpy(), camera.size).astype(np.float32)


def detect(
    points: np.ndarray, noise: float, hidden: float, rng: np.random.Generator
) -> Detections:
    """What a detector might make of true keypoints (n, 17, 2).

    Errors last from frame to frame. Hidden joints err more and have lower
    scores; now and then left and right change places, with high scores.
    """
    frames, joints = points.shape[:2]
    lost = spells(frames, joints, hidden, rng)
    errors = rng.normal(size=points.shape)
    for frame in range(1, frames):
        errors[frame] = (
            NOISE_MEMORY * errors[frame - 1]
            + (1 - NOISE_MEMORY**2) ** 0.5 * errors[frame]
        )
    sizes = np.where(lost, HIDDEN_FACTOR * noise, noise)
    guess = points + sizes[..., None] * errors
    swapped = spells(frames, 1, SWAPPED_PART, rng)[:, 0]
    guess[swapped] = guess[swapped][:, MIRROR]
    scores = np.where(lost, HIDDEN_SCORE, SEEN_SCORE)
    scores = scores + rng.normal(0, SCORE_SPREAD, scores.shape)
    return Detections(
        guess.astype(np.float32), scores.clip(0, 1).astype(np.float32)
    )


def spells(
    frames: int, count: int, part: float, rng: np.random.Generator
) -> np.ndarray:
    """Times (frames, count), bool, that come and last some frames, and make
    up a part of all.
    """
    out = np.zeros((frames, count), bool)
    state = rng.random(count) < part
    ends = 1 / SPELL_FRAMES
    begins = ends * part / (1 - part)
    for frame in range(frames):
        out[frame] = state
        draw = rng.random(count)
        state = np.where(state, draw >= ends, draw < begins)
    return out
