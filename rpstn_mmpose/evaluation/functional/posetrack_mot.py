# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Tracking of joints as PoseTrack's official program counts it."""
from __future__ import annotations

from typing import Dict, List, Tuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from .posetrack_ap import PCKH_THR, head_distances, known_mean
from .posetrack_io import (POSETRACK_JOINTS, FramePair, PoseTrackSource,
                           posetrack_pairs)


class JointTrackCounts:
    """CLEAR MOT counts of one joint, fed frame by frame.

    A true joint stays with the prediction that it was matched with last
    (by track id, however long ago) as long as that one is near enough; the
    others are then matched so that as many as possible are, at the smallest
    sum of distances. A match with another prediction than the last is a
    switch (Bernardin and Stiefelhagen, 2008).

    Attributes:
        objects (int): True joints.
        predictions (int): Predicted joints.
        matches (int): Matched ones, switches included.
        switches (int): Matches with another track than before.
        distance (float): Sum over the matches.
        candidates (float): Sum of the distances of all pairs near enough to
            be matched, over all frames.
    """

    def __init__(self):
        self.objects = self.predictions = self.matches = self.switches = 0
        self.distance = self.candidates = 0.
        self._last: Dict[int, int] = {}

    def start_sequence(self) -> None:
        """Forget who was matched with whom; the counts go on."""
        self._last = {}

    def update(self, truth_ids: List[int], pred_ids: List[int],
               distances: np.ndarray) -> None:
        """Count one frame.

        Args:
            truth_ids: G track ids.
            pred_ids: P track ids.
            distances: (P, G) float64; NaN where a pair cannot be matched.
        """
        self.objects += len(truth_ids)
        self.predictions += len(pred_ids)
        self.candidates += float(np.nansum(distances))
        free = np.isfinite(distances)
        for j, track in enumerate(truth_ids):
            for i in np.flatnonzero(free[:, j]):
                if self._last.get(track) == pred_ids[i]:
                    self._match(distances[i, j])
                    free[i], free[:, j] = False, False
                    break
        if not free.any():
            return
        # Dearer than all that can be matched together.
        costs = np.where(free, distances, 1 + distances[free].sum())
        for i, j in zip(*linear_sum_assignment(costs)):
            if free[i, j]:
                before = self._last.get(truth_ids[j], pred_ids[i])
                self.switches += int(before != pred_ids[i])
                self._last[truth_ids[j]] = pred_ids[i]
                self._match(distances[i, j])

    def _match(self, distance: float) -> None:
        self.matches += 1
        self.distance += float(distance)

    def scores(self) -> Tuple[float, float, float, float]:
        """MOTA, MOTP, precision and recall, 1 is perfect.

        NaN without a true joint; MOTP also without a match.
        """
        if not self.objects:
            return (np.nan, ) * 4
        misses = self.objects - self.matches
        false = self.predictions - self.matches
        motp = np.nan
        if self.matches:
            motp = 1 - (self.distance + self.candidates) / self.matches
        return (1 - (misses + false + self.switches) / self.objects, motp,
                self.matches / max(self.predictions, 1),
                self.matches / self.objects)


def posetrack_mot(gt_dir: PoseTrackSource,
                  pred_dir: PoseTrackSource,
                  thr: float = PCKH_THR) -> Dict[str, Dict[str, float]]:
    """MOTA, MOTP, precision and recall of each joint, over all sequences.

    Each joint is tracked by itself: it has the track id of its person, and
    can be matched within ``thr`` times the true head's size; see
    :class:`JointTrackCounts`. Counts are added up over the sequences before
    the scores are made of them. Frames and joints that do not count are
    those of :func:`posetrack_pairs`. Two more of the official program's
    rules, without which its figures are not met:

    - The last evaluated frame of each sequence is left out, so a sequence of
      one frame has no say.
    - MOTP is 100 (1 - (D + C) / n) for n matches of summed distance D, where
      C sums the distances of all pairs that could have been matched: every
      matched pair is counted twice. The distances are in head sizes, so 100
      is perfect and, where nobody else is near, the usual MOTP is
      (100 + this) / 2.

    In a frame without predictions all joints are missed. A joint that is
    annotated nowhere has no scores (NaN), and a total is the mean of the
    joints that have a value.

    Args:
        gt_dir: See :func:`posetrack_ap`.
        pred_dir: See :func:`posetrack_ap`; all people have a ``track_id``.
        thr: Distance in units of the head's size.

    Returns:
        dict[str, dict[str, float]]: ``mota``, ``motp``, ``pre`` and ``rec``
        in per cent, each by joint (``POSETRACK_JOINTS``) and ``'total'``.

    Raises:
        FileNotFoundError: A folder or a sequence is missing.
        ValueError: A file that cannot be read, or a person without
            ``track_id``.
    """
    counts = [JointTrackCounts() for _ in POSETRACK_JOINTS]
    for name, sequence in posetrack_pairs(gt_dir, pred_dir).items():
        _check_tracks(name, sequence)
        for joint in counts:
            joint.start_sequence()
        for pair in sequence[:-1]:
            _count_frame(counts, pair, thr)
    result: Dict[str, Dict[str, float]] = dict(mota={}, motp={}, pre={},
                                               rec={})
    for name, joint in zip(POSETRACK_JOINTS, counts):
        for key, value in zip(result, joint.scores()):
            result[key][name] = 100 * value
    for values in result.values():
        values['total'] = known_mean(list(values.values()))
    return result


def _check_tracks(name: str, sequence: List[FramePair]) -> None:
    for pair in sequence:
        for frame, side in zip(pair, ('true', 'predicted')):
            if None in frame.track_ids:
                raise ValueError(
                    f'{name}: a {side} person has no track_id; give each '
                    "person of a frame the number of its track, or don't "
                    'evaluate tracking')


def _count_frame(counts: List[JointTrackCounts], pair: FramePair,
                 thr: float) -> None:
    distances = head_distances(pair)
    # A comparison with NaN is False.
    distances = np.where(distances <= thr, distances, np.nan)
    rows = [
        [np.flatnonzero(frame.present[:, i]) for i in range(len(counts))]
        for frame in pair
    ]
    for i, joint in enumerate(counts):
        truths, preds = rows[0][i], rows[1][i]
        joint.update([pair[0].track_ids[k] for k in truths],
                     [pair[1].track_ids[k] for k in preds],
                     distances[np.ix_(preds, truths)][..., i])
