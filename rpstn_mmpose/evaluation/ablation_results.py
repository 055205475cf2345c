# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Results of several configs and seeds: reading, means, differences, CSV.

A record is the content of a ``result.json`` that
``tools/analysis_tools/run_ablation.py`` writes: ``config``, ``seed``,
``settings`` (hash of config and data, the same for all seeds), ``data`` (hash
of the data alone), the costs in ``COSTS``, ``torch_threads``, ``cpu``,
``device``, and under ``pck`` what ClipPCK wrote.
"""
from __future__ import annotations

import csv
import io
import json
import math
import os
import statistics
from pathlib import Path
from typing import (
    Any,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Union,
)

import numpy as np

from ..checkpoints.atomic_file import write_atomically
from .functional import PCK_GROUPS, group_pck, joint_groups

RESULT_FILE = 'result.json'
NORM = 'torso'
KINDS = ('visible', 'occluded')

# Parts of the body that the papers' curves are drawn for, by column.
LIMBS = {
    'Upper limbs': ('Sho.', 'Elb.', 'Wri.'),
    'Lower limbs': ('Hip', 'Knee', 'Ank.'),
}

# Numbers beside the scores. ``..._total`` includes the image model that a
# config starts from.
COSTS = ('params', 'gmacs_per_frame', 'train_seconds', 'train_seconds_total',
         'frame_passes', 'frame_passes_total')

Record = Mapping[str, Any]


class Stat(NamedTuple):
    """Mean and sample standard deviation of ``count`` values.

    ``mean`` is None without a value, ``std`` with fewer than two.
    """
    mean: Optional[float]
    std: Optional[float]
    count: int


def load_records(out_dir: Union[str, os.PathLike],
                 configs: Optional[Sequence[str]] = None,
                 seeds: Optional[Sequence[int]] = None) -> List[dict]:
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
        ValueError: A file is not a result of ``run_ablation.py``.
    """
    out_dir = Path(out_dir)
    if not out_dir.is_dir():
        raise FileNotFoundError(f'{out_dir}: no such folder')
    found: Dict[str, List[dict]] = {}
    for path in sorted(out_dir.glob(f'*/seed*/{RESULT_FILE}')):
        # Results of earlier settings lie beside, in seed0.old-...
        if not path.parent.name[len('seed'):].isdigit():
            continue
        name = path.parent.parent.name
        if configs is not None and name not in configs:
            continue
        record = load_record(path)
        if seeds is None or record['seed'] in seeds:
            found.setdefault(name, []).append(record)
    records = []
    for name in (sorted(found) if configs is None else configs):
        records += sorted(found.get(name, []), key=lambda r: r['seed'])
    return records


def load_record(path: Union[str, os.PathLike]) -> dict:
    """Read one ``result.json``.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not a result of ``run_ablation.py``.
    """
    try:
        record = json.loads(Path(path).read_text(encoding='utf-8'))
        _check_record(record)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path} is not a result of run_ablation '
                         f'({type(error).__name__}: {error})') from None
    return record


def _check_record(record: Record) -> None:
    """Touch whatever the functions below rely on."""
    if not isinstance(record['config'], str):
        raise TypeError('"config" is not a name')
    int(record['seed'])
    for key in ('settings', 'data', *COSTS):
        record[key]
    for kind in KINDS:
        score(record, kind, 'Mean')
        limb_curves(record, kind)


def score(record: Record, kind: str, column: str = 'Mean') -> Optional[float]:
    """PCK by torso length at the main threshold.

    Args:
        record: Of one run.
        kind: ``'visible'`` or ``'occluded'``.
        column: One of ``PCK_GROUPS`` or ``'Mean'``.

    Returns:
        float | None: Per cent; None where no joint was counted.
    """
    value = record['pck']['norms'][NORM][kind]['scores'][column]
    return None if value is None or math.isnan(value) else float(value)


def limb_curves(record: Record,
                kind: str = 'visible') -> Dict[str, List[float]]:
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
    curves: Dict[str, List[float]] = {part: [] for part in (*LIMBS, 'Mean')}
    for i in range(len(pck['thresholds'])):
        correct = np.array([joint['sweep_correct'][i] for joint in joints])
        for part, value in group_pck(correct, total, parts).items():
            curves[part].append(100 * value)
    return curves


def describe(values: Iterable[Optional[float]]) -> Stat:
    """Mean and sample standard deviation of the values that are known."""
    known = [v for v in values if v is not None and not math.isnan(v)]
    return Stat(
        statistics.fmean(known) if known else None,
        statistics.stdev(known) if len(known) > 1 else None, len(known))


def paired_difference(values: Mapping[int, Optional[float]],
                      base: Mapping[int, Optional[float]]) -> Stat:
    """Differences to a baseline, seed by seed.

    Args:
        values: Value by seed.
        base: The baseline's value by seed.

    Returns:
        Stat: Of ``values - base`` over the seeds that have both.
    """
    pairs = ((values[seed], base[seed]) for seed in values if seed in base)
    return describe(a - b for a, b in pairs
                    if a is not None and b is not None)


def by_config(records: Sequence[Record]) -> Dict[str, List[Record]]:
    """Records of each config, in the order of the first record of each.

    Raises:
        ValueError: A config has a seed twice.
    """
    out: Dict[str, List[Record]] = {}
    for record in records:
        group = out.setdefault(record['config'], [])
        if any(other['seed'] == record['seed'] for other in group):
            raise ValueError(f'{record["config"]} has two results for seed '
                             f'{record["seed"]}')
        group.append(record)
    return out


def common_thresholds(records: Sequence[Record]) -> dict:
    """The main threshold (``thr``) and the sweep (``thresholds``).

    Raises:
        ValueError: No record, or records of different thresholds.
    """
    if not records:
        raise ValueError('there is no finished run to report')
    keys = ('thr', 'thresholds')
    first = {key: records[0]['pck'][key] for key in keys}
    for record in records:
        if any(record['pck'][key] != first[key] for key in keys):
            raise ValueError(
                f'{record["config"]} and {records[0]["config"]} were '
                'evaluated at different thresholds; use one thr and '
                'thresholds for all configs')
    return first


def summarize(records: Sequence[Record],
              baseline: Optional[str] = None) -> List[Dict[str, Any]]:
    """Means over seeds, a row for each config.

    Args:
        records: Of the runs.
        baseline: Config that the others are compared with.

    Returns:
        list[dict]: ``config``; ``seeds`` (list[int]); ``visible`` and
        ``occluded`` (:class:`Stat` in per cent by column, ``'Mean'`` among
        them); ``difference`` (:class:`Stat` of the mean column by kind,
        paired by seed; None without a baseline and for itself); and a
        :class:`Stat` for each of ``COSTS``.

    Raises:
        ValueError: No record, an unknown baseline, a seed given twice, or
            different thresholds.
    """
    common_thresholds(records)
    groups = by_config(records)
    if baseline is not None and baseline not in groups:
        raise ValueError(f'no finished run of the baseline {baseline!r}; '
                         f'there are {", ".join(groups)}')
    means = {
        name: {
            kind: {r['seed']: score(r, kind) for r in group}
            for kind in KINDS
        }
        for name, group in groups.items()
    }
    rows = []
    for name, group in groups.items():
        row: Dict[str, Any] = dict(
            config=name, seeds=sorted(r['seed'] for r in group))
        for kind in KINDS:
            row[kind] = {
                column: describe(score(r, kind, column) for r in group)
                for column in (*PCK_GROUPS, 'Mean')
            }
        row['difference'] = None
        if baseline not in (None, name):
            row['difference'] = {
                kind: paired_difference(means[name][kind],
                                        means[baseline][kind])
                for kind in KINDS
            }
        for cost in COSTS:
            row[cost] = describe(r[cost] for r in group)
        rows.append(row)
    return rows


def comparison_warnings(records: Sequence[Record]) -> List[str]:
    """What makes a comparison of these records doubtful, one line each."""
    lines = []
    for name, group in by_config(records).items():
        if len({r['settings'] for r in group}) > 1:
            lines.append(f'The seeds of {name} were trained with different '
                         'settings.')
    if len({r['data'] for r in records}) > 1:
        lines.append('The configs were trained on different data.')
    machines = {
        tuple(r.get(key) for key in ('cpu', 'device', 'torch_threads'))
        for r in records
    }
    if len(machines) > 1:
        lines.append('The runs were made on different machines or with '
                     'different numbers of threads; their seconds cannot be '
                     'compared.')
    return lines


def csv_row(record: Record) -> Dict[str, Any]:
    """A run as one flat line, None where nothing was counted."""
    row = dict(
        config=record['config'],
        seed=record['seed'],
        thr=record['pck']['thr'],
        mPCK=score(record, 'visible'),
        mPCK_occluded=score(record, 'occluded'))
    for kind in KINDS:
        for column in PCK_GROUPS:
            row[f'{column.rstrip(".")}_{kind}'] = score(record, kind, column)
    for cost in COSTS:
        row[cost] = record[cost]
    for key in ('torch_threads', 'cpu', 'device', 'settings', 'data'):
        row[key] = record.get(key)
    return row


def write_csv(records: Sequence[Record],
              path: Union[str, os.PathLike]) -> None:
    """Write a line for each run, scores in per cent.

    Args:
        records: At least one.
        path: Of the file; its folder is made if need be.
    """
    rows = [csv_row(record) for record in records]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(text.getvalue().encode('utf-8'), Path(path))
