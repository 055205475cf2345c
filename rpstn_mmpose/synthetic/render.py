# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Draws people: body parts from far to near."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from .appearance import PANORAMA, VIEW_WIDTH, Appearance, direction_bins
from .canvas import CIRCLE, Canvas, fixed_point, hull, texture_maps
from .skeleton import FRAME_INDEX, POINT_INDEX, Body

# Inner point, outer point, frame, radii at both ends in statures, and how much
# nearer to the camera a part counts when parts are sorted by depth.
_LIMB_KINDS = {
    'upper_arm': ('shoulder', 'elbow', 'upper_arm', 0.036, 0.028, 0.012),
    'forearm': ('elbow', 'wrist', 'forearm', 0.029, 0.020, 0.018),
    'hand': ('wrist', 'hand', 'forearm', 0.021, 0.018, 0.019),
    'thigh': ('hip', 'knee', 'thigh', 0.052, 0.036, -0.015),
    'shank': ('knee', 'ankle', 'shank', 0.037, 0.024, -0.010),
    'foot': ('ankle', 'toe', 'foot', 0.025, 0.019, -0.008),
}
_LIMBS = [
    (f'{side}_{name}', f'{side}_{a}', f'{side}_{b}', f'{side}_{frame}', *rest)
    for side in ('left', 'right')
    for name, (a, b, frame, *rest) in _LIMB_KINDS.items()
] + [('neck', 'neck', 'head', 'head', 0.026, 0.026, 0.0)]
_INNER = [POINT_INDEX[limb[1]] for limb in _LIMBS]
_OUTER = [POINT_INDEX[limb[2]] for limb in _LIMBS]
_LIMB_FRAMES = [FRAME_INDEX[limb[3]] for limb in _LIMBS]
_RADII = np.array([limb[4:6] for limb in _LIMBS])
_NEARER = np.array([limb[6] for limb in _LIMBS])
DRAWN_PARTS = tuple(limb[0] for limb in _LIMBS) + ('torso', 'head')
_HEAD_NEARER = 0.03

_SHOULDER_RADIUS, _HIP_RADIUS = 0.042, 0.056
_TORSO_POINTS = [
    POINT_INDEX[name]
    for name in ('left_shoulder', 'right_shoulder', 'right_hip', 'left_hip')
]
_TORSO_RADII = np.array([_SHOULDER_RADIUS] * 2 + [_HIP_RADIUS] * 2)
# Joints that a torso can hide from the camera; the torso's own corners count
# as seen from every side.
_DISTAL = {
    POINT_INDEX[f'{side}_{part}']: radius
    for side in ('left', 'right')
    for part, radius in (
        ('elbow', 0.028),
        ('wrist', 0.020),
        ('knee', 0.036),
        ('ankle', 0.024),
    )
}


@dataclass
class Track:
    """Movement of one person through a video, ready to draw.

    The second axis holds moments inside the open shutter; its middle is the
    moment that the labels describe.

    Attributes:
        points (np.ndarray): frames x moments x len(POINTS) x 3: picture
            pixels, and depth in pixels (smaller is nearer).
        forward (np.ndarray): frames x moments x len(FRAMES) x 3 unit vectors
            in camera space.
        stature (np.ndarray): Pixels a stature, frames.
    """

    points: np.ndarray
    forward: np.ndarray
    stature: np.ndarray


def camera_angle(axis: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Direction of the camera round body parts.

    Args:
        axis (np.ndarray): From the inner to the outer end, ... x 3.
        forward (np.ndarray): Where the front of the part faces, ... x 3.

    Returns:
        np.ndarray: Radians, 0 in front of the part, pi / 2 at its left.
    """
    length = np.linalg.norm(axis, axis=-1, keepdims=True)
    up = -axis / np.maximum(length, 1e-6)
    front = forward - (forward * up).sum(axis=-1, keepdims=True) * up
    left_depth = up[..., 0] * front[..., 1] - up[..., 1] * front[..., 0]
    return np.arctan2(-left_depth, -front[..., 2])


def torso_outline(
    points: np.ndarray, body: Body, stature: np.ndarray
) -> np.ndarray:
    """Outline of the torso.

    Args:
        points (np.ndarray): ... x len(POINTS) x 2 or 3, pixels.
        body (Body): Thicknesses.
        stature (np.ndarray): Pixels a stature, shape ... or scalar.

    Returns:
        np.ndarray: ... x CORNERS x 2 pixels.
    """
    scale = np.asarray(stature)[..., None] * body.bulk
    return hull(points[..., _TORSO_POINTS, :2], scale * _TORSO_RADII)


class Figure:
    """All drawn shapes of one person in a video.

    Everything that does not need the picture is worked out here for all
    frames at once.

    Args:
        track (Track): Movement.
        body (Body): Thicknesses.
        appearance (Appearance): Textures.
    """

    def __init__(
        self, track: Track, body: Body, appearance: Appearance
    ) -> None:
        self.track, self.body, self.appearance = track, body, appearance
        points, stature = track.points, track.stature
        middle = points.shape[1] // 2
        outlines = self._outlines(points, stature[:, None])
        travel = np.abs(outlines[:, -1] - outlines[:, 0]).max(axis=(2, 3))
        # Few moments suffice for a limb that hardly moves in an exposure.
        self._step = np.where(travel < 1.0, 0, np.where(travel < 3.5, 2, 1))
        self._low = np.floor(outlines.min(axis=(1, 3))).astype(int)
        self._high = np.ceil(outlines.max(axis=(1, 3))).astype(int)
        self._outlines_fixed = fixed_point(outlines)
        self._middle = middle
        now, forward = points[:, middle], track.forward[:, middle]
        self._matrices = self._maps(now, stature, outlines[:, middle])
        self._order = np.argsort(-self._depths(now, stature), axis=1)
        self._bins = direction_bins(self._angles(now, forward))

    def _outlines(self, points: np.ndarray, stature: float) -> np.ndarray:
        """Frames x moments x parts x CORNERS x 2, pixels."""
        scale = stature[..., None, None] * self.body.bulk
        flat = points[..., :2]
        limbs = hull(
            np.stack([flat[..., _INNER, :], flat[..., _OUTER, :]], axis=-2),
            scale * _RADII,
        )
        torso = torso_outline(points, self.body, stature)
        up, across, half_up, half_across = self._head_axes(points, stature)
        head = flat[..., POINT_INDEX['head'], None, :] + (
            CIRCLE[:, :1] * (up * half_up)[..., None, :]
            + CIRCLE[:, 1:] * (across * half_across)[..., None, :]
        )
        return np.concatenate(
            [limbs, torso[..., None, :, :], head[..., None, :, :]], axis=-3
        )

    def _head_axes(
        self, points: np.ndarray, stature: float
    ) -> tuple[np.ndarray, ...]:
        """Unit vectors along and across the head, and its half axes."""
        up = (
            points[..., POINT_INDEX['head_top'], :2]
            - points[..., POINT_INDEX['head'], :2]
        )
        length = np.linalg.norm(up, axis=-1, keepdims=True)
        unit = np.where(
            length > 1e-3, up / np.maximum(length, 1e-3), [0.0, -1.0]
        )
        across = np.stack([unit[..., 1], -unit[..., 0]], axis=-1)
        half = self.body.head_half_width * np.asarray(stature)[..., None]
        return unit, across, np.maximum(length, half), half

    def _maps(self, now: Any, stature: float, outlines: Any) -> np.ndarray:
        """Texture maps, frames x parts x 2 x 3."""
        shape = (PANORAMA[0], VIEW_WIDTH)
        flat = now[..., :2]
        scale = stature[:, None] * self.body.bulk
        limbs = texture_maps(
            flat[:, _INNER], flat[:, _OUTER], scale * _RADII.max(1), shape
        )
        neck = flat[:, POINT_INDEX['neck']]
        axis = flat[:, POINT_INDEX['pelvis']] - neck
        length = np.linalg.norm(axis, axis=1, keepdims=True)
        unit = axis / np.maximum(length, 1e-3)
        across = np.stack([unit[:, 1], -unit[:, 0]], axis=1)
        spread = outlines[:, DRAWN_PARTS.index('torso')] - neck[:, None]
        width = np.abs((spread * across[:, None]).sum(axis=-1)).max(axis=1)
        waist = 0.6 * _HIP_RADIUS * stature[:, None] * unit
        torso = texture_maps(neck, neck + axis + waist, width, shape)
        up, _, half_up, half_across = self._head_axes(now, stature)
        head = flat[:, POINT_INDEX['head']]
        head = texture_maps(
            head + up * half_up, head - up * half_up, half_across[:, 0], shape
        )
        return np.concatenate([limbs, torso[:, None], head[:, None]], axis=1)

    def _depths(self, now: Any, stature: float) -> np.ndarray:
        """Sorting depth, frames x parts, pixels."""
        z = now[..., 2]
        limbs = (z[:, _INNER] + z[:, _OUTER]) / 2 - _NEARER * stature[:, None]
        torso = (z[:, POINT_INDEX['neck']] + z[:, POINT_INDEX['pelvis']]) / 2
        head = z[:, POINT_INDEX['head']] - _HEAD_NEARER * stature
        return np.column_stack([limbs, torso, head])

    def _angles(self, now: Any, forward: np.ndarray) -> np.ndarray:
        """Direction of the camera round each part, frames x parts."""
        limbs = camera_angle(
            now[:, _OUTER] - now[:, _INNER], forward[:, _LIMB_FRAMES]
        )
        torso = camera_angle(
            now[:, POINT_INDEX['pelvis']] - now[:, POINT_INDEX['neck']],
            forward[:, FRAME_INDEX['torso']],
        )
        head = camera_angle(
            now[:, POINT_INDEX['head']] - now[:, POINT_INDEX['head_top']],
            forward[:, FRAME_INDEX['head']],
        )
        return np.column_stack([limbs, torso, head])

    def draw(self, canvas: Canvas, frame: int, identifier: int) -> None:
        """Draw the person, blurred by the movement of each part.

        Args:
            canvas (Canvas): Target.
            frame (int): Frame number.
            identifier (int): For ``Canvas.owner``.
        """
        for part in self._order[frame].tolist():
            step = int(self._step[frame, part])
            moments = self._outlines_fixed[frame, :, part]
            if step == 0:
                moments = moments[self._middle : self._middle + 1]
            else:
                moments = moments[::step]
            texture = None
            if canvas.image is not None:
                texture = self.appearance.view(
                    DRAWN_PARTS[part], int(self._bins[frame, part])
                )
            canvas.paint(
                outlines=moments,
                box=(
                    *self._low[frame, part].tolist(),
                    *self._high[frame, part].tolist(),
                ),
                texture=texture,
                matrix=self._matrices[frame, part],
                identifier=identifier,
            )


def behind_own_torso(
    points: np.ndarray, body: Body, stature: float
) -> np.ndarray:
    """Joints whose limb the torso covers completely.

    Penn Action marks such joints invisible, and so do we: elbows, wrists,
    knees and ankles behind the middle of the torso and at least their own
    radius inside its outline. Limbs that merely cross each other stay visible.

    Args:
        points (np.ndarray): len(POINTS) x 3, see :class:`Track`.
        body (Body): Thicknesses.
        stature (float): Pixels a stature.

    Returns:
        np.ndarray: bool, len(POINTS).
    """
    hidden = np.zeros(len(points), bool)
    outline = torso_outline(points, body, stature).astype(np.float32)
    depth = points[_TORSO_POINTS, 2].mean()
    for index, radius in _DISTAL.items():
        radius = radius * body.bulk * stature
        if points[index, 2] < depth + radius:
            continue
        place = (float(points[index, 0]), float(points[index, 1]))
        hidden[index] = cv2.pointPolygonTest(outline, place, True) >= radius
    return hidden
