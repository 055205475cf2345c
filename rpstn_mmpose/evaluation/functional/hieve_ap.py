# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Average precision of poses on HiEve, by what its texts may mean.

The program of HiEve's server is not public, and the paper's text does not
settle what its AP counts: see :func:`hieve_ap`.
"""

from __future__ import annotations

from typing import Callable, Mapping, NamedTuple, Sequence

import numpy as np

from .pose_pairing import average_precision, known_mean, pair_people

DEFINITIONS = ('pckh-part', 'joint-distance', 'oks')
REFERENCES = ('nose-chest', 'box')
WEIGHT_FORMS = ('exp', 'linear')
THRESHOLDS = (0.5, 0.75, 0.9)
# Of the reference length: a joint at this distance is still right.
JOINT_THR = 0.5
# What takes the place of a nose-chest length, as a part of the diagonal of
# the person's box.
BOX_PART = 0.3
# Person's area as a part of the box's, as MMPose takes it without a mask.
AREA_PART = 0.53


class TruePeople(NamedTuple):
    """The G people of a frame.

    Attributes:
        keypoints: (G, K, 2) pixels.
        visible: (G, K) bool; other joints are not evaluated.
        sizes: (G,) reference lengths, pixels, see :func:`reference_lengths`.
        areas: (G,) areas of their boxes, square pixels.
    """

    keypoints: np.ndarray
    visible: np.ndarray
    sizes: np.ndarray
    areas: np.ndarray


class PredictedPeople(NamedTuple):
    """The P people that are predicted in a frame.

    Attributes:
        keypoints: (P, K, 2) pixels; NaN: not predicted.
        joint_scores: (P, K).
        scores: (P,) of the whole poses.
    """

    keypoints: np.ndarray
    joint_scores: np.ndarray
    scores: np.ndarray


# Truth and predictions of one frame.
HiEvePair = tuple[TruePeople, PredictedPeople]


class _Ranked(NamedTuple):
    """What is ranked in a frame: n poses, or joints of one kind."""

    scores: np.ndarray
    right: np.ndarray
    number: int  # how many are to be found


def hieve_ap(
    frames: Sequence[HiEvePair],
    definition: str = 'pckh-part',
    weights: Sequence[float] | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    joint_thr: float = JOINT_THR,
    sigmas: Sequence[float] | None = None,
) -> dict[str, float]:
    """AP@a of HiEve, and its weighted form w-AP@a.

    HiEve's paper (arXiv 2005.04490 v6, section 4.2): a protocol "similar to
    DeepCut", where a prediction is assigned to the true person with whom it
    has the highest PCKh, and those that are not assigned are false; a is
    "the specific distance threshold for computing PCKh". In every published
    table AP falls as a grows, which it cannot with a distance. So there are
    three readings:

    - ``'pckh-part'``: a pose is right if at least the part a of the true
      person's visible joints is within ``joint_thr`` reference lengths.
    - ``'joint-distance'``: the text. A joint is right within a reference
      lengths, joints are ranked by their own scores, and the AP is the mean
      over kinds of joints. Predicted joints of assigned people whose true
      joint is not visible do not count.
    - ``'oks'``: a pose is right if its object keypoint similarity is at
      least a.

    People are assigned by the part of the visible joints that are right
    (with ``'oks'``: by the similarity), see
    :func:`~rpstn_mmpose.evaluation.functional.pose_pairing.pair_people`.
    True people without a visible joint are nobody.

    Args:
        frames: Of all videos.
        definition: See above.
        weights: As how many each frame counts: its right and false
            predictions, and what is to be found. None: no w-AP.
        thresholds: a.
        joint_thr: In reference lengths, for ``'pckh-part'``.
        sigmas: (K,) of the joints, for ``'oks'``.

    Returns:
        dict[str, float]: ``AP@avg`` (mean over the thresholds) and
        ``AP@0.5`` and so on, per cent; with weights also ``w-AP@avg`` and so
        on. NaN where nobody is there; so are kinds of joints that are never
        visible, which a mean leaves out.

    Raises:
        ValueError: An unknown definition, ``'oks'`` without sigmas, or not a
            weight of 0 or above for each frame.
    """
    if definition not in DEFINITIONS:
        raise ValueError(
            f'hieve_ap: definition must be one of {DEFINITIONS}, but got '
            f'{definition!r}'
        )
    if definition == 'oks' and sigmas is None:
        raise ValueError("hieve_ap: definition='oks' needs sigmas")
    counted: dict[str, np.ndarray | None] = {'AP': None}
    if weights is not None:
        given = np.asarray(weights, np.float64)
        if given.shape != (len(frames),) or not (given >= 0).all():
            raise ValueError(
                'hieve_ap: weights must be a number of 0 or above for each '
                f'of {len(frames)} frames, but got {given.shape}'
            )
        counted['w-AP'] = given
    rank = {
        'pckh-part': lambda pair, a: [_by_part(pair, a, joint_thr)],
        'joint-distance': _by_joints,
        'oks': lambda pair, a: [_by_oks(pair, a, np.asarray(sigmas))],
    }[definition]
    result: dict[str, float] = {}
    for name, of_frames in counted.items():
        values = {
            f'{name}@{a:g}': _mean_ap(frames, rank, a, of_frames)
            for a in thresholds
        }
        result[f'{name}@avg'] = float(np.mean(list(values.values())))
        result.update(values)
    return result


def _mean_ap(
    frames: Sequence[HiEvePair],
    rank: Callable[[HiEvePair, float], list[_Ranked]],
    threshold: float,
    weights: np.ndarray | None,
) -> float:
    """Per cent, mean over the kinds of what is ranked."""
    ranked = [rank(pair, threshold) for pair in frames]
    values = []
    for kind in zip(*ranked):
        lengths = [len(item.scores) for item in kind]
        number = sum(item.number for item in kind)
        repeated = None
        if weights is not None:
            repeated = np.repeat(weights, lengths)
            number = sum(w * item.number for w, item in zip(weights, kind))
        ap, _, _ = average_precision(
            np.concatenate([item.scores for item in kind]),
            np.concatenate([item.right for item in kind]),
            number,
            repeated,
        )
        values.append(100 * ap if number else np.nan)
    return known_mean(values)


def _distances(pair: HiEvePair) -> np.ndarray:
    """(P, G, K) in reference lengths; NaN where nothing is compared."""
    truth, pred = pair
    with np.errstate(over='ignore'):
        delta = pred.keypoints[:, None] - truth.keypoints[None]
        distance = np.hypot(delta[..., 0], delta[..., 1])
    distance = distance / truth.sizes[None, :, None]
    return np.where(truth.visible[None], distance, np.nan)


def _part_right(fits: np.ndarray, truth: TruePeople) -> np.ndarray:
    """(P, G) of (P, G, K) bool: part of the visible joints that fit."""
    return fits.sum(axis=2) / np.maximum(truth.visible.sum(axis=1), 1)


def _right_poses(
    pair: HiEvePair, likeness: np.ndarray, threshold: float
) -> _Ranked:
    truth, pred = pair
    pairs = pair_people(likeness)
    right = np.zeros(len(pairs), bool)
    paired = np.flatnonzero(pairs >= 0)
    # A part such as 9 of 10 joints is not exactly 0.9.
    right[paired] = likeness[paired, pairs[paired]] >= threshold - 1e-9
    return _Ranked(pred.scores, right, int(truth.visible.any(axis=1).sum()))


def _by_part(pair: HiEvePair, threshold: float, joint_thr: float) -> _Ranked:
    fits = _distances(pair) <= joint_thr  # NaN compares as False
    return _right_poses(pair, _part_right(fits, pair[0]), threshold)


def _by_oks(pair: HiEvePair, threshold: float, sigmas: np.ndarray) -> _Ranked:
    truth, _ = pair
    pixels = _distances(pair) * truth.sizes[None, :, None]
    scale = 2 * AREA_PART * truth.areas[:, None] * (2 * sigmas[None]) ** 2
    scale = np.maximum(scale, np.finfo(np.float64).tiny)
    with np.errstate(over='ignore', under='ignore'):
        similarity = np.exp(-(pixels**2) / scale[None])
    total = np.nan_to_num(similarity).sum(axis=2)
    return _right_poses(
        pair, total / np.maximum(truth.visible.sum(axis=1), 1), threshold
    )


def _by_joints(pair: HiEvePair, threshold: float) -> list[_Ranked]:
    """One for each of the K kinds of joints."""
    truth, pred = pair
    fits = _distances(pair) <= threshold
    pairs = pair_people(_part_right(fits, truth))
    right = np.zeros(pred.joint_scores.shape, bool)
    counts = ~np.isnan(pred.keypoints).any(axis=2)
    for person in np.flatnonzero(pairs >= 0):
        right[person] = fits[person, pairs[person]]
        counts[person] &= truth.visible[pairs[person]]
    return [
        _Ranked(
            pred.joint_scores[counts[:, k], k],
            right[counts[:, k], k],
            int(truth.visible[:, k].sum()),
        )
        for k in range(right.shape[1])
    ]


def reference_lengths(
    keypoints: np.ndarray,
    labeled: np.ndarray,
    bboxes: np.ndarray,
    joints: Sequence[int],
    reference: str = 'nose-chest',
) -> np.ndarray:
    """The lengths that take the place of head sizes, which HiEve lacks.

    Args:
        keypoints: (G, K, 2) pixels.
        labeled: (G, K) bool, joints whose place is known, seen or not.
        bboxes: (G, 4), x1 y1 x2 y2.
        joints: Of nose and chest, which of the K.
        reference: ``'nose-chest'``, or ``'box'`` of all people: 0.3 of the
            box's diagonal, which is taken where one of the two joints is not
            labelled or both are in one place, too.

    Returns:
        np.ndarray: (G,) pixels.
    """
    if reference not in REFERENCES:
        raise ValueError(
            f'reference_lengths: reference must be one of {REFERENCES}, but '
            f'got {reference!r}'
        )
    lengths = BOX_PART * np.hypot(
        bboxes[:, 2] - bboxes[:, 0], bboxes[:, 3] - bboxes[:, 1]
    )
    if reference == 'nose-chest':
        nose, chest = joints
        own = np.linalg.norm(keypoints[:, nose] - keypoints[:, chest], axis=1)
        there = labeled[:, nose] & labeled[:, chest] & (own > 0)
        lengths = np.where(there, own, lengths)
    return lengths


def crowd_index(
    keypoints: np.ndarray, labeled: np.ndarray, bboxes: np.ndarray
) -> float:
    """CrowdPose's index of a frame: joints of others in a person's box.

    Mean over the people with joints of (joints of others inside of the box)
    / (own joints). 0 where there are none.

    Args:
        keypoints: (G, K, 2) pixels.
        labeled: (G, K) bool.
        bboxes: (G, 4), x1 y1 x2 y2.
    """
    own = labeled.sum(axis=1)
    people = np.flatnonzero(own)
    if not len(people):
        return 0.0
    low, high = bboxes[people, None, None, :2], bboxes[people, None, None, 2:]
    inside = ((keypoints >= low) & (keypoints <= high)).all(axis=3) & labeled
    inside[np.arange(len(people)), people] = False
    return float((inside.sum(axis=(1, 2)) / own[people]).mean())


def frame_weight(crowding: float, anomalous: int, form: str = 'exp') -> float:
    """As how many a frame counts in w-AP, with HiEve's c1 = 2 and c2 = 1.

    The equation is lost in the texts at hand: ``'exp'`` is c1 e^CI + c2 e^N,
    ``'linear'`` its beginning, c1 (1 + CI) + c2 (1 + N).

    Args:
        crowding: CI, see :func:`crowd_index`.
        anomalous: N, categories of anomalous actions in the frame.
        form: ``'exp'`` or ``'linear'``.

    Example:
        >>> frame_weight(0.5, 2, 'linear')
        6.0
    """
    if form not in WEIGHT_FORMS:
        raise ValueError(
            f'frame_weight: form must be one of {WEIGHT_FORMS}, but got '
            f'{form!r}'
        )
    if form == 'linear':
        return 2.0 * (1 + crowding) + (1 + anomalous)
    return float(2 * np.exp(crowding) + np.exp(anomalous))


def held_counts(
    actions: Mapping[int, set[str]], frames: Sequence[int], names: Sequence
) -> list[int]:
    """How many of some actions happen in each frame of a video.

    Actions are labelled in some frames (in HiEve in every 20th), and hold
    until the next of these.

    Args:
        actions: Frame number to actions, for the labelled frames.
        frames: Numbers of frames, rising.
        names: The actions that count.

    Example:
        >>> held_counts({1: {'run', 'fall'}, 4: {'run'}}, range(6), ['fall'])
        [0, 1, 1, 1, 0, 0]
    """
    labelled = sorted(actions)
    counts = [len(actions[frame] & set(names)) for frame in labelled]
    places = np.searchsorted(labelled, np.asarray(frames), side='right')
    return [counts[place - 1] if place else 0 for place in places]
