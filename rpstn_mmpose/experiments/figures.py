# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Figures of experiments: means and spread over seeds."""

from __future__ import annotations

import math
import os
from functools import partial
from typing import Any, Callable, Mapping, Sequence, Union

import numpy as np

from ..visualization.output_path import PLOT_ENDINGS, check_output_path
from .pck import KINDS, LIMBS, common_thresholds, limb_curves, score
from .results import Metric, metric_value
from .stats import Record, by_config, check_baseline, describe

# Okabe and Ito's colours, then four of Tol's.
_COLORS = (
    '#0072B2',
    '#D55E00',
    '#009E73',
    '#CC79A7',
    '#E69F00',
    '#56B4E9',
    '#000000',
    '#8C8C8C',
    '#882255',
    '#999933',
    '#332288',
    '#44AA99',
)
_MARKERS = 'osD^vPX*<>'
_LINES = ('-', '--', ':', '-.')
_DPI = 130
_SPREAD_NOTE = 'mark: mean over seeds ± std, dot: one seed'

FilePath = Union[str, os.PathLike]


def _style(index: int) -> dict[str, Any]:
    """Colour, marker and line of a config: no two alike up to 48."""
    return dict(
        color=_COLORS[index % len(_COLORS)],
        marker=_MARKERS[index % len(_MARKERS)],
        linestyle=_LINES[index // len(_COLORS) % len(_LINES)],
    )


def _figure(width: float, height: float, names: Sequence[str]) -> Any:
    """A figure with room for the legend that :func:`_add_legend` adds."""
    # The object interface: pyplot would choose a backend for the process.
    from matplotlib.figure import Figure

    lines = math.ceil(len(names) / _legend_columns(width, names))
    return Figure(
        figsize=(width, height + 0.22 * lines + 0.2), layout='constrained'
    )


def _legend_columns(width: float, names: Sequence[str]) -> int:
    """How many names stand side by side in ``width`` inches."""
    entry = 0.068 * max(map(len, names)) + 0.8
    return max(1, min(len(names), 4, int(width / entry)))


def _add_legend(figure: Any, names: Sequence[str], lines: bool) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for i, name in enumerate(names):
        style = _style(i)
        if not lines:
            style['linestyle'] = 'none'
        handles.append(Line2D([], [], markersize=6, label=name, **style))
    figure.legend(
        handles=handles,
        loc='outside lower center',
        ncols=_legend_columns(figure.get_figwidth(), names),
        handlelength=3 if lines else 1,
        fontsize=9,
        frameon=False,
    )


def _say_empty(axes: Any, empty: bool) -> None:
    if empty:
        axes.text(
            0.5,
            0.5,
            'nothing was counted',
            ha='center',
            va='center',
            transform=axes.transAxes,
            color='#555555',
        )


def _draw_curves(
    axes: Any,
    thresholds: Sequence[float],
    curves: Sequence[Sequence[Sequence[float]]],
) -> None:
    """A line and a band for each config.

    Args:
        axes: To draw on.
        thresholds: Of the sweep.
        curves: For each config, for each seed, a value by threshold; a
            config without seeds is left out.
    """
    empty = True
    for i, runs in enumerate(curves):
        points = [describe(values) for values in zip(*runs)]
        mean = np.array([np.nan if p.mean is None else p.mean for p in points])
        std = np.array([np.nan if p.std is None else p.std for p in points])
        if np.isnan(mean).all():
            continue
        empty = False
        style = _style(i)
        axes.plot(thresholds, mean, markersize=4, linewidth=1.3, **style)
        axes.fill_between(
            thresholds,
            mean - std,
            mean + std,
            color=style['color'],
            alpha=0.12,
            linewidth=0,
        )
    _say_empty(axes, empty)
    axes.grid(alpha=0.3)


def _curve_differences(
    groups: Mapping[str, list[Record]], baseline: str, part: str, kind: str
) -> list[list[list[float]]]:
    """Curves minus the baseline's of the same seed, by config and seed."""
    base = {r['seed']: limb_curves(r, kind)[part] for r in groups[baseline]}
    return [
        [
            np.subtract(limb_curves(r, kind)[part], base[r['seed']]).tolist()
            for r in group
            if r['seed'] in base
        ]
        for group in groups.values()
    ]


def plot_pck_curves(
    records: Sequence[Record],
    out: FilePath,
    baseline: str | None = None,
    kind: str = 'visible',
) -> None:
    """PCK by threshold for upper limbs, lower limbs and all joints.

    Lines are means over seeds, bands one sample standard deviation on each
    side (none with a single seed). Below them, where the configs can be told
    apart, the differences to the baseline, paired by seed.

    Args:
        records: Of the runs.
        out: Picture to write; see ``PLOT_ENDINGS``.
        baseline: Config that the others are compared with; None: the first.
        kind: ``'visible'`` or ``'occluded'``.

    Raises:
        ValueError: No record, an unknown baseline, different thresholds,
            another ending.
        OSError: ``out`` cannot be written.
    """
    thresholds = common_thresholds(records)['thresholds']
    out = check_output_path(out, PLOT_ENDINGS)
    groups = by_config(records)
    names = list(groups)
    baseline = names[0] if baseline is None else baseline
    check_baseline(groups, baseline)
    rows = 1 if len(names) == 1 else 2
    figure = _figure(13, 4.4 if rows == 1 else 7.6, names)
    parts = (*LIMBS, 'Mean')
    panels = figure.subplots(
        rows, len(parts), sharex=True, sharey='row', squeeze=False
    )
    for column, part in zip(panels.T, parts):
        _draw_curves(
            column[0],
            thresholds,
            [
                [limb_curves(r, kind)[part] for r in group]
                for group in groups.values()
            ],
        )
        column[0].set_title('All joints' if part == 'Mean' else part)
        if rows == 2:
            _draw_curves(
                column[1],
                thresholds,
                _curve_differences(groups, baseline, part, kind),
            )
        column[-1].set_xlabel('threshold, in torso lengths')
    panels[0, 0].set_ylabel(f'PCK of {kind} joints (%)')
    panels[0, 0].set_ylim(top=101)
    if rows == 2:
        panels[1, 0].set_ylabel('difference (points)')
        panels[1, len(parts) // 2].set_title(
            f'Difference to {baseline}', fontsize=10
        )
    _add_legend(figure, names, lines=True)
    figure.savefig(out, dpi=_DPI)


def _dodge(values: Sequence[float | None]) -> list[float]:
    """Shifts in points that put equal values side by side.

    Args:
        values: One for each config, None where it is unknown.

    Returns:
        list[float]: A shift for each; values within 1 % count as equal.
    """
    shifts = []
    for value in values:
        equal = [
            i
            for i, other in enumerate(values)
            if None not in (value, other)
            and math.isclose(value, other, rel_tol=0.01)
        ]
        rank = sum(i < len(shifts) for i in equal)
        shifts.append(7 * (rank - (len(equal) - 1) / 2) if equal else 0.0)
    return shifts


def _draw_points(
    axes: Any,
    groups: Mapping[str, list[Record]],
    x: Any,
    y: Any,
    side_by_side: bool = False,
) -> None:
    """A mark for each config's means, error bars, and a dot for each seed.

    Args:
        axes: To draw on.
        groups: Records by config.
        x: Function from a record to its abscissa or None.
        y: The same for its ordinate.
        side_by_side: Whether marks of one abscissa are drawn side by side.
    """
    from matplotlib.transforms import ScaledTranslation

    points = [
        [pair for pair in ((x(r), y(r)) for r in group) if None not in pair]
        for group in groups.values()
    ]
    shifts = [0.0] * len(points)
    if side_by_side:
        shifts = _dodge(
            [describe(p[0] for p in pairs).mean for pairs in points]
        )
    for i, pairs in enumerate(points):
        if not pairs:
            continue
        style = _style(i)
        style['linestyle'] = 'none'
        place = axes.transData + ScaledTranslation(
            shifts[i] / 72, 0, axes.figure.dpi_scale_trans
        )
        means = [describe(values) for values in zip(*pairs)]
        # No bar for a spread of zero, such as that of the costs.
        errors = [stat.std or None for stat in means]
        axes.errorbar(
            means[0].mean,
            means[1].mean,
            xerr=errors[0],
            yerr=errors[1],
            markersize=12 if style['marker'] == '*' else 9,
            markeredgecolor='white',
            markeredgewidth=0.6,
            elinewidth=1.1,
            capsize=2.5,
            zorder=3 + i / 100,
            transform=place,
            **style,
        )
        # Shifted artists do not count for the limits of the axes.
        axes.update_datalim(
            [
                [stat.mean + sign * (stat.std or 0) for stat in means]
                for sign in (-1, 1)
            ]
        )
        axes.update_datalim(pairs)
        if len(pairs) > 1:
            axes.scatter(
                *zip(*pairs),
                s=9,
                color=style['color'],
                alpha=0.6,
                linewidths=0,
                zorder=2,
                transform=place,
            )
    _say_empty(axes, not any(points))
    axes.set_title(_SPREAD_NOTE, fontsize=9, color='#555555')
    axes.grid(alpha=0.3)
    axes.margins(0.1)
    axes.autoscale_view()


def plot_occluded_visible(records: Sequence[Record], out: FilePath) -> None:
    """mPCK of occluded joints against that of visible ones.

    A mark is a config's mean over seeds with error bars of one sample
    standard deviation, a dot one seed.

    Args:
        records: Of the runs.
        out: Picture to write; see ``PLOT_ENDINGS``.

    Raises:
        ValueError: No record, different thresholds, another ending.
        OSError: ``out`` cannot be written.
    """
    thr = common_thresholds(records)['thr']
    out = check_output_path(out, PLOT_ENDINGS)
    groups = by_config(records)
    figure = _figure(8, 5.4, list(groups))
    axes = figure.subplots()
    _draw_points(
        axes,
        groups,
        lambda r: score(r, 'visible'),
        lambda r: score(r, 'occluded'),
    )
    axes.set_xlabel(f'mPCK@{thr:g}, visible joints (%)')
    axes.set_ylabel(f'mPCK@{thr:g}, occluded joints (%)')
    _add_legend(figure, list(groups), lines=False)
    figure.savefig(out, dpi=_DPI)


def _log_scale(axes: Any) -> None:
    """Numbers at 1, 2 and 5: those at all digits lie on each other."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale('log')
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter('{x:g}')
    axes.xaxis.set_minor_formatter(NullFormatter())


def plot_cost(
    records: Sequence[Record], out: FilePath, metric: Metric | None = None
) -> None:
    """Scores against GMACs per frame.

    Marks as in :func:`plot_occluded_visible`. The axis of the costs is
    logarithmic where they span more than a factor of 8.

    Args:
        records: Of the runs.
        out: Picture to write; see ``PLOT_ENDINGS``.
        metric: The score; None: mPCK of visible and of occluded joints.

    Raises:
        ValueError: No record, different thresholds, another ending, or a
            record without that metric.
        OSError: ``out`` cannot be written.
    """
    scores: dict[str, Callable] = {}
    if metric is None:
        thr = common_thresholds(records)['thr']
        for kind in KINDS:
            scores[f'mPCK@{thr:g}, {kind} joints (%)'] = partial(
                score, kind=kind
            )
    else:
        scores[str(metric)] = partial(metric_value, metric=metric)
    out = check_output_path(out, PLOT_ENDINGS)
    groups = by_config(records)
    costs = [r['gmacs_per_frame'] for r in records if r['gmacs_per_frame']]
    figure = _figure(6 * len(scores), 4.8, list(groups))
    panels = figure.subplots(1, len(scores), squeeze=False)[0]
    for axes, (title, value) in zip(panels, scores.items()):
        if costs and max(costs) > 8 * min(costs):
            _log_scale(axes)
        _draw_points(
            axes,
            groups,
            lambda r: r['gmacs_per_frame'],
            value,
            side_by_side=True,
        )
        axes.set_xlabel('GMACs per frame (equal ones side by side)')
        axes.set_ylabel(title)
    _add_legend(figure, list(groups), lines=False)
    figure.savefig(out, dpi=_DPI)
