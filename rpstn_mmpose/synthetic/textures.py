# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Procedural textures: noise, cloth patterns and whole backgrounds."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

PATTERNS = ('plain', 'hoops', 'stripes', 'checks', 'dots', 'blocks')


def noise(
    rng: np.random.Generator, shape: tuple[int, int], cells: int, octaves: int
) -> np.ndarray:
    """Smooth noise, a sum of enlarged random grids.

    Args:
        rng (np.random.Generator): Source of randomness.
        shape (tuple): Rows and columns.
        cells (int): Cells of the coarsest grid along the longer side.
        octaves (int): Number of grids, each twice as fine and half as strong.

    Returns:
        np.ndarray: float32, about -1 to 1.
    """
    total = np.zeros(shape, np.float32)
    longer = max(shape)
    for octave in range(octaves):
        count = cells << octave
        grid = (
            max(2, round(count * shape[0] / longer)),
            max(2, round(count * shape[1] / longer)),
        )
        values = rng.uniform(-1, 1, grid).astype(np.float32)
        total += 0.5**octave * cv2.resize(
            values, shape[::-1], interpolation=cv2.INTER_LINEAR
        )
    return total / (2 - 0.5 ** (octaves - 1))


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """BGR color, float32 0-255.

    Args:
        hue (float): 0-1, wraps round.
        saturation (float): 0-1.
        value (float): 0-1.
    """
    sector = (hue % 1.0) * 6.0 + np.array([2.0, 4.0, 0.0])
    ramp = np.clip(np.abs(sector % 6.0 - 3.0) - 1.0, 0.0, 1.0)
    bgr = value * (1.0 - saturation * (1.0 - ramp))
    return (255.0 * bgr).astype(np.float32)


def cloth(
    rng: np.random.Generator,
    shape: tuple[int, int],
    pattern: str,
    first: np.ndarray,
    second: np.ndarray,
) -> np.ndarray:
    """Pattern of two colors with a little weave.

    Args:
        rng (np.random.Generator): Source of randomness.
        shape (tuple): Rows and columns.
        pattern (str): One of ``PATTERNS``.
        first (np.ndarray): BGR, 0-255.
        second (np.ndarray): BGR, 0-255.

    Returns:
        np.ndarray: rows x columns x 3, float32 BGR.
    """
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    period = float(rng.integers(5, 10))
    if pattern == 'hoops':
        choose = rows % period < period / 2
    elif pattern == 'stripes':
        choose = columns % period < period / 3
    elif pattern == 'checks':
        choose = (rows % period < period / 2) ^ (columns % period < period / 2)
    elif pattern == 'dots':
        distance = (rows % period - period / 2) ** 2
        distance += (columns % period - period / 2) ** 2
        choose = distance < (0.3 * period) ** 2
    elif pattern == 'blocks':
        choose = rows < shape[0] * float(rng.uniform(0.35, 0.6))
    else:
        choose = np.zeros(shape, bool)
    image = np.where(choose[..., None], second, first).astype(np.float32)
    return image + 9 * noise(rng, shape, 8, 2)[..., None]


def background(
    seed: np.random.SeedSequence, shape: tuple[int, int], clutter: float
) -> np.ndarray:
    """Muted wall or landscape with a floor and some things standing round.

    Colors stay muted so that people, who wear strong ones, stand out.

    Args:
        seed (np.random.SeedSequence): Stream of the background.
        shape (tuple): Rows and columns.
        clutter (float): Mean number of things is six times this.

    Returns:
        np.ndarray: rows x columns x 3 uint8 BGR.
    """
    rng = np.random.default_rng(seed)
    height, width = shape
    hue, value = rng.uniform(0, 1), rng.uniform(0.4, 0.75)
    wall = hsv(hue, rng.uniform(0.05, 0.3), value)
    floor = hsv(
        hue + rng.uniform(-0.2, 0.2),
        rng.uniform(0.05, 0.3),
        np.clip(value + rng.choice([-1, 1]) * rng.uniform(0.1, 0.2), 0.3, 0.8),
    )
    horizon = float(rng.uniform(0.55, 0.8))
    image = np.empty((height, width, 3), np.float32)
    image[:] = wall
    image += np.linspace(14, -14, height, dtype=np.float32)[:, None, None]
    for _ in range(rng.poisson(6 * clutter)):
        color = hsv(
            rng.uniform(0, 1), rng.uniform(0.05, 0.4), rng.uniform(0.3, 0.8)
        )
        color = [float(c) for c in 0.55 * color + 0.45 * wall]
        x = int(rng.uniform(0, width))
        base = int(height * horizon + rng.uniform(-0.02, 0.08) * height)
        tall = int(rng.uniform(0.15, 0.6) * height)
        half = int(rng.uniform(0.03, 0.12) * width) + 1
        if rng.uniform() < 0.6:
            cv2.rectangle(
                image, (x - half, base - tall), (x + half, base), color, -1
            )
            _windows(image, rng, (x, base), tall, half, color)
        else:
            middle = (x, base - tall // 2)
            cv2.ellipse(image, middle, (half, tall // 2), 0, 0, 360, color, -1)
    line = int(horizon * height)
    image[line:] = floor
    depth = np.linspace(-8, 12, height - line, dtype=np.float32)
    image[line:] += depth[:, None, None]
    image += 16 * noise(rng, shape, 8, 4)[..., None]
    image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 1.4)))
    grain = rng.normal(0, 4, (height // 2 + 1, width // 2 + 1))
    grain = cv2.resize(grain.astype(np.float32), (width, height))
    image += grain[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def _windows(
    image: np.ndarray,
    rng: np.random.Generator,
    foot: Any,
    tall: Any,
    half: Any,
    color: np.ndarray,
) -> None:
    """A grid of slightly darker fields on a box."""
    if half < 4 or rng.uniform() < 0.4:
        return
    rows, columns = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    dark = [0.82 * c for c in color]
    for row in range(rows):
        for column in range(columns):
            x = foot[0] - half + (2 * half * (2 * column + 1)) // (2 * columns)
            y = foot[1] - tall + (tall * (2 * row + 1)) // (2 * rows)
            size = (max(1, half // (2 * columns)), max(1, tall // (4 * rows)))
            cv2.rectangle(
                image,
                (x - size[0], y - size[1]),
                (x + size[0], y + size[1]),
                dark,
                -1,
            )
