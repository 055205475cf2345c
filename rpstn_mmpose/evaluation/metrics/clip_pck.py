# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpose.registry import METRICS

from ...structures import wanted_frames
from ...structures.arrays import to_numpy
from ...structures.hidden_joints import HIDDEN_KINDS, hidden_masks
from ..functional import group_pck, joint_groups, pck_counts, reference_length

SWEEP = tuple(round(0.1 * i, 1) for i in range(1, 11))


def _percent(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.1f}'


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, the first column to the left."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        '  '.join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths))
        )
        for row in rows
    ]


@METRICS.register_module()
class ClipPCK(BaseMetric):
    """PCK of visible joints, by joint, and of occluded joints on the side.

    Takes clips (samples of T rows, of which ``frame_mask`` selects those that
    count) and stock single-frame samples. Scores are per cent. A keypoint is
    correct at a distance of at most ``thr`` times the reference length;
    frames whose reference length is undefined (for ``'torso'``: left shoulder
    or right hip not labelled, or nearer than one pixel) do not count for that
    norm, and their number is reported. See
    :mod:`rpstn_mmpose.evaluation.functional.pck`.

    Metrics: ``mPCK`` and ``mPCK_occluded`` (first norm, at ``thr``), and for
    each norm ``torso/Head@0.2`` ... ``torso/Mean@0.2``,
    ``torso/Occluded@0.2`` (mean over occluded joints), ``torso/AUC`` (the
    mean column's average over ``thresholds``) and ``torso/left_out``
    (frames). A column without any keypoint is NaN.

    Where the ground truth tells what hides joints (``hidden_by`` and
    ``frames_unseen``), ``mPCK_by_thing`` and ``mPCK_by_person`` are added,
    and over both, by frames since the joint was last seen in the video:
    ``mPCK_unseen_1``, ``..._2-3``, ``..._4-7``, ``..._8+`` and
    ``mPCK_never_seen``.

    Args:
        thr (float): Threshold of the main score.
        norm_item (str | Sequence[str]): ``'torso'``, ``'person'`` or both;
            the first is the main score's.
        thresholds (Sequence[float]): The sweep's.
        out_file (str, optional): JSON file for counts by joint and threshold.
        collect_device (str): See :class:`mmengine.evaluator.BaseMetric`.
        prefix (str, optional): Of the metrics' names; None: ``'PCK'``.

    Raises:
        ValueError: An unknown norm, a threshold that is not positive, or
            predictions that do not fit the ground truth.
    """

    default_prefix = 'PCK'

    def __init__(
        self,
        thr: float = 0.2,
        norm_item: str | Sequence[str] = 'torso',
        thresholds: Sequence[float] = SWEEP,
        out_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        name = self.__class__.__name__
        norms = (norm_item,) if isinstance(norm_item, str) else norm_item
        self.norms = tuple(dict.fromkeys(norms))
        if not self.norms or not set(self.norms) <= {'torso', 'person'}:
            raise ValueError(
                f"{name}: norm_item must be 'torso', 'person' "
                f'or both, but got {norm_item!r}'
            )
        self.thr = float(thr)
        self.thresholds = tuple(float(t) for t in thresholds)
        if not self.thresholds or min(self.thresholds + (self.thr,)) <= 0:
            raise ValueError(
                f'{name}: thresholds must be positive, but got '
                f'thr={thr}, thresholds={tuple(thresholds)}'
            )
        self.out_file = out_file

    @property
    def keypoint_names(self) -> list[str]:
        """Names of the K joints, in order, from the data set's metainfo."""
        names = (self.dataset_meta or {}).get('keypoint_id2name')
        if not names:
            raise ValueError(
                f'{self.__class__.__name__} needs dataset_meta with '
                "'keypoint_id2name'; set metric.dataset_meta = "
                'dataset.metainfo'
            )
        return [names[i] for i in sorted(names)]

    def _truth(self, gt: dict, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Keypoints (N, K, 2), visible and labeled (N, K) bool."""
        keypoints = to_numpy(gt['keypoints'])[rows]
        visible = to_numpy(gt['keypoints_visible'])
        # MMPose's data sets also have (N, K, 1) and (N, K, 2).
        visible = visible.reshape(*visible.shape[:2], -1)[rows, :, 0] > 0
        labeled = visible
        if gt.get('keypoints_labeled') is not None:
            labeled = visible | (to_numpy(gt['keypoints_labeled'])[rows] > 0)
        return keypoints, visible, labeled

    def _masks(
        self,
        gt: dict,
        rows: np.ndarray,
        visible: np.ndarray,
        labeled: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Joints that count, (N, K) bool by kind."""
        hidden = labeled & ~visible
        masks = dict(visible=visible, occluded=hidden)
        told = [gt.get(key) for key in ('hidden_by', 'frames_unseen')]
        if all(values is not None for values in told):
            hidden_by, unseen = (to_numpy(values)[rows] for values in told)
            masks.update(hidden_masks(hidden, hidden_by, unseen))
        return masks

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count correct keypoints.

        One record a sample, so that what mmengine drops as padding is whole
        samples.

        Args:
            data_batch: Not used.
            data_samples (Sequence[dict]): With ``pred_instances.keypoints``
                and ``gt_instances`` (``keypoints``, ``keypoints_visible``,
                optionally ``keypoints_labeled``, ``hidden_by`` and
                ``frames_unseen``, and ``bboxes`` for ``'person'``), image
                pixels.
        """
        names = self.keypoint_names
        thrs = (self.thr,) + self.thresholds
        for sample in data_samples:
            gt = sample['gt_instances']
            pred = to_numpy(sample['pred_instances']['keypoints'])
            rows = np.flatnonzero(wanted_frames(sample))
            shape = np.shape(gt['keypoints'])
            if pred.shape[:2] != shape[:2] or shape[1] != len(names):
                raise ValueError(
                    f'{self.__class__.__name__}: predictions '
                    f'{tuple(pred.shape)} and ground truth {tuple(shape)} '
                    f'must both be T x {len(names)} x 2'
                )
            keypoints, visible, labeled = self._truth(gt, rows)
            masks = self._masks(gt, rows, visible, labeled)
            boxes = gt.get('bboxes')
            boxes = None if boxes is None else to_numpy(boxes)[rows]
            record: dict[str, Any] = dict(frames=len(rows))
            for norm in self.norms:
                length = reference_length(
                    norm, names, keypoints, labeled, boxes
                )
                counts: dict[str, Any] = {
                    kind: pck_counts(
                        pred[rows][..., :2], keypoints, mask, length, thrs
                    )
                    for kind, mask in masks.items()
                }
                counts['left_out'] = int(np.isnan(length).sum())
                record[norm] = counts
            self.results.append(record)

    def _summary(self, results: list[dict], norm: str) -> dict:
        """Counts and scores of one norm over all samples."""
        names = self.keypoint_names
        groups = joint_groups(names)
        out: dict[str, Any] = dict(
            left_out=sum(record[norm]['left_out'] for record in results),
            joints={name: {} for name in names},
        )
        told = [k for k in HIDDEN_KINDS if any(k in r[norm] for r in results)]
        for kind in ('visible', 'occluded', *told):
            counts = [r[norm][kind] for r in results if kind in r[norm]]
            correct = np.sum([correct for correct, _ in counts], axis=0)
            total = np.sum([total for _, total in counts], axis=0)
            scores = [group_pck(row, total, groups) for row in correct]
            scores = [{k: 100 * v for k, v in s.items()} for s in scores]
            sweep = {
                column: [s[column] for s in scores[1:]] for column in scores[0]
            }
            out[kind] = dict(
                scores=scores[0],
                sweep=sweep,
                auc=float(np.mean(sweep['Mean'])),
            )
            for i, name in enumerate(names):
                out['joints'][name][kind] = dict(
                    correct=int(correct[0, i]),
                    total=int(total[i]),
                    sweep_correct=correct[1:, i].tolist(),
                )
        return out

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Sum up, log the table, write ``out_file``.

        Args:
            results (list[dict]): The samples' records.

        Returns:
            dict[str, float]: Metrics by name; see the class.
        """
        if not results:
            raise ValueError(
                f'{self.__class__.__name__}: no sample was '
                'evaluated; check the data loader'
            )
        norms = {norm: self._summary(results, norm) for norm in self.norms}
        frames = sum(record['frames'] for record in results)
        main = norms[self.norms[0]]
        metrics = {
            'mPCK': main['visible']['scores']['Mean'],
            'mPCK_occluded': main['occluded']['scores']['Mean'],
        }
        for kind in HIDDEN_KINDS:
            if kind in main:
                metrics[f'mPCK_{kind}'] = main[kind]['scores']['Mean']
        for norm, summary in norms.items():
            for column, value in summary['visible']['scores'].items():
                metrics[f'{norm}/{column}@{self.thr:g}'] = value
            metrics[f'{norm}/Occluded@{self.thr:g}'] = summary['occluded'][
                'scores'
            ]['Mean']
            metrics[f'{norm}/AUC'] = summary['visible']['auc']
            metrics[f'{norm}/left_out'] = summary['left_out']
        print_log(self._table(norms, frames), 'current')
        if self.out_file is not None:
            self._write(norms, frames)
        return metrics

    def _table(self, norms: dict[str, dict], frames: int) -> str:
        columns = list(norms[self.norms[0]]['visible']['scores'])
        head = [f'PCK@{self.thr:g}'] + columns + ['Occluded', 'AUC', 'Frames']
        rows = [head]
        for norm, summary in norms.items():
            scores = summary['visible']['scores']
            values = [scores[column] for column in columns] + [
                summary['occluded']['scores']['Mean'],
                summary['visible']['auc'],
            ]
            cells = [_percent(value) for value in values]
            rows.append([norm] + cells + [str(frames - summary['left_out'])])
        lines = _aligned(rows)
        for norm, summary in norms.items():
            if summary['left_out']:
                lines.append(
                    f'{summary["left_out"]} of {frames} frames have no '
                    f'{norm} length and do not count for it'
                )
        lines += self._hidden_table(norms[self.norms[0]])
        return '\n'.join(['Visible joints, per cent:'] + lines)

    def _hidden_table(self, summary: dict) -> list[str]:
        """Scores and numbers of joints; nothing where no kind is told."""
        kinds = [kind for kind in HIDDEN_KINDS if kind in summary]
        if not kinds:
            return []
        rows = [['hidden', *kinds], [self.norms[0]], ['joints']]
        for kind in kinds:
            rows[1].append(_percent(summary[kind]['scores']['Mean']))
            joints = (joint[kind] for joint in summary['joints'].values())
            rows[2].append(str(sum(joint['total'] for joint in joints)))
        return ['Hidden joints, by frames since last seen:', *_aligned(rows)]

    def _write(self, norms: dict[str, dict], frames: int) -> None:

        def plain(value: Any) -> Any:
            if isinstance(value, dict):
                return {k: plain(v) for k, v in value.items()}
            if isinstance(value, (list, tuple)):
                return [plain(v) for v in value]
            if isinstance(value, float) and math.isnan(value):
                return None  # JSON has no NaN
            return value

        path = Path(self.out_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = dict(
            thr=self.thr,
            thresholds=list(self.thresholds),
            keypoint_names=self.keypoint_names,
            frames=frames,
            norms=norms,
        )
        path.write_text(json.dumps(plain(content), indent=1) + '\n')
