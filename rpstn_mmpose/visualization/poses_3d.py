# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""3D poses for the report page and beside a video's frames, and which scripts
a page may run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import Any, Mapping, Sequence

import cv2
import numpy as np

from .skeleton_drawing import Color, line_thickness

MILLIMETRES = 1000
# The view that the page begins with (view_3d.js): metres, radians.
APART, EYE, TURN, TILT = 1.2, 6.0, 0.5, 0.15
# Frames for which the place of somebody who is not there is left free.
KEPT = 30
_PAPER, _RULE, _DARK = (255, 255, 255), (223, 217, 212), (38, 33, 28)
# BGR: the person's left is warm, the right cold, as in the drawn frames.
_LEFT, _RIGHT = (58, 166, 240), (168, 98, 11)


def content_policy(*scripts: str) -> str:
    """What a page may do: run these scripts, whatever a name should smuggle
    in, and fetch nothing but a video beside it.
    """
    hashes = ' '.join(
        f"'sha256-{base64.b64encode(digest).decode()}'"
        for digest in (hashlib.sha256(s.encode()).digest() for s in scripts)
    )
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {hashes}; "
        "img-src data:; media-src data: 'self' file:"
    )


def read_poses_3d(path: str | os.PathLike) -> dict[str, Any] | None:
    """3D poses of a file that :class:`~rpstn_mmpose.apis.VideoPoseInferencer`
    wrote with a lifter.

    Args:
        path: Of the ``.json`` file.

    Returns:
        dict | None: ``joints``, their names; ``links``, pairs of joints;
        ``poses`` by frame number: a list of track id and 3 K whole
        millimetres for each person. None: a file without 3D poses.

    Raises:
        ValueError: 3D poses of another form; one line.
    """
    with open(path, encoding='utf-8') as file:
        content = json.load(file)
    told = content['meta_info'].get('keypoints_3d')
    if told is None:
        return None
    joints = list(told['keypoint_names'])
    links = [[int(a), int(b)] for a, b in told['skeleton_links']]
    poses: dict[int, list] = {}
    for record in content['instance_info']:
        frame = record['frame_id']
        for person in record['instances']:
            if 'keypoints_3d' not in person:
                continue
            pose = pose_3d_of(person, len(joints), f'{path}: frame {frame}')
            numbers = (pose * MILLIMETRES).round().astype(int)
            poses.setdefault(frame, []).append(
                [int(person['track_id']), *numbers.flatten().tolist()]
            )
    return dict(joints=joints, links=links, poses=poses)


def pose_3d_of(
    person: Mapping[str, Any], num_joints: int, where: str
) -> np.ndarray:
    """The 3D pose (K, 3) of a record of a person.

    Args:
        person: With ``keypoints_3d``.
        num_joints: K.
        where: File and frame, for messages.

    Raises:
        ValueError: Another form; one line.
    """
    try:
        pose = np.array(person['keypoints_3d'], dtype=np.float64)
    except (TypeError, ValueError):
        pose = np.zeros(0)
    if pose.shape != (num_joints, 3) or not np.isfinite(pose).all():
        raise ValueError(
            f'{where}: keypoints_3d must be {num_joints} x 3 numbers; write '
            'the file again'
        )
    return pose


class PeopleIn3D:
    """Pictures of a video's people in 3D, beside each other.

    Each stands with the lowest joint on the floor, seen as the report page
    shows them at first. A person keeps their place, and gives it to somebody
    new after :data:`KEPT` frames of absence. The more places there are, the
    smaller people are drawn.

    Args:
        told: ``keypoint_names`` and ``skeleton_links`` of the 3D poses.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.links = [tuple(link) for link in told['skeleton_links']]
        self.colors = [
            _side_color([told['keypoint_names'][joint] for joint in link])
            for link in self.links
        ]
        # By id: the place, and the frame in which it was last needed.
        self._places: dict[int, tuple[int, int]] = {}
        self._frame, self._count = 0, 1

    def draw(
        self, instances: Sequence[Mapping[str, Any]], size: tuple[int, int]
    ) -> np.ndarray:
        """The next frame.

        Args:
            instances: With ``track_id`` and ``keypoints_3d`` (K, 3), metres,
                axes of the camera; people without the latter are left out.
            size: Width and height of the picture.

        Returns:
            np.ndarray: (H, W, 3) uint8, BGR.
        """
        people = [item for item in instances if 'keypoints_3d' in item]
        self._place([int(item['track_id']) for item in people])
        width, height = size
        image = np.full((height, width, 3), _PAPER, np.uint8)
        zoom = min(2.3 * height, EYE * width / (APART * (self._count + 1)))
        middle = np.array([(self._count - 1) * APART / 2, 1, 0])

        def flat(points: np.ndarray) -> np.ndarray:
            """Pixels of metres: right, up, towards the viewer."""
            pixels = _projected(points - middle) * zoom
            pixels += [width / 2, height / 2]
            # Untrained networks answer with anything.
            pixels = np.nan_to_num(pixels, nan=-1e4).clip(-1e4, 1e4)
            return pixels.round().astype(int)

        for line in flat(self._floor()).tolist():
            cv2.line(image, *line, _RULE, 1, cv2.LINE_AA)
        thickness = line_thickness(height, width)
        for item in people:
            pose = np.array(item['keypoints_3d'], np.float64)
            x = self._places[int(item['track_id'])][0] * APART
            joints = pose * [1, -1, -1] + [x, pose[:, 1].max(), 0]
            for link, color in zip(self.links, self.colors):
                ends = flat(joints[list(link)]).tolist()
                cv2.line(image, *ends, color, thickness, cv2.LINE_AA)
            cv2.putText(
                image,
                str(item['track_id']),
                flat(np.array([x, -0.16, 0])).tolist(),
                cv2.FONT_HERSHEY_SIMPLEX,
                max(0.4, min(size) / 900),
                _DARK,
                1,
                cv2.LINE_AA,
            )
        return image

    def _place(self, ids: Sequence[int]) -> None:
        """Give the people of the next frame their places."""
        self._frame += 1
        self._places = {
            key: (place, last)
            for key, (place, last) in self._places.items()
            if key in ids or self._frame - last <= KEPT
        }
        for key in sorted(ids):
            taken = [place for place, _ in self._places.values()]
            new = min(set(range(len(taken) + 1)) - set(taken))
            place, _ = self._places.get(key, (new, 0))
            self._places[key] = place, self._frame
            self._count = max(self._count, place + 1)

    def _floor(self) -> np.ndarray:
        """Lines (n, 2, 3) of a net of half the distance between people."""
        left, right = -APART, self._count * APART
        x = np.arange(2 * self._count + 3) * APART / 2 + left
        z = np.arange(-2, 3) * APART / 2
        return np.array(
            [((at, 0, -APART), (at, 0, APART)) for at in x]
            + [((left, 0, at), (right, 0, at)) for at in z]
        )


def _projected(points: np.ndarray) -> np.ndarray:
    """Points (..., 3): right, up, towards the viewer, from the middle of what
    is looked at. They become (..., 2), right and down, in parts of the
    distance.
    """
    x, y, z = np.moveaxis(points, -1, 0)
    u = x * np.cos(TURN) + z * np.sin(TURN)
    w = z * np.cos(TURN) - x * np.sin(TURN)
    v = y * np.cos(TILT) - w * np.sin(TILT)
    depth = EYE - (w * np.cos(TILT) + y * np.sin(TILT))
    return np.stack([u, -v], axis=-1) / np.maximum(depth, 0.5)[..., None]


def _side_color(names: Sequence[str]) -> Color:
    for start, color in (('left', _LEFT), ('right', _RIGHT)):
        if any(name.startswith(start) for name in names):
            return color
    return _DARK
