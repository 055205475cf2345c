# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Cameras of motion capture: where they stand and what they see."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Mapping, Sequence

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from .label_fields import read_json
from .mocap_cameras import (
    H36M_LENSES,
    H36M_PLACES,
    HUMANEVA_LENSES,
    HUMANEVA_PLACES,
)


@dataclass(frozen=True)
class Camera:
    """A camera, its lens and its place.

    Attributes:
        size: Width and height of its pictures, pixels.
        focal: Focal lengths along x and y, pixels.
        center: Principal point, pixels.
        radial: k1, k2, k3 of the lens's distortion.
        tangential: p1, p2.
        orientation: Quaternion (w, x, y, z) from its axes (x right, y down,
            z away) to the world's.
        position: In the world, metres.
    """

    size: tuple[int, int]
    focal: tuple[float, float]
    center: tuple[float, float]
    radial: tuple[float, float, float]
    tangential: tuple[float, float]
    orientation: tuple[float, float, float, float]
    position: tuple[float, float, float]

    def rotation(self) -> np.ndarray:
        """(3, 3), from the camera's axes to the world's."""
        w, *axis = self.orientation
        return Rotation.from_quat([*axis, w]).as_matrix()

    def from_world(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) of the world in the camera's axes, metres."""
        return (np.asarray(points) - self.position) @ self.rotation()

    def lens(self) -> np.ndarray:
        """(9,) for :func:`project`: focal lengths, centre, k1 to k3, p1, p2,
        in normalized picture coordinates.
        """
        half = self.size[0] / 2
        return np.array(
            [
                *(f / half for f in self.focal),
                *normalized(np.array(self.center), self.size),
                *self.radial,
                *self.tangential,
            ],
            np.float32,
        )


def normalized(points: np.ndarray, size: Any) -> np.ndarray:
    """Pixels (..., 2) in units of half the width, from the middle.

    Args:
        points: (..., 2).
        size: Width and height, (2,) or to be broadcast with ``points``.
    """
    middle = np.asarray(size, points.dtype) / 2
    return (points - middle) / middle[..., :1]


def in_pixels(points: np.ndarray, size: Any) -> np.ndarray:
    """The inverse of :func:`normalized`."""
    middle = np.asarray(size, points.dtype) / 2
    return points * middle[..., :1] + middle


def project(points: Tensor, lenses: Tensor) -> Tensor:
    """Where cameras see points, with the distortion of their lenses.

    Points that are seen at more than 45 degrees are put there, as in
    VideoPose3D.

    Args:
        points (Tensor): (..., 3), metres in the camera's axes.
        lenses (Tensor): (..., 9), see :meth:`Camera.lens`.

    Returns:
        Tensor: (..., 2), normalized picture coordinates.
    """
    focal, centre = lenses[..., :2], lenses[..., 2:4]
    tangential = lenses[..., 7:]
    flat = (points[..., :2] / points[..., 2:]).clamp(-1, 1)
    square = (flat**2).sum(dim=-1, keepdim=True)
    powers = torch.cat([square, square**2, square**3], dim=-1)
    radial = 1 + (lenses[..., 4:7] * powers).sum(dim=-1, keepdim=True)
    skew = (tangential * flat).sum(dim=-1, keepdim=True)
    return focal * (flat * (radial + skew) + tangential * square) + centre


def _table(lenses: Any, places: Mapping) -> dict[str, list[Camera]]:
    return {
        subject: [
            Camera(
                size,
                focal,
                center,
                radial,
                tangential,
                orientation,
                (x / 1000, y / 1000, z / 1000),
            )
            for (size, focal, center, radial, tangential), (
                orientation,
                (x, y, z),
            ) in zip(lenses, cameras)
        ]
        for subject, cameras in places.items()
    }


def h36m_cameras() -> dict[str, list[Camera]]:
    """The four cameras of each subject of Human3.6M."""
    return _table(H36M_LENSES, H36M_PLACES)


def humaneva_cameras() -> dict[str, list[Camera]]:
    """The three colour cameras of each subject of HumanEva-I."""
    return _table(HUMANEVA_LENSES, HUMANEVA_PLACES)


def cameras_to_json(cameras: Mapping[str, Sequence[Camera]]) -> dict:
    """What :func:`cameras_from_json` reads."""
    return {
        subject: [asdict(camera) for camera in of_subject]
        for subject, of_subject in cameras.items()
    }


def cameras_from_json(data: bytes, path: str) -> dict[str, list[Camera]]:
    """Cameras by subject.

    Args:
        data: Content of the file: an object of a list for each subject, of
            objects with the attributes of :class:`Camera`.
        path: Of the file, for the message.

    Raises:
        ValueError: One line that names what is missing.
    """
    found = read_json(data, path)
    where = 'the file'
    cameras: dict[str, list[Camera]] = {}
    try:
        for subject, of_subject in found.items():
            where = subject
            cameras[subject] = []
            for number, fields in enumerate(of_subject):
                where = f'camera {number} of {subject}'
                values: Any = {
                    name: tuple(float(x) for x in fields[name])
                    for name in Camera.__dataclass_fields__
                }
                camera = Camera(**values)
                if not np.isfinite(np.concatenate([*values.values()])).all():
                    raise ValueError('numbers')
                camera.lens()
                camera.from_world(np.zeros(3))
                cameras[subject].append(camera)
    except (AttributeError, TypeError, ValueError, KeyError):
        needed = ', '.join(Camera.__dataclass_fields__)
        raise ValueError(
            f'{path}: {where} is no camera; it needs '
            f'lists of finite numbers for {needed}'
        ) from None
    return cameras
