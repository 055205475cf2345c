# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What the benchmarks share: the settings, the clock, the results."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import os
import statistics
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

RECIPE = 'rpstn_res50_1xb8-100e_penn-256x256'
TINY_RECIPE = 'rpstn_tiny_1xb8-1e_synthetic-penn-128x128'
CLIP_LENGTH = 5
COLUMNS = (
    'benchmark',
    'case',
    'variant',
    'ms',
    'ratio',
    'peak MB',
    'error',
    'note',
)


class PeakMemory:
    """Most memory in use while the context is open, in MB.

    On a GPU what torch has handed out, on a CPU the resident memory of the
    whole process (on Linux, looked at every few milliseconds).
    """

    def __init__(self, device: str) -> None:
        self.cuda = device.startswith('cuda')
        self.peak = 0.0

    def __enter__(self) -> 'PeakMemory':
        import torch

        gc.collect()
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
            return self
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL('libc.so.6').malloc_trim(0)
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        statm = Path('/proc/self/statm')
        page = os.sysconf('SC_PAGE_SIZE') if statm.exists() else 0
        while page:
            resident = int(statm.read_text().split()[1]) * page / 2**20
            self.peak = max(self.peak, resident)
            if self._done.wait(0.002):
                break

    def __exit__(self, *error) -> None:
        import torch

        if self.cuda:
            self.peak = torch.cuda.max_memory_allocated() / 2**20
        else:
            self._done.set()
            self._watcher.join()


class Bench:
    """What the benchmarks share: settings, the clock, the results."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.rows: List[Dict[str, Any]] = []
        self.profiles: List[str] = []
        self.cuda = args.device.startswith('cuda')
        # Parts of --only that no variant's name has.
        self.unknown = list(args.only or [])

    def wants(self, variant: str) -> bool:
        """Whether a variant is to be measured; the baseline always is."""
        parts = self.args.only
        self.unknown = [x for x in self.unknown if x not in variant]
        return (
            variant == 'baseline'
            or not parts
            or any(part in variant for part in parts)
        )

    def now(self) -> float:
        if self.cuda:
            import torch

            torch.cuda.synchronize()
        clock = time.process_time if self.args.cpu_time else time.perf_counter
        return clock()

    def seconds(self, function: Callable) -> float:
        start = self.now()
        function()
        return self.now() - start

    def compare(
        self,
        benchmark: str,
        case: str,
        variants: Dict[str, Callable],
        units: Optional[Dict[str, float]] = None,
        errors: Optional[Dict[str, float]] = None,
        memory: bool = True,
    ) -> Dict[str, float]:
        """Time variants in turns; the first is the baseline.

        Args:
            benchmark, case: Names for the table.
            variants: What to call, by name.
            units: How many units, such as frames, a call does, by name;
                otherwise 1. The figures are times of a unit.
            errors: Largest difference to the baseline, by name.
            memory: Whether to look at the memory in one more round.

        Returns:
            dict: Seconds a unit, by name.
        """
        units = units or {}
        for function in variants.values():
            for _ in range(self.args.warmup):
                function()
        times: Dict[str, list] = {name: [] for name in variants}
        for _ in range(self.args.repeats):
            for name, function in variants.items():
                times[name].append(self.seconds(function) / units.get(name, 1))
        result = {name: statistics.median(t) for name, t in times.items()}
        baseline = next(iter(result.values()))
        for name, function in variants.items():
            peak = None
            if memory:
                with PeakMemory(self.args.device) as watch:
                    function()
                peak = watch.peak or None
            self.add(
                benchmark,
                case,
                name,
                result[name],
                baseline / result[name],
                peak,
                (errors or {}).get(name),
            )
            if self.args.profile:
                self.profile(f'{benchmark}, {case}: {name}', function)
        return result

    def add(
        self,
        benchmark: str,
        case: str,
        variant: str,
        seconds: float,
        ratio: Optional[float],
        peak: Optional[float] = None,
        error: Optional[float] = None,
        note: str = '',
    ) -> None:
        row = dict(
            zip(
                COLUMNS,
                (
                    benchmark,
                    case,
                    variant,
                    seconds * 1e3,
                    ratio,
                    peak,
                    error,
                    note,
                ),
            )
        )
        self.rows.append(row)
        print(
            ' | '.join(shown(row[name], name) for name in COLUMNS), flush=True
        )

    def profile(self, title: str, function: Callable) -> None:
        from torch.profiler import ProfilerActivity, profile

        kinds = [ProfilerActivity.CPU]
        key = 'self_cpu_time_total'
        if self.cuda:
            kinds.append(ProfilerActivity.CUDA)
            key = 'self_cuda_time_total'
        with profile(activities=kinds) as record:
            function()
        table = record.key_averages().table(
            sort_by=key, row_limit=15, max_name_column_width=50
        )
        self.profiles.append(f'{title}\n{table}\n')


def shown(value: Any, column: str) -> str:
    if value is None:
        return '-'
    if column == 'error':
        return f'{value:.1e}'
    if column == 'peak MB':
        return f'{value:.0f}'
    return f'{value:.2f}' if isinstance(value, float) else str(value)
