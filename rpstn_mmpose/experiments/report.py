# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Table, lines and figures of finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from ..checkpoints.atomic_file import write_atomically
from .figures import plot_cost, plot_occluded_visible, plot_pck_curves
from .pck import summarize
from .results import Metric, rank, write_csv
from .tables import ablation_table, ranking_table, summary_table

# Of a metric other than PCK, the first three.
FILES = (
    'results.md',
    'results.csv',
    'cost.png',
    'pck_curves.png',
    'pck_curves_occluded.png',
    'occluded_visible.png',
)


def write_report(
    records: list[dict],
    out: Path,
    baseline: str | None = None,
    missing: Sequence[str] = (),
    metric: Metric | None = None,
) -> None:
    """Table, lines and figures of the finished runs, at least one."""
    text = ablation_table(records, baseline, missing, metric)
    write_atomically(text.encode('utf-8'), out / 'results.md')
    write_csv(records, out / 'results.csv', metric)
    plot_cost(records, out / 'cost.png', metric)
    if metric is not None:
        return
    plot_pck_curves(records, out / 'pck_curves.png', baseline)
    plot_pck_curves(
        records, out / 'pck_curves_occluded.png', baseline, kind='occluded'
    )
    plot_occluded_visible(records, out / 'occluded_visible.png')


def report(
    records: list[dict],
    out: Path,
    baseline: str | None,
    missing: Sequence[str],
    metric: Metric | None,
    summary: bool = True,
) -> None:
    """Write the report; the summary is printed, too."""
    write_report(records, out, baseline, missing, metric)
    if not summary:
        return
    if metric is None:
        table = summary_table(summarize(records, baseline), baseline)
    else:
        table = ranking_table(
            rank(records, metric, baseline), metric, baseline
        )
    files = FILES if metric is None else FILES[:3]
    print(f'\n{table}')
    print(f'Results in {out} ({", ".join(files)})')
