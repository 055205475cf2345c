# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""How hard the videos are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difficulty:
    """Knobs of a scene.

    Attributes:
        name (str): Goes into the manifest.
        occluder_rate (float): Mean number of occluders that arrive in a frame.
        occluder_size (tuple): Range of their smaller side, in statures.
        occluder_speed (tuple): Range of their speed, own sizes a frame.
        distractor (float): Probability that somebody else crosses a video.
        cropped (float): Probability that a person is too tall for the picture,
            so that some joints are outside.
        motion_speed (float): Factor on the speed of all actions.
        back_views (float): Probability that a person is seen from behind,
            where little but the missing face tells left from right.
        pan (float): Camera speed in picture widths a frame, at most.
        clutter (float): Things in the background, 1 = about six.
        flicker (float): Relative brightness jitter.
        grain (float): Standard deviation of the pixel noise, grey levels.
    """

    name: str
    occluder_rate: float
    occluder_size: tuple[float, float]
    occluder_speed: tuple[float, float]
    distractor: float
    cropped: float
    motion_speed: float
    back_views: float
    pan: float
    clutter: float
    flicker: float
    grain: float


PRESETS: dict[str, Difficulty] = {
    preset.name: preset
    for preset in (
        Difficulty(
            name='easy',
            occluder_rate=0.07,
            occluder_size=(0.12, 0.24),
            occluder_speed=(0.25, 0.5),
            distractor=0.0,
            cropped=0.0,
            motion_speed=0.85,
            back_views=0.0,
            pan=0.006,
            clutter=0.5,
            flicker=0.02,
            grain=2.0,
        ),
        Difficulty(
            name='default',
            occluder_rate=0.14,
            occluder_size=(0.14, 0.30),
            occluder_speed=(0.2, 0.45),
            distractor=0.1,
            cropped=0.06,
            motion_speed=0.9,
            back_views=0.03,
            pan=0.012,
            clutter=1.0,
            flicker=0.04,
            grain=3.0,
        ),
        Difficulty(
            name='hard',
            occluder_rate=0.28,
            occluder_size=(0.16, 0.36),
            occluder_speed=(0.12, 0.4),
            distractor=0.35,
            cropped=0.25,
            motion_speed=1.2,
            back_views=0.25,
            pan=0.02,
            clutter=1.8,
            flicker=0.08,
            grain=5.0,
        ),
    )
}


def get_difficulty(difficulty: str | Difficulty) -> Difficulty:
    """Look a preset up by name; a ``Difficulty`` passes through.

    Raises:
        ValueError: The name is not one of ``PRESETS``.
    """
    if isinstance(difficulty, Difficulty):
        return difficulty
    if difficulty not in PRESETS:
        raise ValueError(
            f'Difficulty: unknown preset {difficulty!r}, choose from '
            f'{sorted(PRESETS)}'
        )
    return PRESETS[difficulty]
