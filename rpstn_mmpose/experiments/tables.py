# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Tables of experiments: means and spread over seeds."""

from __future__ import annotations

import math
from functools import reduce
from operator import getitem
from typing import Mapping, Sequence

from ..evaluation.tables import markdown_table
from ..visualization.pck_report import COLUMNS
from .pck import KINDS, common_thresholds, summarize, told_kinds
from .results import Metric, comparison_warnings, evaluator_warnings, rank
from .stats import Record, Stat


def format_stat(stat: Stat, digits: int = 1, sign: bool = False) -> str:
    """``mean ± std``, with ``–`` for what is not defined."""
    if stat.mean is None:
        return '–'
    mean = round(stat.mean, digits) + 0.0  # no -0.0
    mean = f'{mean:{"+" if sign else ""}.{digits}f}'
    std = '–' if stat.std is None else f'{stat.std:.{digits}f}'
    return f'{mean} ± {std}'


def _format_count(stat: Stat, unit: float, digits: int) -> str:
    """Mean of a cost, in ``unit``s."""
    if stat.mean is None:
        return '–'
    return f'{stat.mean / unit:,.{digits}f}'


def _table(
    rows: Sequence[Mapping],
    baseline: str | None,
    scores: Mapping[str, Sequence[str]],
    digits: int,
) -> str:
    """Scores, differences to the baseline and costs, a row for each config.

    Args:
        rows: Of ``summarize`` or ``rank``.
        baseline: Config that the others are compared with.
        scores: Keys of a row that lead to a score, by its column's title.
        digits: Decimals of the scores.
    """
    head = ['config', 'seeds', *scores]
    if baseline is not None:
        head += [*(f'Δ {title}' for title in scores), 'pairs']
    head += ['params (M)', 'GMACs/frame', 'train s', 'frame passes']
    cells = [head]
    for row in rows:
        line = [row['config'], str(len(row['seeds']))]
        for keys in scores.values():
            line.append(format_stat(reduce(getitem, keys, row), digits))
        if baseline is not None:
            line += _difference_cells(row['difference'], scores, digits)
        cells.append(line + _cost_cells(row))
    return markdown_table(cells)


def _difference_cells(
    difference: Mapping | None,
    scores: Mapping[str, Sequence[str]],
    digits: int,
) -> list[str]:
    """Of one row; None is the baseline itself."""
    if difference is None:
        return ['baseline'] * len(scores) + ['']
    stats = [difference[keys[0]] for keys in scores.values()]
    cells = [format_stat(stat, digits, sign=True) for stat in stats]
    return [*cells, str(stats[0].count)]


def _cost_cells(row: Mapping) -> list[str]:
    cells = [
        _format_count(row['params'], 1e6, 3),
        _format_count(row['gmacs_per_frame'], 1, 3),
        _format_count(row['train_seconds'], 1, 0),
        _format_count(row['frame_passes'], 1, 0),
    ]
    if row['frame_passes_total'] != row['frame_passes']:
        for i, key in ((-2, 'train_seconds'), (-1, 'frame_passes')):
            cells[i] += f' ({_format_count(row[f"{key}_total"], 1, 0)})'
    return cells


def summary_table(rows: Sequence[Mapping], baseline: str | None = None) -> str:
    """Markdown table of PCK and costs, a row for each config.

    Args:
        rows: What ``summarize`` returned for ``baseline``.
        baseline: Config that the others are compared with.
    """
    hiders = [kind for kind in ('by_thing', 'by_person') if kind in rows[0]]
    scores = {
        kind.replace('_', ' '): (kind, 'Mean') for kind in (*KINDS, *hiders)
    }
    return _table(rows, baseline, scores, 2)


def ranking_table(
    rows: Sequence[Mapping], metric: Metric, baseline: str | None = None
) -> str:
    """Markdown table of one metric and costs, a row for each config.

    Args:
        rows: What ``rank`` returned for ``metric`` and ``baseline``.
        metric: The number that the rows are ranked by.
        baseline: Config that the others are compared with.
    """
    means = [abs(r['value'].mean) for r in rows if r['value'].mean]
    # Four digits of the largest value: 0.7432, 74.32, 1143.
    digits = 2 if not means else max(0, 3 - math.floor(math.log10(max(means))))
    return _table(rows, baseline, {str(metric): ('value',)}, digits)


def _joint_table(rows: Sequence[Mapping], kind: str) -> str:
    cells = [[f'{kind} joints', *COLUMNS]]
    for row in rows:
        cells.append(
            [row['config']]
            + [format_stat(row[kind][column]) for column in COLUMNS]
        )
    return markdown_table(cells)


def _hidden_table(rows: Sequence[Mapping], kinds: Sequence[str]) -> str:
    """Hidden joints by what hides them and by frames since last seen."""
    cells = [['hidden joints', *(kind.replace('_', ' ') for kind in kinds)]]
    for row in rows:
        stats = [format_stat(row[kind]['Mean']) for kind in kinds]
        cells.append([row['config'], *stats])
    return markdown_table(cells)


def ablation_table(
    records: Sequence[Record],
    baseline: str | None = None,
    missing: Sequence[str] = (),
    metric: Metric | None = None,
) -> str:
    """The report in Markdown.

    Args:
        records: Of the finished runs.
        baseline: Config that the others are compared with.
        missing: Names of the runs that are not finished.
        metric: The number to rank by; None: PCK, in the records' order.

    Returns:
        str: A table of means over seeds, for PCK one by joint, and how to
        read them.

    Raises:
        ValueError: See ``summarize`` and ``rank``.
    """
    over_seeds = (
        'mean ± sample standard deviation over seeds (– : not defined).\n'
    )
    if metric is None:
        rows = summarize(records, baseline)
        thr = common_thresholds(records)['thr']
        text = [
            f'mPCK@{thr:g} by torso length, per cent: {over_seeds}',
            summary_table(rows, baseline),
        ]
    else:
        rows = rank(records, metric, baseline)
        order = 'lowest' if metric.lower_is_better else 'highest'
        text = [
            f'{metric.name}, the {order} first: {over_seeds}',
            ranking_table(rows, metric, baseline),
        ]
    if baseline is not None:
        text.append(
            f'Δ: difference to {baseline}, seed by seed, over the '
            'pairs of runs that share a seed.\n'
        )
    if any(row['frame_passes_total'] != row['frame_passes'] for row in rows):
        text.append(
            'In brackets: with the training of the image model that '
            'the config starts from.\n'
        )
    if metric is None:
        text += ['By joint:\n', *(_joint_table(rows, k) for k in KINDS)]
        told = told_kinds(records)
        if told:
            text += [
                'Behind things and behind people, and over both by frames '
                'since last seen:\n',
                _hidden_table(rows, told),
            ]
    text.append(_notes(records, missing, metric))
    return '\n'.join(text)


def _notes(
    records: Sequence[Record], missing: Sequence[str], metric: Metric | None
) -> str:
    """What a reader has to know of the runs."""
    notes = comparison_warnings(records)
    if metric is not None:
        notes += evaluator_warnings(records)
    if missing:
        notes.append(f'Not finished: {", ".join(missing)}.')
    machines = sorted(
        {
            f'{r.get("cpu") or "unknown CPU"}, {r.get("device") or "cpu"}, '
            f'{r.get("torch_threads")} torch threads'
            for r in records
        }
    )
    notes.append(f'Trained on: {"; ".join(machines)}.')
    return '\n'.join(f'- {note}' for note in notes) + '\n'
