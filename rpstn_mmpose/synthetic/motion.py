# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Smooth plausible motion: action prototypes plus slow random sway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict

import numpy as np

from .skeleton import ANGLES, CHANNELS, SIDES

# Frames a second. Videos are short, so that a clip shows a good part of an
# action and fast limbs travel several pixels between two frames.
FPS = 20.0

Angles = Dict[str, np.ndarray]


def _ease(phase: np.ndarray) -> np.ndarray:
    """0 -> 1 -> 0 over one period."""
    return 0.5 - 0.5 * np.cos(phase)


def _gait(
    out: Angles,
    phase: np.ndarray,
    hip: Any,
    knee: Any,
    arm: Any,
    elbow: Any,
    lean: Any,
) -> None:
    """Legs swing in opposite phase, each arm against its own leg."""
    out['spine_bend'] += lean
    out['spine_twist'] += 0.2 * hip * np.sin(phase)
    for side, sign in SIDES:
        swing = sign * np.sin(phase)
        out[f'{side}_hip_flex'] += 0.3 * hip + hip * swing
        # A knee bends while its leg travels forward.
        recover = (0.5 + 0.5 * sign * np.cos(phase)) ** 2
        out[f'{side}_knee'] += 8 + knee * recover
        out[f'{side}_shoulder_flex'] += -arm * swing
        out[f'{side}_elbow'] += elbow * (1 - 0.25 * swing)


def _walk(out: Angles, phase: np.ndarray, size: float, lead: str) -> None:
    _gait(out, phase, 24 * size, 48 * size, 22 * size, 22, 4)


def _run(out: Angles, phase: np.ndarray, size: float, lead: str) -> None:
    _gait(out, phase, 40 * size, 85 * size, 38 * size, 85, 12)
    out['jump'] += 0.025 * _ease(2 * phase)


def _jumping_jacks(
    out: Angles, phase: np.ndarray, size: float, lead: str
) -> None:
    open_ = _ease(phase)
    for side, _ in SIDES:
        out[f'{side}_shoulder_abd'] += 8 + 140 * size * open_
        out[f'{side}_hip_abd'] += 3 + 24 * size * open_
        out[f'{side}_elbow'] += 12 + 12 * open_
    out['jump'] += 0.05 * size * _ease(2 * phase)


def _squat(out: Angles, phase: np.ndarray, size: float, lead: str) -> None:
    down = _ease(phase)
    out['spine_bend'] += 34 * size * down
    for side, _ in SIDES:
        out[f'{side}_hip_flex'] += 88 * size * down
        out[f'{side}_knee'] += 6 + 100 * size * down
        out[f'{side}_ankle'] += 14 * size * down
        out[f'{side}_hip_abd'] += 10
        out[f'{side}_shoulder_flex'] += 12 + 88 * down
        out[f'{side}_elbow'] += 18


def _throw(out: Angles, phase: np.ndarray, size: float, lead: str) -> None:
    other = 'right' if lead == 'left' else 'left'
    swing = np.sin(phase)
    sign = 1.0 if lead == 'left' else -1.0
    out['spine_twist'] += -sign * 26 * size * swing
    out['spine_bend'] += 12 + 10 * swing
    out[f'{lead}_shoulder_flex'] += 55 + 95 * size * np.sin(phase + 0.5)
    out[f'{lead}_shoulder_abd'] += 24
    out[f'{lead}_elbow'] += 45 - 35 * swing
    out[f'{other}_shoulder_flex'] += 25 - 40 * size * swing
    out[f'{other}_shoulder_abd'] += 22
    out[f'{other}_elbow'] += 35
    out[f'{other}_hip_flex'] += 28 + 18 * size * swing
    out[f'{other}_knee'] += 30 - 12 * swing
    out[f'{lead}_hip_flex'] += -6 - 12 * size * swing
    out[f'{lead}_knee'] += 18 + 12 * swing


def _wave(out: Angles, phase: np.ndarray, size: float, lead: str) -> None:
    other = 'right' if lead == 'left' else 'left'
    out[f'{lead}_shoulder_abd'] += 88 + 22 * size * np.sin(phase)
    out[f'{lead}_shoulder_rot'] += -45
    out[f'{lead}_elbow'] += 62 + 42 * size * np.sin(phase + 0.7)
    out[f'{other}_elbow'] += 18
    out[f'{other}_shoulder_abd'] += 8
    out['spine_side'] += 4 * np.sin(0.5 * phase)


def _forehand(out: Angles, phase: np.ndarray, size: float, lead: str) -> None:
    other = 'right' if lead == 'left' else 'left'
    swing = np.sin(phase)
    sign = 1.0 if lead == 'left' else -1.0
    out['spine_twist'] += -sign * 32 * size * swing
    out[f'{lead}_shoulder_flex'] += 34 + 72 * size * swing
    out[f'{lead}_shoulder_abd'] += 42 - 12 * swing
    out[f'{lead}_elbow'] += 42 + 25 * swing
    out[f'{other}_shoulder_flex'] += 30 - 15 * swing
    out[f'{other}_shoulder_abd'] += 34
    out[f'{other}_elbow'] += 45
    for side, _ in SIDES:
        out[f'{side}_hip_flex'] += 20
        out[f'{side}_knee'] += 32 + 6 * swing
        out[f'{side}_hip_abd'] += 14


def _press(out: Angles, phase: np.ndarray, size: float, lead: str) -> None:
    up = _ease(phase)
    dip = _ease(2 * phase)
    for side, _ in SIDES:
        out[f'{side}_shoulder_flex'] += 48 + 112 * size * up
        out[f'{side}_shoulder_abd'] += 22
        out[f'{side}_elbow'] += 132 - 118 * size * up
        out[f'{side}_hip_flex'] += 6 + 26 * dip
        out[f'{side}_knee'] += 10 + 46 * dip
        out[f'{side}_hip_abd'] += 9


def _pushup(out: Angles, phase: np.ndarray, size: float, lead: str) -> None:
    down = _ease(phase)
    out['root_pitch'] += 66 + 13 * down
    out['head_pitch'] += 25
    for side, _ in SIDES:
        out[f'{side}_shoulder_flex'] += 76 - 66 * size * down
        out[f'{side}_shoulder_abd'] += 12
        out[f'{side}_elbow'] += 6 + 92 * size * down
        out[f'{side}_ankle'] += 20


def _strum(out: Angles, phase: np.ndarray, size: float, lead: str) -> None:
    other = 'right' if lead == 'left' else 'left'
    out[f'{lead}_shoulder_flex'] += 22
    out[f'{lead}_shoulder_rot'] += 42
    out[f'{lead}_elbow'] += 86 + 24 * size * np.sin(2 * phase)
    out[f'{lead}_shoulder_abd'] += 22
    out[f'{other}_shoulder_flex'] += 30
    out[f'{other}_shoulder_abd'] += 30
    out[f'{other}_elbow'] += 84 + 14 * np.sin(0.6 * phase)
    out['head_pitch'] += -18
    out['spine_side'] += 5 * np.sin(0.5 * phase)


def _jump_rope(out: Angles, phase: np.ndarray, size: float, lead: str) -> None:
    out['jump'] += 0.07 * size * _ease(phase)
    for side, _ in SIDES:
        out[f'{side}_shoulder_abd'] += 24 + 5 * np.sin(phase)
        out[f'{side}_shoulder_rot'] += -38 + 14 * np.cos(phase)
        out[f'{side}_elbow'] += 72 + 12 * np.sin(phase)
        out[f'{side}_knee'] += 12 + 26 * (1 - _ease(phase))
        out[f'{side}_hip_flex'] += 6 + 13 * (1 - _ease(phase))


def _kick(out: Angles, phase: np.ndarray, size: float, lead: str) -> None:
    other = 'right' if lead == 'left' else 'left'
    swing = np.sin(phase)
    out[f'{lead}_hip_flex'] += 24 + 48 * size * swing
    out[f'{lead}_knee'] += 38 - 34 * np.sin(phase + 0.5)
    out[f'{other}_knee'] += 14
    out[f'{other}_hip_flex'] += 8
    out[f'{other}_shoulder_flex'] += 18 + 42 * swing
    out[f'{lead}_shoulder_flex'] += 8 - 34 * swing
    for side, _ in SIDES:
        out[f'{side}_shoulder_abd'] += 24
        out[f'{side}_elbow'] += 28


# Name -> (prototype, cycles a second, part of the draws)
ACTIONS: dict[str, tuple[Callable, float, float]] = {
    'walk': (_walk, 0.9, 1.0),
    'run': (_run, 1.15, 1.0),
    'jumping_jacks': (_jumping_jacks, 0.75, 1.0),
    'squat': (_squat, 0.55, 1.0),
    'baseball_pitch': (_throw, 0.65, 1.0),
    'wave': (_wave, 1.1, 1.0),
    'tennis_forehand': (_forehand, 0.75, 1.0),
    'clean_and_jerk': (_press, 0.55, 1.0),
    'pushup': (_pushup, 0.6, 0.6),
    'strum_guitar': (_strum, 0.9, 0.8),
    'jump_rope': (_jump_rope, 1.3, 0.8),
    'kick': (_kick, 0.75, 1.0),
}


@dataclass
class Motion:
    """One performance of an action; ask it for any moments.

    Attributes:
        action (str): One of ``ACTIONS``.
        pose (str): Side seen by the camera: front, back, left or right.
    """

    action: str
    pose: str
    frequency: float
    phase: float
    size: float
    lead: str
    yaw: float
    offset: dict[str, float]
    sway: np.ndarray

    def angles(self, times: np.ndarray) -> Angles:
        """Channels at the given moments.

        Args:
            times (np.ndarray): Frame numbers, fractions allowed, n.

        Returns:
            dict: ``CHANNELS`` -> n values, degrees (jump: statures).
        """
        seconds = np.asarray(times, dtype=np.float64) / FPS
        out = {name: np.zeros_like(seconds) for name in CHANNELS}
        phase = 2 * np.pi * self.frequency * seconds + self.phase
        ACTIONS[self.action][0](out, phase, self.size, self.lead)
        for index, name in enumerate(ANGLES):
            out[name] = out[name] + self.offset[name]
            for amplitude, rate, shift in self.sway[index]:
                out[name] += amplitude * np.sin(rate * seconds + shift)
        out['root_yaw'] = out['root_yaw'] + self.yaw
        return out


def _draw_yaw(
    rng: np.random.Generator, action: str, back_views: float
) -> tuple[float, str]:
    """Facing direction in degrees and the side that the camera sees."""
    shares = np.array([0.58, 0.21, 0.21]) * (1 - back_views)
    side = rng.choice(
        ['front', 'left', 'right', 'back'], p=[*shares, back_views]
    )
    if action == 'pushup' and side in ('front', 'back'):
        # Seen head-on a push-up shows hardly more than a head.
        side = rng.choice(['left', 'right'])
    centre = {'front': 0.0, 'right': 75.0, 'back': 180.0, 'left': -75.0}[side]
    spread = 35.0 if side == 'front' else 20.0
    return centre + float(rng.uniform(-spread, spread)), str(side)


def sample_motion(
    rng: np.random.Generator, speed: float = 1.0, back_views: float = 0.14
) -> Motion:
    """Draw an action and its parameters.

    Args:
        rng (np.random.Generator): Stream of the motion.
        speed (float): Factor on the cycles a second, > 0.
        back_views (float): Probability of a person seen from behind, 0 to 1.

    Returns:
        Motion: Smooth in time.
    """
    names = list(ACTIONS)
    weights = np.array([ACTIONS[name][2] for name in names])
    action = str(rng.choice(names, p=weights / weights.sum()))
    yaw, pose = _draw_yaw(rng, action, back_views)
    sway = np.empty((len(ANGLES), 2, 3))
    sway[..., 0] = rng.uniform(0.5, 3.5, sway.shape[:2])
    sway[..., 1] = 2 * np.pi * rng.uniform(0.1, 0.9, sway.shape[:2])
    sway[..., 2] = rng.uniform(0, 2 * np.pi, sway.shape[:2])
    offset = {name: float(rng.normal(0, 5)) for name in ANGLES}
    for name in ('root_pitch', 'root_roll'):
        # Hips and feet carry the body: leaning as a whole looks like falling.
        offset[name] *= 0.4
        sway[ANGLES.index(name), :, 0] *= 0.4
    return Motion(
        action=action,
        pose=pose,
        frequency=ACTIONS[action][1] * float(rng.uniform(0.8, 1.25)) * speed,
        phase=float(rng.uniform(0, 2 * np.pi)),
        size=float(rng.uniform(0.75, 1.05)),
        lead=str(rng.choice(['left', 'right'])),
        yaw=yaw,
        offset=offset,
        sway=sway,
    )
