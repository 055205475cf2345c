# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Runs, one after the other, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from threading import Event
from typing import IO, Sequence

from mmengine.logging import MMLogger
from tqdm import tqdm

from ..checkpoints.atomic_file import write_atomically
from .pck import score
from .plan import Run, config_of_run, evaluator_settings
from .report import report
from .results import RESULT_FILE, Metric, load_record, metric_value
from .worker import CONFIG, JOB, PROGRESS, train_and_test

POLL_SECONDS = 0.5
STAMP = 'settings.sha256'
LOG = 'log.txt'
# A narrow terminal cuts off the end, the times.
BAR = '{desc} {n_fmt}/{total_fmt}{postfix} [{elapsed}<{remaining}]'


class RunFailed(ValueError):
    """A run that could not be finished; the others go on."""


# A run, seen from outside


def finished_record(run: Run) -> dict | None:
    """The run's result, if there is one of the same settings."""
    try:
        record = load_record(run.work_dir / RESULT_FILE)
    except (OSError, ValueError):
        return None
    return record if record['settings'] == run.settings else None


def prepare_folder(run: Run) -> None:
    """Start afresh if an earlier run there had other settings.

    A finished one is kept beside, as ``seed0.old-<its settings>``.

    Raises:
        RunFailed: The folder is not one of this package.
    """
    folder, stamp = run.work_dir, run.work_dir / STAMP
    if folder.exists() and any(folder.iterdir()):
        if not stamp.is_file():
            raise RunFailed(
                f'{folder} holds something else; choose another --out'
            )
        before = stamp.read_text().strip()
        if before != run.settings and (folder / RESULT_FILE).is_file():
            aside = folder.with_name(f'{folder.name}.old-{before[:8]}')
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
            tqdm.write(f'{run}: other settings, the earlier run is in {aside}')
        elif before != run.settings:
            shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(f'{run.settings}\n'.encode(), stamp)


def write_job(run: Run) -> None:
    """Leave in the run's folder all that its process needs to know."""
    job = dict(
        config=run.name,
        seed=run.seed,
        settings=run.settings,
        data=run.data,
        evaluator=evaluator_settings(run.cfg),
        started_from=None,
    )
    if run.start is not None:
        start = run.start.work_dir.resolve()
        job['started_from'] = str(start / RESULT_FILE)
    config_of_run(run).dump(run.work_dir / CONFIG)
    (run.work_dir / JOB).write_text(json.dumps(job, indent=1) + '\n')


def child_command(work_dir: Path) -> list[str]:
    """The command line of a run's process."""
    # A process for each run: registries' scopes, message hubs, loggers and
    # memory of one run do not reach the next, and a crash or the kernel's
    # out-of-memory killer takes one run, not the rest of the list.
    return [
        sys.executable,
        '-m',
        'rpstn_mmpose.experiments.worker',
        str(work_dir.resolve()),
        '--end-with-parent',
    ]


def execute(
    run: Run, bar: tqdm, label: str, interrupted: Event | None = None
) -> None:
    """Train and test in a process of its own, whose output goes to log.txt.

    Args:
        run: What to run.
        bar: Of its progress.
        label: For the bar.
        interrupted: Tells another thread's call to stop the process.

    Raises:
        RunFailed: It ended without a result.
    """
    prepare_folder(run)
    write_job(run)
    progress = run.work_dir / PROGRESS
    progress.unlink(missing_ok=True)
    log = run.work_dir / LOG
    bar.reset()
    bar.set_description_str(f'{label}, starting')
    # What the config imports here is to be found there, too.
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with log.open('a') as file:
        child = subprocess.Popen(
            child_command(run.work_dir),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, PYTHONPATH=path),
        )
    try:
        while True:
            try:
                child.wait(POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                show_progress(bar, label, progress)
                if interrupted and interrupted.is_set():
                    raise RunFailed('interrupted') from None
    finally:
        stop(child)
    if child.returncode or finished_record(run) is None:
        code = child.returncode
        how = f'signal {-code}' if code < 0 else f'exit status {code}'
        raise RunFailed(f'{how}, {last_line(log)!r}; log in {log}')


def execute_here(run: Run, label: str) -> dict:
    """Train and test in this process, if there is no record yet.

    Args:
        run: What to run.
        label: For the bar.

    Returns:
        dict: The record.

    Raises:
        RunFailed: The folder is not one of this package.
    """
    record = finished_record(run)
    if record is not None:
        return record
    prepare_folder(run)
    write_job(run)
    log = run.work_dir / LOG
    bar = tqdm(bar_format=BAR, dynamic_ncols=True, desc=label, disable=None)
    try:
        with bar, log.open('a') as file:
            with redirect_stdout(file):
                train_and_test(run.work_dir, partial(show_state, bar, label))
            _forget_stream(file)
    except BaseException:
        print(f'the log is in {log}', file=sys.stderr)
        raise
    return load_record(run.work_dir / RESULT_FILE)


def _forget_stream(file: IO) -> None:
    """Take a file that is to be closed from the logger of the last run."""
    logger = MMLogger.get_current_instance()
    for handler in list(logger.handlers):
        if getattr(handler, 'stream', None) is file:
            logger.removeHandler(handler)


def stop(child: subprocess.Popen) -> None:
    """End a process that still runs."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def last_line(log: Path, length: int = 200) -> str:
    """The last line of a log that is not empty."""
    with log.open('rb') as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors='replace').split('\n')
    lines = [line.strip() for line in lines if line.strip()]
    return lines[-1][:length] if lines else 'nothing logged'


def show_progress(bar: tqdm, label: str, path: Path) -> None:
    """Move the bar to where the run's process says it is."""
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):  # nothing yet
        bar.refresh()
        return
    show_state(bar, label, state)


def show_state(bar: tqdm, label: str, state: dict) -> None:
    """Move the bar to what :class:`RunHook` told."""
    bar.total, bar.n = state['total'], state['done']
    bar.set_description_str(f'{label}, {state["what"]}', refresh=False)
    bar.set_postfix_str(state['loss'], refresh=False)
    bar.refresh()


# All runs


def finished_records(runs: Sequence[Run]) -> tuple[list[dict], list[str]]:
    """Records of the finished runs, by config, and the others' names."""
    names = list(dict.fromkeys(run.name for run in runs))
    records, missing = [], []
    for run in sorted(runs, key=lambda run: names.index(run.name)):
        record = finished_record(run)
        if record is None:
            missing.append(str(run))
        else:
            records.append(record)
    return records, missing


def shorten(name: str, length: int = 34) -> str:
    """A name with its middle left out, for the bar."""
    if len(name) <= length:
        return name
    end = (length - 1) // 2
    return f'{name[: length - 1 - end]}…{name[-end:]}'


def say_result(
    label: str, record: dict, metric: Metric | None, note: str = ''
) -> None:
    """A line for one run.

    Raises:
        ValueError: The run has no such metric.
    """
    if metric is None:
        values = dict(
            visible=score(record, 'visible'),
            occluded=score(record, 'occluded'),
        )
        told = [
            f'{"–" if value is None else format(value, ".1f")} {kind}'
            for kind, value in values.items()
        ]
        scores = f'mPCK@{record["pck"]["thr"]:g} {", ".join(told)}'
    else:
        value = metric_value(record, metric)
        scores = f'{metric.name} {"–" if value is None else f"{value:.4g}"}'
    tqdm.write(
        f'{label}: {scores}, {record["train_seconds"]:.0f} s of training{note}'
    )


def run_all(
    runs: Sequence[Run],
    out: Path,
    baseline: str | None = None,
    metric: Metric | None = None,
) -> list[str]:
    """Train what is not finished yet, and report.

    Args:
        runs: Of :func:`plan_runs`.
        out: Folder of the report.
        baseline: Config that the others are compared with.
        metric: The number to rank by; None: PCK.

    Returns:
        list[str]: The runs that failed.

    Raises:
        ValueError: An unknown baseline or metric.
    """
    names = list(dict.fromkeys(run.name for run in runs))
    if baseline is not None and baseline not in names:
        raise ValueError(
            f'--baseline {baseline} is none of the configs: {", ".join(names)}'
        )
    out.mkdir(parents=True, exist_ok=True)
    failed = []
    bar = tqdm(bar_format=BAR, dynamic_ncols=True, leave=False, disable=None)
    with bar:
        for i, run in enumerate(runs, 1):
            label = f'[{i}/{len(runs)}] {run}'
            record = finished_record(run)
            if record is not None:
                say_result(label, record, metric, ' (done before)')
                continue
            try:
                if run.start and finished_record(run.start) is None:
                    raise RunFailed(
                        f'it starts from {run.start}, which failed'
                    )
                if bar.disable:  # no terminal
                    tqdm.write(f'{label}: log in {run.work_dir / LOG}')
                short = f'{shorten(run.name)} seed {run.seed}'
                execute(run, bar, f'[{i}/{len(runs)}] {short}')
            except RunFailed as error:
                failed.append(str(run))
                tqdm.write(f'{label}: FAILED: {error}')
                continue
            say_result(label, finished_record(run), metric)
            if i < len(runs):
                bar.set_description_str('report')
                report_runs(runs, out, baseline, metric)
    report_runs(runs, out, baseline, metric, summary=True)
    return failed


def report_runs(
    runs: Sequence[Run],
    out: Path,
    baseline: str | None,
    metric: Metric | None,
    summary: bool = False,
) -> None:
    """Report the finished ones, if there are any."""
    records, missing = finished_records(runs)
    if all(record['config'] != baseline for record in records):
        baseline = None  # none of its runs is finished yet
    if records:
        report(records, out, baseline, missing, metric, summary)
