# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Poses with the errors that pose estimators make (PoseFix, Sec. 4)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .error_table import KINDS

GOOD, JITTER, INVERSION, SWAP, MISS = range(len(KINDS))
NOTHING = -1
SIMILARITIES = (0.85, 0.5, 0.1)
# Points that are tried around each reference point.
TRIES = (125, 500, 500, 500, 2000)
# Of the misses not around the own place a quarter counts.
_OTHERS_MISS = 0.25
# How many are tried at once; nearly all of the first ones are kept.
_BLOCKS = (1, 8, 64, 512, 4096)


def radii(
    area: np.ndarray | float,
    sigmas: np.ndarray,
    similarities: tuple[float, ...] = SIMILARITIES,
) -> np.ndarray:
    """Distances at which the object keypoint similarity has given values.

    Args:
        area: Of the person, a number or (...,), square pixels.
        sigmas: (K,).
        similarities: S values in 0 to 1.

    Returns:
        np.ndarray: (..., K, S), pixels.

    Examples:
        >>> # exp(-d^2 / (2 * 100 * (2 * 0.5)^2)) is 0.5 at sqrt(200 ln 2)
        >>> radii(100, np.array([0.5]), (0.5,)).round(3)
        array([[11.774]])
    """
    spread = 2 * np.asarray(area, float)[..., None] * (2 * sigmas) ** 2
    return np.sqrt(-spread[..., None] * np.log(similarities))


def reference_points(
    own: np.ndarray,
    annotated: np.ndarray,
    near: np.ndarray,
    mirrored: np.ndarray,
) -> np.ndarray:
    """What a joint may be taken for.

    Args:
        own: (K, 2), the person's joints; NaN where nobody knows.
        annotated: (K,) bool, those that are truth and not a prediction.
        near: (M, K, 2), the truth of people beside; NaN where not annotated.
        mirrored: (K,) number of the joint on the other side.

    Returns:
        np.ndarray: (K, 2 + 2 M, 2): the joint's own place, the person's
        mirrored joint, the same joint of the others, their mirrored joint;
        NaN where there is none.
    """
    paired = (mirrored != np.arange(len(mirrored)))[:, None]
    other = np.where(paired & annotated[mirrored, None], own[mirrored], np.nan)
    others = np.where(paired, near[:, mirrored], np.nan)
    return np.concatenate([own[None], other[None], near, others]).transpose(
        1, 0, 2
    )


class _Around(NamedTuple):
    """Where points of one kind of error lie.

    Attributes:
        weights: (S, R), how often each reference point is taken.
        inner, outer: (S,), the ring around it.
        apart: (S, R) bool, reference points that are to be farther away (the
            taken one left out).
        by: (S,) how far; None: farther than the taken one.
        tries: (S,) points that are tried.
    """

    weights: np.ndarray
    inner: np.ndarray
    outer: np.ndarray
    apart: np.ndarray
    by: np.ndarray | None
    tries: np.ndarray


def _around(kind: int, points: np.ndarray, rings: np.ndarray) -> _Around:
    there = np.isfinite(points[..., 0])
    near, half, far = rings.T
    weights = np.zeros(there.shape)
    apart, by = there.copy(), None
    inner, outer = np.zeros(len(rings)), half
    if kind == GOOD:
        weights[:, 0], outer = 1, near
    elif kind == JITTER:
        weights[:, 0], inner = 1, near
    elif kind == INVERSION:
        weights[:, 1] = 1
    elif kind == SWAP:
        weights[:, 2:] = 1
        apart[:, 2:] = False
    else:
        weights[:] = _OTHERS_MISS
        weights[:, 0] = 1
        inner, outer, by = half, far, half
    weights *= there
    tries = np.ceil(TRIES[kind] * weights.sum(axis=1)).astype(int)
    return _Around(weights, inner, outer, apart, by, tries)


def _drawn(
    around: _Around, points: np.ndarray, number: int, rng: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Points (S, number, 2), and (S, number) bool whether they are kept."""
    slots, size = len(points), (len(points), number)
    cumulated = around.weights.cumsum(axis=1)
    cumulated /= cumulated[:, -1:]
    choice = rng.uniform(size=size)
    source = (choice[..., None] >= cumulated[:, None]).sum(axis=2)
    angle = rng.uniform(0, 2 * np.pi, size)
    share = rng.uniform(size=size)
    width = around.outer - around.inner
    radius = around.inner[:, None] + share * width[:, None]
    row = np.arange(slots)[:, None]
    found = points[row, source] + radius[..., None] * np.stack(
        [np.cos(angle), np.sin(angle)], axis=-1
    )
    gaps = np.linalg.norm(found[:, :, None] - points[:, None], axis=-1)
    # not the radius: of two points at one place neither is nearer
    limit = np.take_along_axis(gaps, source[..., None], axis=2)[..., 0]
    if around.by is not None:
        limit = around.by[:, None]
    taken = source[..., None] == np.arange(points.shape[1])
    with np.errstate(invalid='ignore'):
        apart = (
            (gaps > limit[..., None]) | ~around.apart[:, None] | taken
        ).all(axis=2)
    return found, apart


def _first_kept(
    kind: int, points: np.ndarray, rings: np.ndarray, rng: Any
) -> np.ndarray:
    """A point (S, 2) for each joint, NaN where none of the tried is kept."""
    around = _around(kind, points, rings)
    out = np.full((len(points), 2), np.nan)
    left = np.flatnonzero(around.tries > 0)
    done = 0
    for number in _BLOCKS:
        while len(left):
            part = _Around(
                *(None if field is None else field[left] for field in around)
            )
            found, kept = _drawn(part, points[left], number, rng)
            kept &= done + np.arange(number) < part.tries[:, None]
            first = kept.argmax(axis=1)
            some = kept.any(axis=1)
            out[left[some]] = found[some, first[some]]
            done += number
            left = left[~some & (part.tries > done)]
            if number < _BLOCKS[-1]:
                break
    return out


def draw_errors(
    points: np.ndarray,
    rings: np.ndarray,
    chances: np.ndarray,
    rng: Any = np.random,
) -> tuple[np.ndarray, np.ndarray]:
    """A wrong place for each joint, or one that is nearly right.

    An error of which no point is kept does not come about; the others are
    then as frequent as before among each other. So is the paper's order of
    things, which draws all points of all kinds first: the first kept point
    of a row of independent ones is any of the kept ones.

    Args:
        points: (S, R, 2), see :func:`reference_points`, of S joints of any
            number of people.
        rings: (S, 3), see :func:`radii`.
        chances: (S, 5), see :func:`error_chances`.
        rng: A generator of numpy, or ``numpy.random``.

    Returns:
        tuple: (S, 2) places, NaN where nothing is left; (S,) their kinds, -1
        there.
    """
    places = np.full((len(points), 2), np.nan)
    kinds = np.full(len(points), NOTHING)
    chances = np.where(np.isfinite(points[:, 0, :1]), chances, 0)
    left = np.flatnonzero(chances.any(axis=1))
    while len(left):
        cumulated = chances[left].cumsum(axis=1)
        choice = rng.uniform(size=len(left)) * cumulated[:, -1]
        wanted = (choice[:, None] >= cumulated).sum(axis=1)
        for kind in range(len(KINDS)):
            chosen = left[wanted == kind]
            if len(chosen):
                found = _first_kept(kind, points[chosen], rings[chosen], rng)
                some = np.isfinite(found[:, 0])
                places[chosen[some]] = found[some]
                kinds[chosen[some]] = kind
                chances[chosen[~some], kind] = 0
        left = left[(kinds[left] == NOTHING) & chances[left].any(axis=1)]
    return places, kinds
