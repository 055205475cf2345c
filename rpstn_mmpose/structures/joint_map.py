# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Joints of one skeleton made of another one's, by their names."""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np

# A joint in terms of others: weights by name. The first line whose joints are
# there is taken; a joint of the same name comes before all of them. Joints
# may be made of others that are made.
Rule = Mapping[str, float]
RULES: dict[str, tuple[Rule, ...]] = {
    'root': ({'pelvis': 1}, {'left_hip': 0.5, 'right_hip': 0.5}),
    'thorax': (
        {'neck': 1},
        {'head_bottom': 1},
        {'upper_neck': 1},
        {'left_shoulder': 0.5, 'right_shoulder': 0.5},
    ),
    'spine': ({'belly': 1}, {'root': 0.5, 'thorax': 0.5}),
    'neck_base': ({'nose': 1}, {'thorax': 0.5, 'head': 0.5}),
    'head': ({'head_top': 1}, {'left_eye': 0.5, 'right_eye': 0.5}),
    **{
        f'{side}_{one}': ({f'{side}_{other}': 1},)
        for side in ('left', 'right')
        for one, other in (('foot', 'ankle'), ('ankle', 'foot'))
    },
}


class JointMap:
    """Linear map from one skeleton's joints to another's.

    It is an approximation: what is called alike is not marked at the same
    place in all data sets, and the rest is made of neighbours by
    :data:`RULES`. VideoPose3D's authors name 78.5 mm for Human3.6M from
    converted joints of COCO where 46.8 mm are reached from its own.

    Args:
        source (Sequence[str]): Names of the joints that are there, in order.
        target (Sequence[str]): Names of those needed.

    Attributes:
        weights: (K', K), rows of sum 1.

    Raises:
        ValueError: A joint that cannot be made; one line.
    """

    def __init__(self, source: Sequence[str], target: Sequence[str]) -> None:
        self.source, self.target = tuple(source), tuple(target)
        rows, missing = [], []
        for name in self.target:
            row = _row(name, self.source, ())
            rows.append(row)
            if row is None:
                missing.append(name)
        if missing:
            needed = ' or '.join(
                ' and '.join(rule) for rule in RULES.get(missing[0], ())
            )
            raise ValueError(
                f'the joints {", ".join(missing)} cannot be made of '
                f'{", ".join(self.source)}'
                + (f'; {missing[0]} needs {needed}' if needed else '')
            )
        self.weights = np.array(rows, np.float32)

    @property
    def is_identity(self) -> bool:
        """Whether all joints stay what they are."""
        return self.source == self.target

    def __call__(
        self, keypoints: np.ndarray, scores: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Convert poses.

        Args:
            keypoints: (..., K, 2).
            scores: (..., K).

        Returns:
            tuple: (..., K', 2), and (..., K') where a joint that is made of
            several has the lowest of their scores.
        """
        used = self.weights != 0
        lowest = np.where(used, np.asarray(scores)[..., None, :], np.inf)
        return self.weights @ np.asarray(keypoints), lowest.min(axis=-1)


def _row(
    name: str, source: Sequence[str], above: Sequence[str]
) -> np.ndarray | None:
    """Weights (K,) of a joint; None, if it cannot be made."""
    if name in source:
        return np.eye(len(source))[list(source).index(name)]
    if name in above:
        return None
    for rule in RULES.get(name, ()):
        found = {part: _row(part, source, (*above, name)) for part in rule}
        rows = [
            rule[part] * row for part, row in found.items() if row is not None
        ]
        if len(rows) == len(rule):
            return np.sum(rows, axis=0)
    return None
