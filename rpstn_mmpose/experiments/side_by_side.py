# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Several runs at a time, each in a process of its own."""

from __future__ import annotations

import os
import sys
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from threading import Event
from typing import Callable, Iterator, Sequence

from tqdm import tqdm

from .execution import (
    BAR,
    LOG,
    RunFailed,
    execute,
    finished_record,
    say_result,
    shorten,
)
from .plan import Run


def run_side_by_side(
    runs: Sequence[Run],
    jobs: int,
    before: Callable[[Run], None],
    done: Callable[[], None],
) -> list[str]:
    """Train and test what is not finished yet; the cores are shared out.

    Args:
        runs: Those that are to come first at the front; one that starts from
            another of them waits for that.
        jobs: Runs at a time.
        before: Called with a run that is to begin; its start is finished.
        done: Called after each run.

    Returns:
        list[str]: The runs that failed.
    """
    share = max(1, (os.cpu_count() or 1) // jobs)
    os.environ['OMP_NUM_THREADS'] = str(share)
    failed, waiting = [], list(runs)
    running: dict[Future, Run] = {}
    interrupted = Event()
    with ThreadPoolExecutor(jobs) as pool, _set_by_errors(interrupted):
        while waiting or running:
            ahead = {str(run) for run in (*waiting, *running.values())}
            ready = [run for run in waiting if str(run.start) not in ahead]
            for run in ready[: jobs - len(running)]:
                waiting.remove(run)
                running[pool.submit(_run_one, run, before, interrupted)] = run
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                run = running.pop(future)
                try:
                    future.result()
                    done()
                except RunFailed as error:
                    failed.append(str(run))
                    tqdm.write(f'{run}: FAILED: {error}')
    return failed


@contextmanager
def _set_by_errors(interrupted: Event) -> Iterator[None]:
    """The pool waits for its threads, and these for their processes."""
    try:
        yield
    except BaseException:
        interrupted.set()
        raise


def _run_one(
    run: Run, before: Callable[[Run], None], interrupted: Event
) -> None:
    if run.start and finished_record(run.start) is None:
        raise RunFailed(f'it starts from {run.start}, which failed')
    record = finished_record(run)
    if record is not None:
        say_result(str(run), record, None, ' (done before)')
        return
    before(run)
    if not sys.stderr.isatty():
        tqdm.write(f'{run}: log in {run.work_dir / LOG}')
    label = f'{shorten(run.name)} seed {run.seed}'
    with tqdm(
        bar_format=BAR, dynamic_ncols=True, leave=False, disable=None
    ) as bar:
        execute(run, bar, label, interrupted)
    say_result(str(run), finished_record(run), None)
