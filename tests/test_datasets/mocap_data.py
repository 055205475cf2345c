# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Small files in VideoPose3D's form, seen by cameras of our own."""

import json
import pickle

import numpy as np
import torch

from rpstn_mmpose.datasets.cameras import (
    Camera,
    cameras_to_json,
    in_pixels,
    project,
)

KEPT = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
CAMERAS = [
    Camera(
        (1000, 1002),
        (1145.0, 1143.8),
        (512.5, 515.4),
        (-0.2, 0.24, -0.003),
        (-0.001, -0.0014),
        # Looks along the world's y, z of the world is up.
        (0.5**0.5, -(0.5**0.5), 0.0, 0.0),
        (0.0, -5.0, 1.0),
    ),
    Camera(
        (1000, 1000),
        (1149.7, 1147.6),
        (508.8, 508.1),
        (-0.19, 0.24, 0.007),
        (-0.0016, -0.0027),
        # Looks along the world's x.
        (0.5, -0.5, 0.5, -0.5),
        (-6.0, 0.0, 1.2),
    ),
]


def seen(camera, world):
    """Pixels (n, K, 2) of points in the world."""
    points = torch.from_numpy(camera.from_world(world))
    flat = project(points, torch.from_numpy(camera.lens()).double())
    return in_pixels(flat.numpy(), camera.size).astype(np.float32)


def write(folder, takes, joints=32, change=None, cameras=CAMERAS):
    """``data_3d_h36m.npz``, ``data_2d_h36m_gt.npz``, ``score.pkl`` and
    ``cameras.json`` of random poses.

    Args:
        takes: Frames by (subject, take).
        change: Called with the dicts of 2D, 3D and scores.
    """
    rng = np.random.default_rng(0)
    world, points, scores = {}, {}, {}
    for (subject, take), frames in takes.items():
        poses = rng.normal(0, 0.4, (frames, joints, 3)) + [0, 0, 1]
        world.setdefault(subject, {})[take] = poses.astype(np.float32)
        kept = poses[:, KEPT] if joints == 32 else poses
        points.setdefault(subject, {})[take] = [
            seen(camera, kept) for camera in cameras
        ]
        for number in range(len(cameras)):
            key = f'{subject}_{take}.{number}'
            scores[key] = rng.random((frames, kept.shape[1], 1), np.float32)
    if change:
        change(points, world, scores)
    np.savez(folder / 'data_3d_h36m.npz', positions_3d=world)
    metadata = dict(layout_name='h36m', num_joints=17)
    np.savez(
        folder / 'data_2d_h36m_gt.npz', positions_2d=points, metadata=metadata
    )
    (folder / 'score.pkl').write_bytes(pickle.dumps(scores))
    of_subject = {subject: cameras for subject in world}
    (folder / 'cameras.json').write_text(
        json.dumps(cameras_to_json(of_subject))
    )
    return world, points, scores
