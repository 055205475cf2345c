# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Tracking of joints as PoseTrack's official program counts it."""

from __future__ import annotations

import numpy as np

from .pose_pairing import known_mean
from .posetrack_ap import PCKH_THR, head_distances
from .posetrack_io import (
    POSETRACK_JOINTS,
    FramePair,
    PoseTrackSource,
    posetrack_sequences,
)


class JointTrackCounts:
    """CLEAR MOT counts of one joint, fed frame by frame.

    A true joint stays with the prediction that it was matched with last
    (by track id, however long ago) as long as that one is near enough; the
    others are then matched so that as many as possible are, at the smallest
    sum of distances. A match with another prediction than the last is a
    switch (Bernardin and Stiefelhagen, 2008).

    For its MOTP the official program sums the distances of all events that
    py-motmetrics (1.2 to 1.4) lists, and a distance can be that of several:
    of a pair that could be matched, of a match, and, where a match does not
    go on with the person's last track,

    - of one more if it is a switch to a track that nobody has had so far;
    - of one more if the track was last given to another person;
    - of one more if that is so and the person has had no track so far.

    Attributes:
        frames (int): Frames seen.
        objects (int): True joints.
        predictions (int): Predicted joints.
        matches (int): Matched ones, switches included.
        switches (int): Matches with another track than before.
        distance (float): Sum over the matches.
        candidates (float): Sum of the distances of all pairs near enough to
            be matched, over all frames.
        handovers (float): Sum over the further events of matches.
    """

    def __init__(self) -> None:
        self.frames = self.objects = self.predictions = 0
        self.matches = self.switches = 0
        self.distance = self.candidates = self.handovers = 0.0
        self.start_sequence()

    def start_sequence(self) -> None:
        """Forget who was matched with whom; the counts go on."""
        # Track that a person was matched with last, and person that a track
        # was last given to, which going on with it does not change.
        self._track_of: dict[int, int] = {}
        self._owner_of: dict[int, int] = {}

    def update_empty(self) -> None:
        """Count a frame in which there is nobody on one side.

        Whoever was on the other, it is one missed and one false joint.
        """
        self.frames += 1
        self.objects += 1
        self.predictions += 1

    def update(
        self, truth_ids: list[int], pred_ids: list[int], distances: np.ndarray
    ) -> None:
        """Count one frame.

        Args:
            truth_ids: G track ids.
            pred_ids: P track ids, all different.
            distances: (P, G) float64; NaN where a pair cannot be matched.
        """
        self.frames += 1
        self.objects += len(truth_ids)
        self.predictions += len(pred_ids)
        # The person is the row, as it is in py-motmetrics: of two ways to
        # match at the same cost it decides.
        costs = distances.T.copy()
        free = np.isfinite(costs)
        self.candidates += float(costs[free].sum())
        rows: dict[int | None, int] = {
            track: i for i, track in enumerate(pred_ids)
        }
        for j, person in enumerate(truth_ids):
            i = rows.get(self._track_of.get(person))
            if i is not None and free[j, i]:
                self.matches += 1
                self.distance += float(costs[j, i])
                free[j], free[:, i] = False, False
        if not free.any():
            return
        from scipy.optimize import linear_sum_assignment

        # Dearer than all that can be matched together.
        costs[~free] = 2 * min(costs.shape) * (costs[free].max() + 1) + 1
        for j, i in zip(*linear_sum_assignment(costs)):
            if free[j, i]:
                self._match(truth_ids[j], pred_ids[i], float(costs[j, i]))

    def _match(self, person: int, track: int, distance: float) -> None:
        """A match that does not go on from an earlier one."""
        switch = self._track_of.get(person, track) != track
        taken = self._owner_of.get(track, person) != person
        events = (
            (switch and track not in self._owner_of)
            + taken
            + (taken and person not in self._track_of)
        )
        self.matches += 1
        self.switches += int(switch)
        self.distance += distance
        self.handovers += events * distance
        self._track_of[person] = track
        self._owner_of[track] = person

    def scores(self) -> tuple[float, float, float, float]:
        """MOTA, MOTP, precision and recall, 1 is perfect.

        MOTP is 0 without a match, MOTA and recall are NaN without a true
        joint, and precision is without a predicted one; all are without a
        frame.
        """
        if not self.frames:
            return (np.nan,) * 4
        mota = precision = recall = np.nan
        if self.objects:
            misses = self.objects - self.matches
            false = self.predictions - self.matches
            mota = 1 - (misses + false + self.switches) / self.objects
            recall = self.matches / self.objects
        if self.predictions:
            precision = self.matches / self.predictions
        motp = 0.0
        if self.matches:
            events = self.candidates + self.distance + self.handovers
            motp = 1 - events / self.matches
        return mota, motp, precision, recall


def posetrack_mot(
    gt_dir: PoseTrackSource, pred_dir: PoseTrackSource, thr: float = PCKH_THR
) -> dict[str, dict[str, float]]:
    """MOTA, MOTP, precision and recall of each joint, over all sequences.

    Each joint is tracked by itself: it has the track id of its person, and
    can be matched within ``thr`` times the true head's size; see
    :class:`JointTrackCounts`. Counts are added up over the sequences before
    the scores are made of them. Frames and joints that do not count are
    those of :func:`posetrack_sequences`. More of the official program's
    rules, without which its figures are not met:

    - The last evaluated frame of each sequence is left out, so a sequence of
      one frame has no say.
    - A frame without predicted people, or one whose true people are all in
      ignore regions, is one missed and one false joint of each kind, whoever
      was there.
    - MOTP is 100 (1 - D / n) for n matches. D, in head sizes, sums more
      distances than those of the matches, so that 100 is perfect, but where
      nobody else is near the usual MOTP is (100 + this) / 2.
    - Without a match MOTP is 0.

    A joint that is annotated nowhere has no MOTA and no recall (NaN), one
    that is not predicted either has no precision, and a total is the mean of
    the joints that have a value.

    Args:
        gt_dir: See :func:`posetrack_ap`.
        pred_dir: See :func:`posetrack_ap`; all people have a ``track_id``,
            which differ within an image.
        thr: Distance in units of the head's size.

    Returns:
        dict[str, dict[str, float]]: ``mota``, ``motp``, ``pre`` and ``rec``
        in per cent, each by joint (``POSETRACK_JOINTS``) and ``'total'``.

    Raises:
        FileNotFoundError: A folder or a sequence is missing.
        ValueError: A file that cannot be read, a person without ``track_id``
            or two predicted ones of an image with the same.
    """
    counts = [JointTrackCounts() for _ in POSETRACK_JOINTS]
    for name, sequence in posetrack_sequences(gt_dir, pred_dir, tracked=True):
        _check_tracks(name, sequence)
        for joint in counts:
            joint.start_sequence()
        for pair in sequence[:-1]:
            _count_frame(counts, pair, thr)
    result: dict[str, dict[str, float]] = dict(
        mota={}, motp={}, pre={}, rec={}
    )
    for name, joint in zip(POSETRACK_JOINTS, counts):
        for key, value in zip(result, joint.scores()):
            result[key][name] = 100 * value
    for values in result.values():
        values['total'] = known_mean(list(values.values()))
    return result


def _check_tracks(name: str, sequence: list[FramePair]) -> None:
    for pair in sequence:
        for frame, side in zip(pair, ('true', 'predicted')):
            if None in frame.track_ids:
                raise ValueError(
                    f'{name}: a {side} person has no track_id; give each '
                    "person of a frame the number of its track, or don't "
                    'evaluate tracking'
                )


def _count_frame(
    counts: list[JointTrackCounts], pair: FramePair, thr: float
) -> None:
    if not pair[0].track_ids or not pair[1].track_ids:
        for joint in counts:
            joint.update_empty()
        return
    distances = head_distances(pair)
    # A comparison with NaN is False.
    distances = np.where(distances <= thr, distances, np.nan)
    rows = [
        [np.flatnonzero(frame.present[:, i]) for i in range(len(counts))]
        for frame in pair
    ]
    for i, joint in enumerate(counts):
        truths, preds = rows[0][i], rows[1][i]
        joint.update(
            [pair[0].track_ids[k] for k in truths],
            [pair[1].track_ids[k] for k in preds],
            distances[np.ix_(preds, truths)][..., i],
        )
