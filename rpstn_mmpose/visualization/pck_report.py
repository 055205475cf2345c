# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A table and a figure of the JSON files that ClipPCK writes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Mapping, Sequence, Union

from ..evaluation.tables import markdown_table
from .output_path import PLOT_ENDINGS, check_output_path

COLUMNS = ('Head', 'Sho.', 'Elb.', 'Wri.', 'Hip', 'Knee', 'Ank.', 'Mean')


# Okabe and Ito's colours, which the colour-blind can tell apart.
_COLORS = (
    '#0072B2',
    '#D55E00',
    '#009E73',
    '#CC79A7',
    '#E69F00',
    '#56B4E9',
    '#000000',
    '#8C8C8C',
)

FilePath = Union[str, os.PathLike]


def load_pck_result(path: FilePath, norm: str = 'torso') -> dict:
    """Read what ``ClipPCK(out_file=...)`` wrote.

    Args:
        path: Of the JSON file.
        norm: The reference length whose scores are wanted.

    Returns:
        dict: The file's content.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not such a file, or without that reference length.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'{path}: no such file; ClipPCK writes one where its out_file says'
        )
    try:
        result = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is not JSON ({error})') from None
    problem = _problem(result, norm)
    if problem:
        raise ValueError(f'{path} {problem}')
    return result


def _problem(result: Any, norm: str) -> str | None:
    """What is wrong with a result, None if nothing is."""
    alien = 'is not a result of ClipPCK: it has no {}'
    if not isinstance(result, Mapping):
        return alien.format('"norms"')
    for key in ('thr', 'thresholds', 'norms'):
        if key not in result:
            return alien.format(f'"{key}"')
    if norm not in result['norms']:
        return (
            f'has no scores by {norm!r}, but by '
            f'{sorted(result["norms"])}; choose one of these'
        )
    for kind in ('visible', 'occluded'):
        part = result['norms'][norm].get(kind, {})
        for key in ('scores', 'sweep'):
            if 'Mean' not in part.get(key, {}):
                return alien.format(f'{kind} {key} with a "Mean"')
    return None


def _check(
    results: Sequence[Mapping], labels: Sequence[str], norm: str, name: str
) -> float:
    """Check that the results can be compared; return their threshold."""
    if not results or len(results) != len(labels):
        raise ValueError(
            f'{name}: {len(results)} results and {len(labels)} '
            'labels; give one label for each result'
        )
    for result, label in zip(results, labels):
        problem = _problem(result, norm)
        if problem:
            raise ValueError(f'{name}: {label} {problem}')
    thrs = sorted({float(result['thr']) for result in results})
    if len(thrs) > 1:
        raise ValueError(
            f'{name}: the results are for different thresholds '
            f'{thrs}; evaluate them with one thr'
        )
    return thrs[0]


def _score_row(result: Mapping, norm: str) -> list[float | None]:
    """Columns and Occluded, per cent; None where nothing was counted."""
    part = result['norms'][norm]
    scores = [part['visible']['scores'].get(column) for column in COLUMNS]
    return scores + [part['occluded']['scores']['Mean']]


def pck_table(
    results: Sequence[Mapping], labels: Sequence[str], norm: str = 'torso'
) -> str:
    """Markdown table, a row for each model.

    Args:
        results: Contents of ClipPCK's JSON files.
        labels: Names of the models.
        norm: ``'torso'`` or ``'person'``.

    Returns:
        str: Per cent with one decimal, ``-`` where nothing was counted; the
        columns of the papers are visible joints, ``Occluded`` is the mean
        over occluded ones, ``AUC`` the mean over the results' thresholds.

    Raises:
        ValueError: Results that cannot be compared.
    """
    thr = _check(results, labels, norm, 'pck_table')
    rows = [[f'PCK@{thr:g} ({norm})', *COLUMNS, 'Occluded', 'AUC']]
    for result, label in zip(results, labels):
        values = _score_row(result, norm)
        values.append(result['norms'][norm]['visible'].get('auc'))
        cells = ['-' if v is None or v != v else f'{v:.1f}' for v in values]
        rows.append([label, *cells])
    return markdown_table(rows)


def _curve(
    result: Mapping, norm: str, kind: str
) -> tuple[list[float], list[float]]:
    """Thresholds and mean PCK, where it is known."""
    sweep = result['norms'][norm][kind]['sweep']['Mean']
    points = [
        (t, v)
        for t, v in zip(result['thresholds'], sweep)
        if v is not None and v == v
    ]
    return [t for t, _ in points], [v for _, v in points]


def _draw_curves(
    axes: Any, results: Sequence[Mapping], norm: str, thr: float
) -> None:
    from matplotlib.lines import Line2D

    lowest = 100.0
    for i, result in enumerate(results):
        color = _COLORS[i % len(_COLORS)]
        for kind, style in (('visible', '-'), ('occluded', '--')):
            x, y = _curve(result, norm, kind)
            lowest = min([lowest, *y])
            axes.plot(x, y, style, color=color, marker='o', markersize=3.5)
    axes.axvline(thr, color='#888888', linewidth=1, linestyle=':', zorder=0)
    low = max(0, 10 * int(lowest / 10 - 0.5))
    axes.set_ylim(low, 101)
    axes.annotate(
        f'{thr:g}',
        (thr, low),
        xytext=(4, 4),
        textcoords='offset points',
        color='#555555',
    )
    axes.set_xlabel(f'threshold, in {norm} lengths')
    axes.set_ylabel('PCK, mean over joints (%)')
    axes.set_title('By threshold')
    axes.grid(alpha=0.3)
    axes.legend(
        handles=[
            Line2D([], [], color='#444444', linestyle='-', label='visible'),
            Line2D([], [], color='#444444', linestyle='--', label='occluded'),
        ],
        loc='lower right',
        title='joints',
    )


def _draw_bars(
    axes: Any,
    results: Sequence[Mapping],
    labels: Sequence[str],
    norm: str,
    thr: float,
) -> list:
    columns = [*COLUMNS, 'Occl.']
    width = 0.84 / len(results)
    handles = []
    for i, (result, label) in enumerate(zip(results, labels)):
        values = [
            float('nan') if v is None else v for v in _score_row(result, norm)
        ]
        # Mean and occluded stand apart from the joints.
        x = [
            j
            + 0.4 * (j >= len(COLUMNS) - 1)
            + width * (i - (len(results) - 1) / 2)
            for j in range(len(columns))
        ]
        bars = axes.bar(
            x, values, width * 0.94, color=_COLORS[i % len(_COLORS)]
        )
        handles.append((bars, label))
        if len(results) <= 4:
            for position, value in zip(x, values):
                if value == value:
                    axes.text(
                        position,
                        value + 1.2,
                        f'{value:.1f}',
                        rotation=90,
                        ha='center',
                        va='bottom',
                        fontsize=7.5,
                    )
    axes.set_xticks(
        [j + 0.4 * (j >= len(COLUMNS) - 1) for j in range(len(columns))],
        columns,
    )
    axes.set_ylim(0, 112 if len(results) <= 4 else 101)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel(f'PCK@{thr:g} (%)')
    axes.set_title(f'By joint at {thr:g}; visible, and all occluded (Occl.)')
    axes.grid(axis='y', alpha=0.3)
    axes.set_axisbelow(True)
    return handles


def plot_pck(
    results: Sequence[Mapping],
    labels: Sequence[str],
    out: FilePath,
    norm: str = 'torso',
    title: str | None = None,
) -> None:
    """Draw PCK by threshold and by joint of several models.

    Args:
        results: Contents of ClipPCK's JSON files.
        labels: Names of the models.
        out: Picture to write, ``.png``, ``.pdf``, ``.svg`` or ``.jpg``.
            Missing folders are made.
        norm: ``'torso'`` or ``'person'``.
        title: A line above the figure, e.g. the data set.

    Raises:
        ValueError: Results that cannot be compared, another ending.
        OSError: ``out`` cannot be written.
    """
    # The object interface: pyplot would choose a backend for the process.
    from matplotlib.figure import Figure

    thr = _check(results, labels, norm, 'plot_pck')
    out = check_output_path(out, PLOT_ENDINGS)
    figure = Figure(figsize=(12.5, 5.2), layout='constrained')
    curves, bars = figure.subplots(1, 2, width_ratios=(1, 1.7))
    _draw_curves(curves, results, norm, thr)
    handles = _draw_bars(bars, results, labels, norm, thr)
    figure.legend(
        handles=[handle for handle, _ in handles],
        labels=[label for _, label in handles],
        loc='outside lower center',
        ncols=min(len(labels), 4),
        frameon=False,
    )
    if title:
        figure.suptitle(title)
    # Without a canvas of its own, savefig chooses one by the ending.
    figure.savefig(out, dpi=130)
