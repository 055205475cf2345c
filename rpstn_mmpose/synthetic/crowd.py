# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Scenes of several people: passers-by who never touch, and random groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Sequence

import numpy as np

from .appearance import Appearance
from .difficulty import Difficulty, get_difficulty
from .motion import sample_motion
from .sampling import compose, place, shutter_times
from .scene import MOMENTS, NUM_JOINTS, Actor, Scene
from .seeding import open_stream
from .skeleton import forward_kinematics, sample_body

MAX_PEOPLE = 6
# Actions that travel.
GAITS = ('walk', 'run')
# The camera of a long video must not run away from its background: the way
# that it pans at most, in picture widths.
_PAN = 0.25
# People on a lane stay this far apart, in statures; arms spread to one.
_GAP = 1.3
# Degrees that a walker is turned at full speed; 90 would hide one side.
_TURN = 70.0


def _actor(
    key: tuple[int, str, int],
    part: int,
    num_frames: int,
    difficulty: Difficulty,
    tall: float,
    origin: np.ndarray,
    actions: Sequence[str] | None = None,
    yaw: np.ndarray | None = None,
) -> Actor:
    """Draw a person whose way and size are given.

    Args:
        key (tuple): Seed, split and video, see :func:`seeding.stream`.
        part (int): Number of the person in the video.
        num_frames (int): Length of the video.
        difficulty (Difficulty): Speed of the motion.
        tall (float): Stature in pixels.
        origin (np.ndarray): Place of the feet at all moments of
            :func:`sampling.shutter_times`, (frames * moments) x 2 pixels.
        actions (Sequence[str]): What the person may do. None: anything.
        yaw (np.ndarray): Facing at all moments, degrees (see
            :mod:`skeleton`). None: as the motion has it.
    """
    identity, identity_id = open_stream(*key, 'identity', part)
    rng, motion_id = open_stream(*key, 'motion', part)
    camera, _ = open_stream(*key, 'camera', part + 1)
    body, appearance = sample_body(identity), Appearance(identity)
    motion = sample_motion(rng, difficulty.motion_speed, difficulty.back_views)
    while actions and motion.action not in actions:
        motion = sample_motion(
            rng, difficulty.motion_speed, difficulty.back_views
        )
    angles = motion.angles(shutter_times(num_frames))
    if yaw is not None:
        angles['root_yaw'] = yaw
    points, forward = forward_kinematics(
        angles, body, float(camera.uniform(0, 12))
    )
    # A long actor (push-up) is centred on the body, not on the pelvis.
    middle = (points[..., 0].max() + points[..., 0].min()) / 2
    track = place(
        points,
        forward,
        np.full(len(points), tall),
        origin - [middle * tall, 0.0],
    )
    return Actor(
        body=body,
        appearance=appearance,
        track=track,
        identity_id=identity_id,
        motion_id=motion_id,
        action=motion.action,
        pose=motion.pose if yaw is None else 'turning',
    )


def _scene(
    key: tuple[int, str, int],
    actors: list[Actor],
    num_frames: int,
    size: tuple[int, int],
    difficulty: Difficulty,
) -> Scene:
    """Compose; occluders aim at everybody."""
    pan = min(difficulty.pan, _PAN / num_frames)
    difficulty = replace(difficulty, pan=pan)
    targets = np.full((num_frames, 1, 2), [size[0] / 2, size[1] / 2])
    stature = 0.5 * size[1]
    if actors:
        middle = len(MOMENTS) // 2
        targets = np.concatenate(
            [a.track.points[:, middle, :NUM_JOINTS, :2] for a in actors],
            axis=1,
        )
        stature = float(np.mean([a.track.stature.mean() for a in actors]))
    return compose(key, actors, size, difficulty, targets, stature)


def crossing_scene(
    num_frames: int,
    image_size: tuple[int, int] = (384, 288),
    seed: int = 0,
    split: str = 'demo',
    video: int = 0,
    num_people: int = 4,
    difficulty: str | Difficulty = 'default',
) -> Scene:
    """People who pass each other, leave the picture and come back.

    They walk or run on two lanes, one above the other, to and fro in opposite
    directions, once during the video: people of different lanes cross, those
    of one lane stay apart. The lanes are so far from each other that nobody
    touches anybody. Everybody near an edge leaves the picture for a while.

    Args:
        num_frames (int): Length, >= 1.
        image_size (tuple): Width and height in pixels.
        seed (int): Seed of the scene.
        split (str): One of ``seeding.SPLITS``.
        video (int): Number of the video inside its split.
        num_people (int): 2 to 6; the even ones are on the upper lane.
        difficulty (str | Difficulty): Preset name or knobs.

    Returns:
        Scene: Its ``actors`` are the people in order of their numbers.

    Raises:
        ValueError: A count or the size is out of range, or the picture is too
            narrow for so many people.
    """
    if num_frames < 1 or not 2 <= num_people <= MAX_PEOPLE:
        raise ValueError(
            f'crossing_scene: num_frames={num_frames} must be at least 1 and '
            f'num_people={num_people} between 2 and {MAX_PEOPLE}'
        )
    width, height = image_size
    difficulty = get_difficulty(difficulty)
    key = (seed, split, video)
    tall = 0.32 * height
    on_lane = (num_people + 1) // 2
    if min(image_size) < 32 or width / on_lane < _GAP * tall:
        raise ValueError(
            f'crossing_scene: {num_people} people need a picture of at least '
            f'32 pixels and of {_GAP * on_lane * tall / height:.2f} times its '
            f'height in width, got {width}x{height}'
        )
    rng, _ = open_stream(*key, 'camera', 102)
    times = shutter_times(num_frames)
    # The outermost people leave by a fifth of the picture's width.
    reach = 0.5 / on_lane + 0.2
    start = float(rng.uniform(0, 2 * np.pi))
    actors = []
    for person in range(num_people):
        lane, slot = person % 2, person // 2
        phase = 2 * np.pi * times / num_frames + start
        sign = 1.0 if lane == 0 else -1.0
        # A wobble of one's own, small beside the gap.
        own = (
            0.08
            * tall
            / width
            * np.sin(2 * phase + float(rng.uniform(0, 2 * np.pi)))
        )
        x = (slot + 0.5) / on_lane + sign * reach * np.sin(phase) + own
        ground = (0.46 if lane == 0 else 0.95) * height
        origin = np.stack([x * width, np.full(len(x), ground)], axis=1)
        actors.append(
            _actor(
                key,
                person,
                num_frames,
                difficulty,
                tall * float(rng.uniform(0.94, 1.06)),
                origin,
                actions=GAITS,
                yaw=sign * _TURN * np.cos(phase),
            )
        )
    return _scene(key, actors, num_frames, image_size, difficulty)


def group_scene(
    image_size: tuple[int, int] = (192, 144),
    seed: int = 0,
    split: str = 'train',
    video: int = 0,
    num_people: int | None = None,
    difficulty: str | Difficulty = 'default',
) -> Scene:
    """A picture of people of all sizes anywhere, who may hide each other.

    Args:
        image_size (tuple): Width and height in pixels.
        seed (int): Seed of the data set.
        split (str): One of ``seeding.SPLITS``.
        video (int): Number of the picture inside its split.
        num_people (int, optional): 0 to 6. None: drawn, three on average.
        difficulty (str | Difficulty): Preset name or knobs.

    Returns:
        Scene: Of one frame; the farthest (smallest) person comes first.

    Raises:
        ValueError: The count or the size is out of range.
    """
    if min(image_size) < 32 or not 0 <= (num_people or 0) <= MAX_PEOPLE:
        raise ValueError(
            f'group_scene: image_size={tuple(image_size)} must be at least 32 '
            f'pixels and num_people={num_people} between 0 and {MAX_PEOPLE}'
        )
    width, height = image_size
    difficulty = get_difficulty(difficulty)
    key = (seed, split, video)
    rng, _ = open_stream(*key, 'camera', 102)
    drawn = rng.choice(7, p=[0.03, 0.17, 0.2, 0.2, 0.2, 0.12, 0.08])
    count = int(drawn) if num_people is None else num_people
    statures = np.sort(np.exp(rng.uniform(*np.log([0.25, 0.8]), count)))
    actors = []
    for person, tall in enumerate(statures * height):
        place = [
            float(rng.uniform(0.0, 1.0)) * width,
            float(rng.uniform(0.95 * tall, 1.08 * height)),
        ]
        origin = np.tile(place, (len(MOMENTS), 1))
        actors.append(_actor(key, person, 1, difficulty, tall, origin))
    return _scene(key, actors, 1, image_size, difficulty)
