# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple, Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpose.registry import METRICS
from mmpose.utils.tensor_utils import to_numpy

from ..functional.mpjpe import (
    bone_length_spread,
    mpjpe,
    mpjve,
    n_mpjpe,
    p_mpjpe,
)

MILLIMETRES = 1000
PROTOCOLS = {'MPJPE': mpjpe, 'P-MPJPE': p_mpjpe, 'N-MPJPE': n_mpjpe}


class _Sequence(NamedTuple):
    """Frames of one sequence, in order, each once.

    Attributes:
        action: Its name.
        frames: (n,) int.
        found: (n, K, 3), metres.
        true: (n, K, 3).
    """

    action: str
    frames: np.ndarray
    found: np.ndarray
    true: np.ndarray


@METRICS.register_module()
class SequenceMPJPE(BaseMetric):
    """Human3.6M's errors of 3D poses, in millimetres, by action.

    An error is the mean over all frames of an action (of all subjects, takes
    and cameras), and the number of the published tables is the plain mean
    over the actions:

    - ``MPJPE``, protocol 1: nothing aligned;
    - ``P-MPJPE``, protocol 2: rotation, scale, translation of each frame;
    - ``N-MPJPE``, protocol 3: scale of each frame;
    - ``MPJVE``: of the differences between consecutive frames;
    - ``bone_spread``: standard deviation over time of the found bones'
      lengths, mean over bones and sequences; where the data set has
      ``skeleton_links``.

    Samples have ``pred_instances.keypoints`` and
    ``gt_instances.lifting_target`` (T, K, 3), both in metres from the root,
    ``video_id``, ``frame_ids``, and ``action`` (without one, all are of one
    action). A frame that comes twice counts once.

    Args:
        per_action (bool): Whether each action's errors are among the
            metrics, as ``MPJPE/Walking``. They are printed in any case.
            Defaults to ``False``.
        collect_device (str): See :class:`mmengine.evaluator.BaseMetric`.
        prefix (str, optional): Of the metrics' names. Defaults to ``None``.
    """

    def __init__(
        self,
        per_action: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.per_action = per_action

    def process(
        self, data_batch: Any, data_samples: Sequence[dict[str, Any]]
    ) -> None:
        """Take a batch of answers.

        Raises:
            ValueError: Poses that are no numbers, or not as many as frames.
        """
        for sample in data_samples:
            found = to_numpy(sample['pred_instances']['keypoints'])
            true = to_numpy(sample['gt_instances']['lifting_target'])
            name, frames = str(sample['video_id']), sample['frame_ids']
            if found.shape != true.shape or len(frames) != len(found):
                raise ValueError(
                    f'{type(self).__name__}: {name} has {len(frames)} frames, '
                    f'found poses {found.shape} and true ones {true.shape}'
                )
            if not np.isfinite(found).all():
                raise ValueError(
                    f'{type(self).__name__}: a pose found in {name} is no '
                    'number (NaN or infinite); the weights or the 2D poses '
                    'are'
                )
            self.results.append(
                (name, str(sample.get('action', 'all')), frames, found, true)
            )

    def compute_metrics(self, results: list[tuple]) -> dict[str, float]:
        """Errors in millimetres."""
        sequences = _sequences(results)
        table: dict[str, dict[str, list]] = defaultdict(
            lambda: defaultdict(list)
        )
        for sequence in sequences:
            rows = table[sequence.action]
            for name, error in PROTOCOLS.items():
                rows[name].append(error(sequence.found, sequence.true))
            rows['MPJVE'].append(_velocity_errors(sequence))
        actions = {
            action: {
                name: MILLIMETRES * float(np.concatenate(errors).mean())
                for name, errors in rows.items()
                if sum(map(len, errors))
            }
            for action, rows in sorted(table.items())
        }
        names = (*PROTOCOLS, 'MPJVE')
        metrics = {
            name: float(
                np.mean([r[name] for r in actions.values() if name in r])
            )
            for name in names
            if any(name in row for row in actions.values())
        }
        print_log(_table(actions, metrics, names), logger='current')
        bones = (self.dataset_meta or {}).get('skeleton_links')
        if bones:
            metrics['bone_spread'] = MILLIMETRES * float(
                np.mean(
                    [bone_length_spread(s.found, bones) for s in sequences]
                )
            )
        if self.per_action:
            for action, row in actions.items():
                metrics.update({f'{name}/{action}': row[name] for name in row})
        return metrics


def _sequences(results: list[tuple]) -> list[_Sequence]:
    parts = defaultdict(list)
    for name, action, frames, found, true in results:
        parts[name, action].append((frames, found, true))
    sequences = []
    for (_, action), pieces in parts.items():
        frames, found, true = (np.concatenate(p) for p in zip(*pieces))
        frames, index = np.unique(frames, return_index=True)
        sequences.append(_Sequence(action, frames, found[index], true[index]))
    return sequences


def _velocity_errors(sequence: _Sequence) -> np.ndarray:
    """Of neighbours that are one frame apart."""
    errors = mpjve(sequence.found, sequence.true)
    return errors[np.diff(sequence.frames) == 1]


def _table(actions: dict, means: dict, names: Sequence[str]) -> str:
    width = max(map(len, ('Mean', *actions)))
    lines = [' '.join([' ' * width, *(f'{name:>8}' for name in names)])]
    for action, row in [*actions.items(), ('Mean', means)]:
        cells = [
            f'{row[name]:8.1f}' if name in row else f'{"-":>8}'
            for name in names
        ]
        lines.append(' '.join([f'{action:{width}}', *cells]))
    return 'mm\n' + '\n'.join(lines)
