# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a person looks like: skin, hair, face and clothes.

Every body part is a cylinder with a panorama texture: rows run along the part
from its inner to its outer end, columns go once round it, column 0 at the
front and a quarter of the way at the person's left. Seen from any direction
half of the panorama is visible. Faces, shirt fronts, back prints and side
seams therefore tell which side of a person is in view, as in real pictures.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from .textures import PATTERNS, cloth, hsv

PANORAMA = (24, 64)
VIEW_WIDTH = 16
_BINS = 64
_ACROSS = np.linspace(-0.97, 0.97, VIEW_WIDTH)
_VIEW_COLUMNS = np.arcsin(_ACROSS) / (2 * np.pi) * PANORAMA[1]
PARTS = ('torso', 'head', 'neck') + tuple(
    f'{side}_{part}'
    for side in ('left', 'right')
    for part in ('upper_arm', 'forearm', 'hand', 'thigh', 'shank', 'foot')
)


class Appearance:
    """Textures of one person.

    Args:
        rng (np.random.Generator): Stream of the identity.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._light = float(rng.uniform(-0.18, 0.18))
        self._cache: dict[tuple[str, int], np.ndarray] = {}
        self._rng = rng
        self._panoramas: dict[str, np.ndarray] | None = None

    def view(self, part: str, direction: int) -> np.ndarray:
        """Visible half of a part, shaded like a cylinder.

        Args:
            part (str): One of ``PARTS``.
            direction (int): From :func:`direction_bins`.

        Returns:
            np.ndarray: PANORAMA[0] x VIEW_WIDTH x 3 BGR float32 texture.
        """
        if self._panoramas is None:
            # Painted late, as labels alone need no clothes.
            self._panoramas = _dress(self._rng)
        key = part, direction
        if key not in self._cache:
            center = direction / _BINS * PANORAMA[1]
            columns = np.rint(center + _VIEW_COLUMNS).astype(int)
            image = self._panoramas[part][:, columns % PANORAMA[1]]
            round_ = np.sqrt(1 - _ACROSS**2)
            shade = 0.62 + 0.42 * round_ + self._light * _ACROSS
            image = np.clip(image * shade[:, None], 0, 255)
            self._cache[key] = image.astype(np.float32)
        return self._cache[key]


def direction_bins(angles: np.ndarray) -> np.ndarray:
    """Round directions of the camera to those that textures are made for.

    Args:
        angles (np.ndarray): Direction of the camera round a part in radians:
            0 in front of it, pi / 2 at the person's left.

    Returns:
        np.ndarray: int, same shape.
    """
    bins = np.rint(np.asarray(angles) / (2 * np.pi) * _BINS).astype(int)
    return bins % _BINS


def _flat(color: np.ndarray) -> np.ndarray:
    image = np.empty(PANORAMA + (3,), np.float32)
    image[:] = color
    return image


def _strong_color(rng: np.random.Generator) -> np.ndarray:
    """Cloth color that stands out from muted backgrounds."""
    kind = rng.uniform()
    if kind < 0.13:
        return hsv(0, 0, rng.uniform(0.93, 1.0))
    if kind < 0.26:
        return hsv(rng.uniform(), 0.2, rng.uniform(0.06, 0.16))
    return hsv(rng.uniform(), rng.uniform(0.65, 1), rng.uniform(0.55, 1))


def _dress(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw clothes and paint all panoramas."""
    tone = rng.uniform()
    skin = hsv(rng.uniform(0.04, 0.08), 0.32 + 0.3 * tone, 0.97 - 0.55 * tone)
    shirt, print_, pants = (_strong_color(rng) for _ in range(3))
    while np.abs(shirt - pants).sum() < 120:
        pants = _strong_color(rng)
    while np.abs(shirt - print_).sum() < 200:
        print_ = _strong_color(rng)
    pattern = str(rng.choice(PATTERNS, p=[0.35, 0.17, 0.12, 0.12, 0.12, 0.12]))
    shoes = _strong_color(rng)
    sleeve = float(rng.choice([0.15, 0.55, 0.75, 2.0], p=[0.2, 0.3, 0.2, 0.3]))
    leg = float(rng.choice([0.45, 0.8, 2.0], p=[0.2, 0.25, 0.55]))
    seam = print_ if rng.uniform() < 0.5 else None
    parts = {
        'torso': _torso(rng, skin, shirt, print_, pants, pattern),
        'head': _head(rng, skin),
        'neck': _flat(0.88 * skin),
    }
    for side in ('left', 'right'):
        sleeves = cloth(rng, PANORAMA, pattern, shirt, print_)
        legs = cloth(rng, PANORAMA, 'plain', pants, pants)
        if seam is not None:
            # The outer side of a left leg faces the person's left.
            middle = PANORAMA[1] // 4 * (1 if side == 'left' else 3)
            legs[:, middle - 4 : middle + 4] = seam
            sleeves[:, middle - 3 : middle + 3] = seam
        parts[f'{side}_upper_arm'] = _partly(sleeves, skin, sleeve)
        parts[f'{side}_forearm'] = _partly(sleeves, skin, sleeve - 1)
        parts[f'{side}_hand'] = _flat(0.95 * skin)
        parts[f'{side}_thigh'] = _partly(legs, skin, leg)
        shank = _partly(legs, skin, leg - 1)
        shank[-4:] = 0.6 * shoes + 90
        parts[f'{side}_shank'] = shank
        parts[f'{side}_foot'] = _flat(shoes)
        parts[f'{side}_foot'][:, 26:38] = 235
    return parts


def _partly(cover: np.ndarray, skin: np.ndarray, share: float) -> np.ndarray:
    """Cloth on the first part of a limb, skin on the rest."""
    image = _flat(skin)
    rows = int(round(np.clip(share, 0, 1) * PANORAMA[0]))
    image[:rows] = cover[:rows]
    return image


def _torso(
    rng: np.random.Generator,
    skin: np.ndarray,
    shirt: np.ndarray,
    print_: Any,
    pants: np.ndarray,
    pattern: Any,
) -> np.ndarray:
    """Shirt with a different front and back, and a waistband."""
    image = cloth(rng, PANORAMA, pattern, shirt, print_)
    width = PANORAMA[1]
    front = int(rng.integers(0, 3))
    bright = 0.35 * shirt + 0.65 * print_
    for column in range(-9, 10):
        if front == 0 and abs(column) <= 1:
            image[:, column % width] = bright
        elif front == 1 and abs(column) <= 6:
            image[8:14, column % width] = bright
        elif front == 2 and 3 <= abs(column) <= 6:
            image[7:11, column % width] = bright
        # The neckline shows skin in front only.
        image[: max(0, 6 - abs(column)), column % width] = skin
    half = width // 2
    # A yoke across the shoulders and a number mark the back.
    image[:4, half - 14 : half + 14] = print_
    image[8:17, half - 5 : half - 2] = bright
    image[8:17, half + 2 : half + 5] = bright
    image[-6:] = pants
    image[-7] = 0.4 * pants
    return image


def _head(rng: np.random.Generator, skin: np.ndarray) -> np.ndarray:
    """Face in front, hair on top, at the back and on the sides."""
    image = _flat(skin)
    height, width = PANORAMA
    hair = hsv(
        rng.uniform(0.02, 0.12),
        rng.uniform(0.2, 0.75),
        rng.choice([0.1, 0.22, 0.4, 0.75]),
    )
    hair = hair + 10 * rng.normal(size=(height, width, 1)).astype(np.float32)
    columns = np.arange(width)
    away = np.minimum(columns, width - columns) / (width / 2)
    fringe = float(rng.uniform(0.22, 0.36)) * height
    length = float(rng.uniform(0.62, 1.0)) * height
    start = float(rng.uniform(0.36, 0.5))
    border = np.where(away < start, fringe, length)
    covered = np.arange(height)[:, None] < border[None]
    image = np.where(covered[..., None], hair, image)
    image = np.roll(image, width // 2, axis=1)
    middle = width // 2
    dark, white = (35.0, 30.0, 30.0), [float(c) for c in 0.4 * skin + 140]
    for offset in (-6, 6):
        eye = (middle + offset, 12)
        cv2.ellipse(image, eye, (2, 1), 0, 0, 360, white, -1)
        cv2.line(image, eye, eye, dark, 2)
    nose = [float(c) for c in 0.8 * skin]
    cv2.line(image, (middle, 13), (middle, 15), nose, 2)
    mouth = (70.0, 60.0, 150.0)
    cv2.line(image, (middle - 4, 19), (middle + 4, 19), mouth, 1)
    return np.roll(image, -(width // 2), axis=1)
