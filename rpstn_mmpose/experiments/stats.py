# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Means and spread over seeds."""

from __future__ import annotations

import math
import statistics
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

# Numbers beside the scores. ``..._total`` includes the image model that a
# config starts from.
COSTS = (
    'params',
    'gmacs_per_frame',
    'train_seconds',
    'train_seconds_total',
    'frame_passes',
    'frame_passes_total',
)

Record = Mapping[str, Any]


class Stat(NamedTuple):
    """Mean and sample standard deviation of ``count`` values.

    ``mean`` is None without a value, ``std`` with fewer than two.
    """

    mean: float | None
    std: float | None
    count: int


def describe(values: Iterable[float | None]) -> Stat:
    """Mean and sample standard deviation of the values that are known.

    Example:
        >>> describe([1.0, None, 3.0])
        Stat(mean=2.0, std=1.4142135623730951, count=2)
    """
    known = [v for v in values if v is not None and not math.isnan(v)]
    return Stat(
        statistics.fmean(known) if known else None,
        statistics.stdev(known) if len(known) > 1 else None,
        len(known),
    )


def paired_difference(
    values: Mapping[int, float | None], base: Mapping[int, float | None]
) -> Stat:
    """Differences to a baseline, seed by seed.

    Args:
        values: Value by seed.
        base: The baseline's value by seed.

    Returns:
        Stat: Of ``values - base`` over the seeds that have both.
    """
    pairs = ((values[seed], base[seed]) for seed in values if seed in base)
    return describe(a - b for a, b in pairs if a is not None and b is not None)


def by_config(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records of each config, in the order of the first record of each.

    Raises:
        ValueError: A config has a seed twice.
    """
    out: dict[str, list[Record]] = {}
    for record in records:
        group = out.setdefault(record['config'], [])
        if any(other['seed'] == record['seed'] for other in group):
            raise ValueError(
                f'{record["config"]} has two results for seed {record["seed"]}'
            )
        group.append(record)
    return out


def check_baseline(groups: Mapping[str, Any], baseline: str | None) -> None:
    """Refuse a baseline that has no record.

    Raises:
        ValueError: The baseline is none of ``groups``.
    """
    if baseline is not None and baseline not in groups:
        raise ValueError(
            f'no finished run of the baseline {baseline!r}; '
            f'there are {", ".join(groups)}'
        )


def cost_stats(group: Sequence[Record]) -> dict[str, Stat]:
    """Each of ``COSTS`` over the records of one config."""
    return {cost: describe(r[cost] for r in group) for cost in COSTS}
