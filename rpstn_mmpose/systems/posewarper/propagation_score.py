# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Labels that were carried over, compared with labels that were left out."""

from __future__ import annotations

from collections import defaultdict
from typing import Mapping, NamedTuple, Sequence

import numpy as np

from ...evaluation.functional import pck_counts, reference_length
from .sparse_labels import Pose, Poses


class Share(NamedTuple):
    """How many joints are right.

    Attributes:
        correct: Of those that count.
        total: Joints that count.
    """

    correct: int
    total: int

    @property
    def percent(self) -> float:
        """NaN where none counts."""
        return 100 * self.correct / self.total if self.total else float('nan')


def score_by_distance(
    people: Mapping[int, Poses],
    left_out: Mapping[int, Poses],
    joints: Sequence[str],
    thr: float = 0.2,
    norm_item: str = 'torso',
) -> dict[int, dict[str, Share]]:
    """PCK by the frames between a pose and the nearest label of its person.

    All joints count alike. What got no pose is wrong.

    Args:
        people: Poses by person and frame, labels among them.
        left_out: The truth of some of the frames, by person and frame.
        joints: Names of the K joints.
        thr: A joint is correct within so many reference lengths.
        norm_item: See :func:`~rpstn_mmpose.evaluation.functional.
            reference_length`.

    Returns:
        dict[int, dict[str, Share]]: By distance, in order: ``visible`` and
        ``hidden`` joints.
    """
    rows: dict[int, list[tuple[Pose | None, Pose]]] = defaultdict(list)
    for person, truth in left_out.items():
        poses = people.get(person, {})
        labels = [frame for frame, pose in poses.items() if pose.given]
        for frame, true in truth.items():
            if labels:
                away = min(abs(frame - label) for label in labels)
                rows[away].append((poses.get(frame), true))
    scores: dict[int, dict[str, Share]] = {}
    for away in sorted(rows):
        found = [pose for pose, _ in rows[away]]
        whole = [pose for _, pose in rows[away]]
        points = np.stack([pose.keypoints for pose in whole])
        labeled = np.stack([pose.labeled for pose in whole])
        visible = np.stack([pose.visible for pose in whole]) & labeled
        boxes = np.stack([pose.bbox for pose in whole])
        nowhere = np.full(points.shape[1:], np.nan)
        guessed = np.stack(
            [
                nowhere
                if pose is None
                else np.where(pose.labeled[:, None], pose.keypoints, np.nan)
                for pose in found
            ]
        )
        length = reference_length(norm_item, joints, points, labeled, boxes)
        scores[away] = {}
        for kind, mask in (
            ('visible', visible),
            ('hidden', labeled & ~visible),
        ):
            correct, total = pck_counts(guessed, points, mask, length, thr)
            share = Share(int(correct.sum()), int(total.sum()))
            scores[away][kind] = share
    return scores
