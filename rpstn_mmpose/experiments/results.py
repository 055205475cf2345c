# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Results of several configs and seeds: reading, ranking, CSV.

A record is the content of a ``result.json`` that a run leaves: ``config``,
``seed``, ``settings`` (hash of config and data, the same for all seeds),
``data`` (hash of the data alone), ``evaluator`` (hash of what it was tested
by), the costs in ``COSTS``, ``torch_threads``, ``cpu``, ``device``,
``metrics`` (all numbers of the test, by name), and where it was tested by
ClipPCK, under ``pck`` what that wrote. Records of before ``metrics`` have
``pck``.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from pathlib import Path
from typing import Any, NamedTuple, Sequence

from ..checkpoints.atomic_file import write_atomically
from ..evaluation.functional import PCK_GROUPS
from .pck import KINDS, limb_curves, score, told_kinds
from .stats import (
    COSTS,
    Record,
    by_config,
    check_baseline,
    cost_stats,
    describe,
    paired_difference,
)

RESULT_FILE = 'result.json'


class Metric(NamedTuple):
    """What runs are ranked by.

    Attributes:
        name: Of a number of the test, such as ``'coco/AP'``.
        lower_is_better: Whether it is an error.
    """

    name: str
    lower_is_better: bool = False

    def __str__(self) -> str:
        return f'{self.name} {"↓" if self.lower_is_better else "↑"}'


def load_records(
    out_dir: str | os.PathLike,
    configs: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
) -> list[dict]:
    """Read the finished runs of an ablation.

    Args:
        out_dir: Folder with ``<config>/seed<seed>/result.json``.
        configs: Names of the wanted configs, in the order of the records;
            None: all, sorted.
        seeds: The wanted seeds; None: all.

    Returns:
        list[dict]: Records by config, then by seed.

    Raises:
        FileNotFoundError: No such folder.
        ValueError: A file is not a result of a run.
    """
    out_dir = Path(out_dir)
    if not out_dir.is_dir():
        raise FileNotFoundError(f'{out_dir}: no such folder')
    found: dict[str, list[dict]] = {}
    for path in sorted(out_dir.glob(f'*/seed*/{RESULT_FILE}')):
        # Results of earlier settings lie beside, in seed0.old-...
        if not path.parent.name[len('seed') :].isdigit():
            continue
        name = path.parent.parent.name
        if configs is not None and name not in configs:
            continue
        record = load_record(path)
        if seeds is None or record['seed'] in seeds:
            found.setdefault(name, []).append(record)
    records = []
    for name in sorted(found) if configs is None else configs:
        records += sorted(found.get(name, []), key=lambda r: r['seed'])
    return records


def load_record(path: str | os.PathLike) -> dict:
    """Read one ``result.json``.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not a result of a run.
    """
    try:
        record = json.loads(Path(path).read_text(encoding='utf-8'))
        _check_record(record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{path} is not a result of run_ablation '
            f'({type(error).__name__}: {error})'
        ) from None
    return record


def _check_record(record: Record) -> None:
    """Touch whatever the functions of this package rely on."""
    if not isinstance(record['config'], str):
        raise TypeError('"config" is not a name')
    int(record['seed'])
    for key in ('settings', 'data', *COSTS):
        record[key]
    all_metrics(record)
    if 'pck' in record:
        for kind in KINDS:
            score(record, kind)
            limb_curves(record, kind)


def all_metrics(record: Record) -> dict[str, float | None]:
    """Numbers of a run's test by name, None where nothing was counted."""
    if 'metrics' in record:
        return dict(record['metrics'].items())
    return {
        'PCK/mPCK': score(record, 'visible'),
        'PCK/mPCK_occluded': score(record, 'occluded'),
    }


def metric_value(record: Record, metric: Metric) -> float | None:
    """What a run is ranked by, None where nothing was counted.

    Raises:
        ValueError: The test of that run has no such number.
    """
    found = all_metrics(record)
    if metric.name not in found:
        raise ValueError(
            f'the test of {record["config"]} gives no {metric.name!r}; '
            f'it gives {", ".join(found)}'
        )
    value = found[metric.name]
    return None if value is None or math.isnan(value) else float(value)


def rank(
    records: Sequence[Record], metric: Metric, baseline: str | None = None
) -> list[dict[str, Any]]:
    """Means over seeds, a row for each config, the best one first.

    Args:
        records: Of the runs.
        metric: The number to rank by.
        baseline: Config that the others are compared with.

    Returns:
        list[dict]: ``config``; ``seeds`` (list[int]); ``value``
        (:class:`Stat`); ``difference`` (its ``value`` is a :class:`Stat`,
        paired by seed; None without a baseline and for itself); and a
        :class:`Stat` for each of ``COSTS``. Configs without a value are the
        last.

    Raises:
        ValueError: No record, an unknown baseline, a seed given twice, or a
            record without that number.
    """
    if not records:
        raise ValueError('there is no finished run to report')
    groups = by_config(records)
    check_baseline(groups, baseline)
    values = {
        name: {r['seed']: metric_value(r, metric) for r in group}
        for name, group in groups.items()
    }
    rows = [
        dict(
            config=name,
            seeds=sorted(values[name]),
            value=describe(values[name].values()),
            difference=None
            if baseline in (None, name)
            else dict(value=paired_difference(values[name], values[baseline])),
            **cost_stats(group),
        )
        for name, group in groups.items()
    ]
    sign = 1 if metric.lower_is_better else -1
    return sorted(
        rows,
        key=lambda row: (
            math.inf if row['value'].mean is None else sign * row['value'].mean
        ),
    )


def comparison_warnings(records: Sequence[Record]) -> list[str]:
    """What makes a comparison of these records doubtful, one line each."""
    lines = []
    for name, group in by_config(records).items():
        if len({r['settings'] for r in group}) > 1:
            lines.append(
                f'The seeds of {name} were trained with different settings.'
            )
    if len({r['data'] for r in records}) > 1:
        lines.append('The configs were trained on different data.')
    machines = {
        tuple(r.get(key) for key in ('cpu', 'device', 'torch_threads'))
        for r in records
    }
    if len(machines) > 1:
        lines.append(
            'The runs were made on different machines or with '
            'different numbers of threads; their seconds cannot be '
            'compared.'
        )
    return lines


def evaluator_warnings(records: Sequence[Record]) -> list[str]:
    """A line if the records' numbers are of evaluators that differ."""
    known = {r['evaluator'] for r in records if 'evaluator' in r}
    if len(known) < 2:
        return []
    return ['The configs were tested by different evaluators.']


def csv_row(record: Record, metric: Metric | None = None) -> dict[str, Any]:
    """A run as one flat line, None where nothing was counted.

    Args:
        record: Of the run.
        metric: The number that the runs are ranked by: the line holds all
            numbers of the test, this one first. None: a line of PCK by joint.
    """
    row: dict[str, Any] = dict(config=record['config'], seed=record['seed'])
    if metric is None:
        row['thr'] = record['pck']['thr']
        row['mPCK'] = score(record, 'visible')
        row['mPCK_occluded'] = score(record, 'occluded')
        for kind in told_kinds([record]):
            row[f'mPCK_{kind}'] = score(record, kind)
        for kind in KINDS:
            for column in PCK_GROUPS:
                row[f'{column.rstrip(".")}_{kind}'] = score(
                    record, kind, column
                )
    else:
        row[metric.name] = metric_value(record, metric)
        row.update(all_metrics(record))
    for cost in COSTS:
        row[cost] = record[cost]
    for key in ('torch_threads', 'cpu', 'device', 'settings', 'data'):
        row[key] = record.get(key)
    return row


def write_csv(
    records: Sequence[Record],
    path: str | os.PathLike,
    metric: Metric | None = None,
) -> None:
    """Write a line for each run.

    Args:
        records: At least one.
        path: Of the file; its folder is made if need be.
        metric: See :func:`csv_row`.
    """
    rows = [csv_row(record, metric) for record in records]
    # Runs of other evaluators have other numbers.
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(text.getvalue().encode('utf-8'), Path(path))
