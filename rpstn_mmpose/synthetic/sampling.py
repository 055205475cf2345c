# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Draws scenes: who acts where, before which background, behind what."""

from __future__ import annotations

from functools import partial
from typing import Iterator

import numpy as np

from .appearance import Appearance
from .difficulty import Difficulty, get_difficulty
from .motion import FPS, sample_motion
from .occluders import sample_occluders
from .render import Track
from .scene import MOMENTS, NUM_JOINTS, Actor, Scene
from .seeding import open_stream, stream, stream_id
from .skeleton import forward_kinematics, sample_body
from .textures import background


def place(
    points: np.ndarray,
    forward: np.ndarray,
    stature: np.ndarray,
    origin: np.ndarray,
) -> Track:
    """Put a body of FK points into the picture.

    Args:
        points (np.ndarray): (frames * moments) x len(POINTS) x 3 statures.
        forward (np.ndarray): (frames * moments) x len(FRAMES) x 3.
        stature (np.ndarray): Pixels a stature, frames * moments.
        origin (np.ndarray): Picture place of the body's origin on the ground,
            (frames * moments) x 2.

    Returns:
        Track: In picture pixels.
    """
    count = len(MOMENTS)
    pixels = points * stature[:, None, None]
    pixels[..., :2] += origin[:, None]
    return Track(
        points=pixels.reshape((-1, count) + pixels.shape[1:]),
        forward=forward.reshape((-1, count) + forward.shape[1:]),
        stature=stature.reshape(-1, count)[:, count // 2],
    )


def shutter_times(num_frames: int) -> np.ndarray:
    """Frame numbers of all moments, frames * moments."""
    return (np.arange(num_frames)[:, None] + MOMENTS).reshape(-1)


def sample_actor(
    key: tuple[int, str, int],
    part: int,
    num_frames: int,
    size: tuple[int, int],
    difficulty: Difficulty,
    center: float = 0.5,
    crossing: float = 0.0,
) -> Actor:
    """Draw a person who performs an action somewhere in the picture.

    Args:
        key (tuple): Seed, split and video, see :func:`seeding.stream`.
        part (int): Number of the person in the video.
        num_frames (int): Length of the video.
        size (tuple): Width and height of the picture in pixels.
        difficulty (Difficulty): Speed of the motion.
        center (float): Mean x of the feet, as a part of the width.
        crossing (float): Travel through the video, as a part of the width.

    Returns:
        Actor: Ready to draw.
    """
    identity_rng, identity_id = open_stream(*key, 'identity', part)
    motion_rng, motion_id = open_stream(*key, 'motion', part)
    camera_rng, _ = open_stream(*key, 'camera', part + 1)
    body = sample_body(identity_rng)
    appearance = Appearance(identity_rng)
    motion = sample_motion(
        motion_rng, difficulty.motion_speed, difficulty.back_views
    )
    times = shutter_times(num_frames)
    points, forward = forward_kinematics(
        motion.angles(times), body, float(camera_rng.uniform(0, 12))
    )
    tall = float(camera_rng.uniform(0.60, 0.75)) * size[1]
    below = 0.0
    if camera_rng.uniform() < difficulty.cropped:
        # Feet and sometimes knees leave the picture, as in close-ups.
        larger = float(camera_rng.uniform(1.15, 1.5))
        below, tall = (larger - 1) * tall, larger * tall
    zoom = float(camera_rng.uniform(-0.003, 0.003))
    stature = tall * (1 + zoom * (times - num_frames / 2))
    # A long actor (push-up) must be centred on the body, not on the pelvis.
    middle = (points[..., 0].max() + points[..., 0].min()) / 2
    sway = camera_rng.uniform(0, 2 * np.pi, 2)
    swing = 0.035 * size[0] * np.sin(1.3 * times / FPS + sway[0])
    progress = times / max(num_frames - 1, 1) - 0.5
    start = center + float(camera_rng.uniform(-0.06, 0.06))
    ground = float(camera_rng.uniform(0.88, 0.95)) * size[1] + below
    origin = np.stack(
        [
            (start + crossing * progress) * size[0] - middle * tall + swing,
            ground + 0.01 * size[1] * np.sin(0.9 * times / FPS + sway[1]),
        ],
        axis=1,
    )
    return Actor(
        body=body,
        appearance=appearance,
        track=place(points, forward, stature, origin),
        identity_id=identity_id,
        motion_id=motion_id,
        action=motion.action,
        pose=motion.pose,
    )


def compose(
    key: tuple[int, str, int],
    actors: list[Actor],
    size: tuple[int, int],
    difficulty: Difficulty,
    targets: np.ndarray,
    stature: float,
) -> Scene:
    """Add background, occluders and camera to people.

    Args:
        key (tuple): Seed, split and video, see :func:`seeding.stream`.
        actors (list): ``Actor``, the farthest first.
        size (tuple): Width and height of the picture in pixels.
        difficulty (Difficulty): All knobs.
        targets (np.ndarray): frames x points x 2, what occluders aim at.
        stature (float): Pixels, sets the size of the occluders.

    Returns:
        Scene: Ready to render.
    """
    width, height = size
    num_frames = len(targets)
    backdrop_stream = stream(*key, 'background')
    margin = 0.25
    camera, _ = open_stream(*key, 'camera')
    pan = float(camera.uniform(-1, 1)) * difficulty.pan * width
    frames = np.arange(num_frames)
    shake = camera.uniform(0, 2 * np.pi, 2)
    offsets = np.stack(
        [
            margin * width
            + pan * (frames - num_frames / 2)
            + 0.006 * width * np.sin(4.0 * frames / FPS + shake[0]),
            0.5 * margin * height
            + 0.006 * height * np.sin(5.0 * frames / FPS + shake[1]),
        ],
        axis=1,
    )
    gains = float(camera.uniform(0.85, 1.12)) * (
        1 + difficulty.flicker * camera.uniform(-1, 1, num_frames)
    )
    tile = camera.standard_normal((height + 32, width + 32), np.float32)
    occluder_rng, _ = open_stream(*key, 'occluder')
    return Scene(
        size=size,
        actors=actors,
        occluders=sample_occluders(
            occluder_rng,
            targets=targets,
            stature=stature,
            rate=difficulty.occluder_rate,
            size=difficulty.occluder_size,
            speed=difficulty.occluder_speed,
        ),
        difficulty=difficulty,
        paint_backdrop=partial(
            background,
            backdrop_stream,
            (int(height * (1 + margin)), int(width * (1 + 2 * margin))),
            difficulty.clutter,
        ),
        backdrop_id=stream_id(backdrop_stream),
        offsets=offsets,
        gains=gains,
        grain=tile * difficulty.grain,
        grain_corners=camera.integers(0, 33, (num_frames, 2)),
    )


def sample_scene(
    num_frames: int,
    image_size: tuple[int, int] = (192, 144),
    seed: int = 0,
    split: str = 'demo',
    video: int = 0,
    num_people: int = 1,
    difficulty: str | Difficulty = 'default',
) -> tuple[Scene, list[int]]:
    """Draw a whole procedural video.

    Args:
        num_frames (int): Length, >= 1.
        image_size (tuple): Width and height in pixels.
        seed (int): Seed of the data set.
        split (str): One of ``seeding.SPLITS``.
        video (int): Number of the video inside its split.
        num_people (int): People who perform; with one, somebody else may
            cross the picture (``Difficulty.distractor``).
        difficulty (str | Difficulty): Preset name or knobs.

    Returns:
        tuple: Scene, and the indices of the performing people in
        ``Scene.actors``.

    Raises:
        ValueError: A count or the size is not positive.
    """
    if num_frames < 1 or num_people < 1 or num_people > 100:
        raise ValueError(
            f'sample_scene: num_frames={num_frames} must be at least 1 and '
            f'num_people={num_people} between 1 and 100'
        )
    difficulty = get_difficulty(difficulty)
    key = (seed, split, video)
    centers = (np.arange(num_people) + 0.5) / num_people
    actors = [
        sample_actor(key, part, num_frames, image_size, difficulty, center)
        for part, center in enumerate(centers)
    ]
    chosen = list(range(num_people))
    rng, _ = open_stream(*key, 'camera', 101)
    if num_people == 1 and rng.uniform() < difficulty.distractor:
        # Widths a frame: a brisk walk to a run across the picture.
        way = float(rng.choice([-1, 1]) * rng.uniform(0.01, 0.03))
        other = sample_actor(
            key,
            num_people,
            num_frames,
            image_size,
            difficulty,
            center=float(rng.uniform(0.2, 0.8)),
            crossing=way * (num_frames - 1),
        )
        in_front = rng.uniform() < 0.35
        actors = actors + [other] if in_front else [other] + actors
        chosen = [0 if in_front else 1]
    targets = np.concatenate(
        [
            actors[index].track.points[:, len(MOMENTS) // 2, :NUM_JOINTS, :2]
            for index in chosen
        ],
        axis=1,
    )
    stature = float(np.mean([actors[i].track.stature.mean() for i in chosen]))
    scene = compose(key, actors, image_size, difficulty, targets, stature)
    return scene, chosen


def add_person_in_front(
    scene: Scene,
    target: int,
    key: tuple[int, str, int],
    difficulty: Difficulty,
    probability: float,
) -> None:
    """Let somebody walk past between the camera and a person, in place.

    At a random moment of the video the two are at the same place.

    Args:
        scene (Scene): Nothing else in it changes.
        target (int): Index of the person in ``scene.actors``.
        key (tuple): Seed, split and video, see :func:`seeding.stream`.
        difficulty (Difficulty): Of the motion.
        probability (float): That it happens.
    """
    rng, _ = open_stream(*key, 'camera', 103)
    if rng.uniform() >= probability:
        return
    last = scene.num_frames - 1
    moment = int(rng.integers(scene.num_frames))
    # Widths a frame: a brisk walk to a run across the picture.
    way = float(rng.choice([-1, 1]) * rng.uniform(0.01, 0.03)) * last
    track = scene.actors[target].track
    joints = track.points[moment, len(MOMENTS) // 2, :NUM_JOINTS, 0]
    meeting = float(joints.mean()) / scene.size[0]
    scene.actors.append(
        sample_actor(
            key,
            103,
            scene.num_frames,
            scene.size,
            difficulty,
            center=meeting - way * (moment / max(last, 1) - 0.5),
            crossing=way,
        )
    )


def render_video(**options) -> Iterator[tuple[np.ndarray, list[dict]]]:
    """Frames and truth of one procedural video.

    Args:
        **options: See :func:`sample_scene`.

    Yields:
        tuple: H x W x 3 BGR uint8 and one truth dict per performing person
        (see :meth:`Scene.frames`).
    """
    scene, chosen = sample_scene(**options)
    for picture, truths in scene.frames():
        yield picture, [truths[index] for index in chosen]
