# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Things that drift between the camera and the person."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .canvas import CIRCLE, Canvas, fixed_point
from .textures import PATTERNS, cloth, hsv

KINDS = ('board', 'ball', 'pole', 'beam', 'plant')
_SHAPE = (24, 24)


@dataclass
class Occluder:
    """A textured thing on a straight path.

    Attributes:
        kind (str): One of ``KINDS``.
        moment (float): Frame number at which it is at ``anchor``.
        anchor (np.ndarray): x, y in pixels.
        velocity (np.ndarray): Pixels a frame.
        angle (float): Radians at ``moment``.
        spin (float): Radians a frame.
        outline (np.ndarray): Polygon round the origin, m x 2 pixels.
        half (tuple): Half width and half height of the texture, pixels.
        paint_seed (int): Decides on the texture.
        texture (np.ndarray, optional): BGR float32; painted when first needed.
    """

    kind: str
    moment: float
    anchor: np.ndarray
    velocity: np.ndarray
    angle: float
    spin: float
    outline: np.ndarray
    half: tuple[float, float]
    paint_seed: int = 0
    texture: np.ndarray | None = None

    def __post_init__(self) -> None:
        self._reach = float(np.abs(self.outline).max()) * 1.5

    def draw(
        self, canvas: Canvas, frame: int, moments: np.ndarray, identifier: int
    ) -> None:
        """Draw itself, blurred by its own movement.

        Args:
            canvas (Canvas): Target.
            frame (int): Frame number.
            moments (np.ndarray): Frame fractions while the shutter is open.
            identifier (int): For ``Canvas.owner``.
        """
        since = frame - self.moment
        center = self.anchor + self.velocity * since
        reach = self._reach + float(np.abs(self.velocity).max())
        if (
            center.min() < -reach
            or center[0] > canvas.size[0] + reach
            or center[1] > canvas.size[1] + reach
        ):
            return
        angle = self.angle + self.spin * since
        cosine, sine = np.cos(angle), np.sin(angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        outline = self.outline @ turn.T + center
        travel = self.velocity * (moments[-1] - moments[0])
        if np.abs(travel).max() < 1.0:
            moments = moments[len(moments) // 2 :][:1]
        outlines = outline + moments[:, None, None] * self.velocity
        smear = np.abs(self.velocity * moments[0])
        low = (outline.min(axis=0) - smear).tolist()
        high = (outline.max(axis=0) + smear).tolist()
        if self.texture is None and canvas.image is not None:
            rng = np.random.default_rng(self.paint_seed)
            self.texture = _paint(rng, self.kind)
        # Texture columns and rows run along the turned axes.
        steps = np.array(self.half) * 2 / (np.array(_SHAPE[::-1]) - 1)
        matrix = np.empty((2, 3))
        matrix[:, :2] = turn * steps
        matrix[:, 2] = center - turn @ self.half
        canvas.paint(
            outlines=fixed_point(outlines),
            box=(
                *(int(math.floor(value)) for value in low),
                *(int(math.ceil(value)) for value in high),
            ),
            texture=self.texture,
            matrix=matrix,
            identifier=identifier,
            convex=self.kind != 'plant',
        )


def _shape(
    rng: np.random.Generator, kind: str, size: float
) -> tuple[np.ndarray, tuple[float, float]]:
    """Outline round the origin; ``size`` is the smaller side in pixels."""
    if kind == 'ball':
        half = (size * 0.62, size * float(rng.uniform(0.5, 0.62)))
        return CIRCLE * half, half
    if kind == 'plant':
        reach = size * 0.8
        leaves = int(rng.integers(5, 9))
        angles = np.linspace(0, 2 * np.pi, 8 * leaves, endpoint=False)
        lobes = np.abs(np.cos(0.5 * leaves * angles)) ** 0.6
        lengths = rng.uniform(0.75, 1.1, leaves).repeat(8)
        radius = reach * (0.45 + 0.55 * lobes * np.roll(lengths, -4))
        ray = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return ray * radius[:, None], (reach, reach)
    if kind == 'pole':
        half = (size * 0.26, size * 3.2)
    elif kind == 'beam':
        half = (size * 2.2, size * 0.24)
    else:
        half = (size * float(rng.uniform(0.4, 0.7)), size * 0.5)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    return corners * half, half


def _paint(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Texture that no person wears in quite this way."""
    if kind == 'plant':
        first = hsv(rng.uniform(0.2, 0.42), 0.6, rng.uniform(0.25, 0.6))
        second = 0.6 * first
    else:
        first = hsv(rng.uniform(), rng.uniform(0.1, 0.7), rng.uniform(0.2, 1))
        second = hsv(rng.uniform(), rng.uniform(0.1, 0.7), rng.uniform(0.2, 1))
    image = cloth(rng, _SHAPE, str(rng.choice(PATTERNS)), first, second)
    if kind in ('ball', 'pole'):
        across = np.linspace(-0.95, 0.95, _SHAPE[1])[None, :, None]
        image = image * (0.6 + 0.45 * np.sqrt(1 - across**2))
    if kind == 'board':
        image[[0, -1]] *= 0.5
        image[:, [0, -1]] *= 0.5
    return np.clip(image, 0, 255).astype(np.float32)


def sample_occluders(
    rng: np.random.Generator,
    targets: np.ndarray,
    stature: float,
    rate: float,
    size: tuple[float, float] = (0.14, 0.30),
    speed: tuple[float, float] = (0.16, 0.4),
) -> list[Occluder]:
    """Draw all occluders of a video.

    Each passes a random joint at a random moment. Arrivals are a Poisson
    process that starts before the first frame and ends after the last one, so
    every frame is equally likely to be occluded, whatever the length.

    Args:
        rng (np.random.Generator): Stream of the occluders.
        targets (np.ndarray): Places worth hiding, frames x points x 2 pixels.
        stature (float): Height of the person in pixels.
        rate (float): Mean number of arrivals a frame.
        size (tuple): Range of the smaller side, in statures.
        speed (tuple): Range of the speed, in own sizes a frame. The faster,
            the fewer frames in a row a joint stays hidden.

    Returns:
        list: Occluders, the first one drawn first.
    """
    frames = len(targets)
    margin = 6.0
    occluders = []
    for _ in range(int(rng.poisson(rate * (frames + 2 * margin)))):
        kind = str(rng.choice(KINDS, p=[0.3, 0.22, 0.2, 0.1, 0.18]))
        moment = float(rng.uniform(-margin, frames - 1 + margin))
        frame = int(np.clip(round(moment), 0, frames - 1))
        side = float(rng.uniform(*size)) * stature
        joint = targets[frame, int(rng.integers(targets.shape[1]))]
        outline, half = _shape(rng, kind, side)
        travel = float(rng.uniform(*speed)) * side
        if kind == 'beam':
            direction = rng.choice([-1, 1]) * np.pi / 2
        else:
            direction = rng.choice([0, np.pi]) + rng.normal(0, 0.3)
        upright = kind in ('pole', 'beam')
        occluders.append(
            Occluder(
                kind=kind,
                moment=moment,
                anchor=joint + rng.normal(0, 0.25 * side, 2),
                velocity=travel
                * np.array([np.cos(direction), np.sin(direction)]),
                angle=float(rng.normal(0, 0.08 if upright else 0.6)),
                spin=0.0 if upright else float(rng.normal(0, 0.06)),
                outline=outline,
                half=half,
                paint_seed=int(rng.integers(2**62)),
            )
        )
    return occluders
