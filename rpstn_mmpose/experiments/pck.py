# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What :class:`ClipPCK` tells of a run: by joint, kind and threshold."""

from __future__ import annotations

import math
from typing import Any, Sequence

import numpy as np

from ..evaluation.functional import PCK_GROUPS, group_pck, joint_groups
from ..structures.hidden_joints import HIDDEN_KINDS
from .stats import (
    Record,
    by_config,
    check_baseline,
    cost_stats,
    describe,
    paired_difference,
)

NORM = 'torso'
KINDS = ('visible', 'occluded')

# Parts of the body that the papers' curves are drawn for, by column.
LIMBS = {
    'Upper limbs': ('Sho.', 'Elb.', 'Wri.'),
    'Lower limbs': ('Hip', 'Knee', 'Ank.'),
}


def score(record: Record, kind: str, column: str = 'Mean') -> float | None:
    """PCK by torso length at the main threshold.

    Args:
        record: Of one run.
        kind: ``'visible'``, ``'occluded'``, or one of ``HIDDEN_KINDS``.
        column: One of ``PCK_GROUPS`` or ``'Mean'``.

    Returns:
        float | None: Per cent; None where no joint was counted.
    """
    kinds = record['pck']['norms'][NORM]
    if kind in HIDDEN_KINDS and kind not in kinds:
        return None  # the labels do not tell
    value = kinds[kind]['scores'][column]
    return None if value is None or math.isnan(value) else float(value)


def told_kinds(
    records: Sequence[Record], kinds: Sequence[str] = HIDDEN_KINDS
) -> list[str]:
    """Those of some ``HIDDEN_KINDS`` that a record tells of."""
    norms = [record['pck']['norms'][NORM] for record in records]
    return [kind for kind in kinds if any(kind in norm for norm in norms)]


def limb_curves(
    record: Record, kind: str = 'visible'
) -> dict[str, list[float]]:
    """PCK over the thresholds, for ``LIMBS`` and the mean over all joints.

    Args:
        record: Of one run.
        kind: ``'visible'`` or ``'occluded'``.

    Returns:
        dict[str, list[float]]: Per cent for each of the record's
        ``thresholds``, by part; NaN where no joint was counted. A part is
        the mean over its joints, as in ``group_pck``.
    """
    pck = record['pck']
    names = pck['keypoint_names']
    columns = joint_groups(names)
    parts = {
        part: sum((columns[column] for column in wanted), [])
        for part, wanted in LIMBS.items()
    }
    joints = [pck['norms'][NORM]['joints'][name][kind] for name in names]
    total = np.array([joint['total'] for joint in joints])
    curves: dict[str, list[float]] = {part: [] for part in (*LIMBS, 'Mean')}
    for i in range(len(pck['thresholds'])):
        correct = np.array([joint['sweep_correct'][i] for joint in joints])
        for part, value in group_pck(correct, total, parts).items():
            curves[part].append(100 * value)
    return curves


def common_thresholds(records: Sequence[Record]) -> dict:
    """The main threshold (``thr``) and the sweep (``thresholds``).

    Raises:
        ValueError: No record, a record without PCK, or records of different
            thresholds.
    """
    if not records:
        raise ValueError('there is no finished run to report')
    for record in records:
        if 'pck' not in record:
            raise ValueError(
                f'{record["config"]} was not tested by a ClipPCK; rank by '
                f'another metric: --metric with one of '
                f'{", ".join(record["metrics"])}'
            )
    keys = ('thr', 'thresholds')
    first = {key: records[0]['pck'][key] for key in keys}
    for record in records:
        if any(record['pck'][key] != first[key] for key in keys):
            raise ValueError(
                f'{record["config"]} and {records[0]["config"]} were '
                'evaluated at different thresholds; use one thr and '
                'thresholds for all configs'
            )
    return first


def summarize(
    records: Sequence[Record], baseline: str | None = None
) -> list[dict[str, Any]]:
    """Means of PCK over seeds, a row for each config.

    Args:
        records: Of the runs.
        baseline: Config that the others are compared with.

    Returns:
        list[dict]: ``config``; ``seeds`` (list[int]); ``visible``,
        ``occluded``, and those of ``HIDDEN_KINDS`` that a record tells of
        (:class:`Stat` in per cent by column, ``'Mean'`` among them);
        ``difference`` (:class:`Stat` of the mean column by kind,
        paired by seed; None without a baseline and for itself); and a
        :class:`Stat` for each of ``COSTS``.

    Raises:
        ValueError: No record, an unknown baseline, a seed given twice, or
            different thresholds.
    """
    common_thresholds(records)
    groups = by_config(records)
    check_baseline(groups, baseline)
    kinds = (*KINDS, *told_kinds(records))
    means = {
        name: {
            kind: {r['seed']: score(r, kind) for r in group} for kind in kinds
        }
        for name, group in groups.items()
    }
    rows = []
    for name, group in groups.items():
        row: dict[str, Any] = dict(
            config=name,
            seeds=sorted(r['seed'] for r in group),
            difference=None,
            **cost_stats(group),
        )
        for kind in kinds:
            row[kind] = {
                column: describe(score(r, kind, column) for r in group)
                for column in (*PCK_GROUPS, 'Mean')
            }
        if baseline not in (None, name):
            row['difference'] = {
                kind: paired_difference(
                    means[name][kind], means[baseline][kind]
                )
                for kind in kinds
            }
        rows.append(row)
    return rows
