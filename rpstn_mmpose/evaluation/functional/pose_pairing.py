# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Predicted people, the true people that they are of, and how they rank."""

from __future__ import annotations

import numpy as np


def pair_people(part: np.ndarray) -> np.ndarray:
    """Assign predicted to true people, as DeepCut and PoseTrack do.

    Each predicted person chooses the true person whom it fits best, each
    true person takes the best of those who chose it (with equal fits, the
    first).

    Args:
        part: (P, G), how far each of P predicted people fits each of G true
            people, 0 to 1; not NaN.

    Returns:
        np.ndarray: (P,) int, the true person of each predicted one; -1: none.

    Example:
        >>> pair_people(np.array([[0.2, 0.9], [0.0, 0.5], [0.0, 0.0]]))
        array([ 1, -1, -1])
    """
    pairs = np.full(len(part), -1)
    if not part.size:
        return pairs
    choice = part.argmax(axis=1)
    wooing = np.zeros_like(part)
    rows = np.arange(len(part))
    wooing[rows, choice] = part[rows, choice]
    for person, best in enumerate(wooing.argmax(axis=0)):
        if wooing[best, person] > 0:
            pairs[best] = person
    return pairs


def average_precision(
    scores: np.ndarray,
    right: np.ndarray,
    number: float,
    weights: np.ndarray | None = None,
) -> tuple[float, float, float]:
    """Area under the precision made monotonic, summed at steps of recall.

    Of two equal scores the later one ranks first, by numpy's
    ``argsort()[::-1]``, as PoseTrack's official program asks for it.

    Args:
        scores: (n,) that the predictions are ranked by.
        right: (n,) bool, whether they are.
        number: How many there are to be found, by weight.
        weights: (n,) as how many a prediction counts. None: one.

    Returns:
        tuple: AP, and precision and recall of all predictions, 0 to 1. All
        are 0 without predictions; AP and recall are NaN where there are
        predictions and nothing is to be found.
    """
    if not len(scores):
        return 0.0, 0.0, 0.0
    order = np.argsort(scores)[::-1]
    hits, taken = right[order], np.ones(len(order), int)
    if weights is not None:
        taken = weights[order]
        hits = hits * taken
    hits, taken = np.cumsum(hits), np.cumsum(taken)
    # Predictions of weight 0 in front are neither right nor false.
    precision = np.divide(
        hits, taken, out=np.zeros(len(hits)), where=taken > 0
    )
    if not number:
        return np.nan, float(precision[-1]), np.nan
    recall = hits / number
    # The best precision at this recall or a higher one.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(recall, prepend=0.0)
    return (
        float((steps * envelope).sum()),
        float(precision[-1]),
        float(recall[-1]),
    )


def known_mean(values: list[float]) -> float:
    """Mean of the values that are not NaN; NaN if there is none.

    Examples:
        >>> known_mean([1.0, float('nan'), 4.0])
        2.5
    """
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float('nan')
