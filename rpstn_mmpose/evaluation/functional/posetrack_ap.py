# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Average precision of poses as PoseTrack's official program counts it."""

from __future__ import annotations

from typing import Mapping

import numpy as np

from .pose_pairing import average_precision, known_mean, pair_people
from .posetrack_io import (
    POSETRACK_JOINTS,
    FramePair,
    PoseTrackSource,
    posetrack_sequences,
)

# Columns of PoseTrack's tables, each the mean of its joints.
POSETRACK_GROUPS: dict[str, tuple[str, ...]] = {
    'Head': ('head_top', 'neck', 'nose'),
    'Shou': ('left_shoulder', 'right_shoulder'),
    'Elb': ('left_elbow', 'right_elbow'),
    'Wri': ('left_wrist', 'right_wrist'),
    'Hip': ('left_hip', 'right_hip'),
    'Knee': ('left_knee', 'right_knee'),
    'Ankl': ('left_ankle', 'right_ankle'),
}

# Of the head's size: a joint at this distance is still right.
PCKH_THR = 0.5


def posetrack_ap(
    gt_dir: PoseTrackSource, pred_dir: PoseTrackSource, thr: float = PCKH_THR
) -> dict[str, dict[str, float]]:
    """AP, precision and recall of each joint, over all sequences.

    A predicted joint fits a true one at a distance of at most ``thr`` times
    the head's size (0.6 of the head box's diagonal). Each predicted person
    chooses the true person of whose joints it fits the largest part, each
    true person takes the best of those who chose it (with equal parts, the
    first), and all other predictions are false. With people paired, a
    predicted joint is right if it fits; joints are ranked by their own
    scores, a person's score plays no part, and the AP is the area under the
    precision made monotonic, summed at every step of recall. Precision and
    recall are those of all predictions. See :func:`posetrack_sequences` for
    frames and joints that do not count.

    Of two equal scores the later one ranks first, in order of files, images
    and annotations. Among many, numpy's sort leaves the order of equal ones
    open: it depends on the processor. It is asked by the official program's
    own call, ``argsort()[::-1]``, so that both agree on one machine.

    A person with an empty head box cannot be found; its joints count as
    missed. A joint that is never predicted has 0 everywhere, also if it is
    annotated nowhere. One that is annotated nowhere, but predicted, has no
    AP and no recall (NaN) and precision 0. A total is the mean of the joints
    that have a value.

    Args:
        gt_dir: Folder with the truth, one PoseTrack18 file a sequence, or
            what is in the files by file name.
        pred_dir: Predictions in the same way, by the same file names. The
            scores are ``scores`` of an annotation; without them all joints
            share one, -9999.
        thr: Distance in units of the head's size.

    Returns:
        dict[str, dict[str, float]]: ``ap``, ``pre`` and ``rec`` in per cent,
        each by joint (``POSETRACK_JOINTS``) and ``'total'``.

    Raises:
        FileNotFoundError: A folder or a sequence is missing.
        ValueError: A file that cannot be read; see
            :func:`posetrack_sequences`.
    """
    frames = [
        pair
        for _, sequence in posetrack_sequences(gt_dir, pred_dir)
        for pair in sequence
    ]
    ranked = [_ranked(pair, thr) for pair in frames]
    present = np.concatenate([pair[1].present for pair in frames])
    scores = np.concatenate([pair[1].scores for pair in frames])
    right = np.concatenate(ranked)
    number = np.concatenate([pair[0].present for pair in frames]).sum(axis=0)
    result: dict[str, dict[str, float]] = dict(ap={}, pre={}, rec={})
    for i, joint in enumerate(POSETRACK_JOINTS):
        there = present[:, i]
        values = average_precision(
            scores[there, i], right[there, i], int(number[i])
        )
        for key, value in zip(('ap', 'pre', 'rec'), values):
            result[key][joint] = 100 * value
    for by_joint in result.values():
        by_joint['total'] = known_mean(list(by_joint.values()))
    return result


def head_distances(pair: FramePair) -> np.ndarray:
    """Distances of all predicted to all true people's joints.

    Args:
        pair: Truth (G people) and predictions (P people) of an image.

    Returns:
        np.ndarray: (P, G, J) float64 in units of the true head's size; NaN
        where a joint is missing or the head's box is empty.
    """
    truth, pred = pair
    with np.errstate(over='ignore'):  # farther away than any threshold
        delta = pred.keypoints[:, None] - truth.keypoints[None]
        distance = np.sqrt(delta[..., 0] ** 2 + delta[..., 1] ** 2)
    size = np.where(truth.head_sizes > 0, truth.head_sizes, np.nan)
    there = pred.present[:, None] & truth.present[None]
    return np.where(there, distance / size[None, :, None], np.nan)


def _ranked(pair: FramePair, thr: float) -> np.ndarray:
    """(P, J) bool: predicted joints of one image that are right."""
    truth, pred = pair
    right = np.zeros(pred.present.shape, bool)
    if not len(truth.keypoints) or not len(pred.keypoints):
        return right
    # A comparison with NaN is False.
    fits = head_distances(pair) <= thr
    part = fits.sum(axis=2) / np.maximum(truth.present.sum(axis=1), 1)
    pairs = pair_people(part)
    paired = pairs >= 0
    right[paired] = fits[paired, pairs[paired]]
    return right


def posetrack_columns(values: Mapping[str, float]) -> dict[str, float]:
    """The columns of PoseTrack's tables.

    Args:
        values: By joint and ``'total'``, e.g. ``posetrack_ap(...)['ap']``.

    Returns:
        dict[str, float]: ``Head`` ... ``Ankl`` (``POSETRACK_GROUPS``), mean
        over a column's joints, NaN if one of them is, and ``Total``.
    """
    columns = {
        column: float(np.mean([values[joint] for joint in joints]))
        for column, joints in POSETRACK_GROUPS.items()
    }
    columns['Total'] = values['total']
    return columns


def posetrack_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """A table in PoseTrack's columns.

    Args:
        rows: Label to values by joint and ``'total'``, per cent.

    Returns:
        str: A heading and one line a row; ``-`` where there is no value.
    """
    cells = [['', *POSETRACK_GROUPS, 'Total']]
    for label, values in rows.items():
        columns = posetrack_columns(values).values()
        cells.append(
            [label] + ['-' if np.isnan(v) else f'{v:.1f}' for v in columns]
        )
    widths = [max(map(len, column)) for column in zip(*cells)]
    return '\n'.join(
        '  '.join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths))
        )
        for row in cells
    )
