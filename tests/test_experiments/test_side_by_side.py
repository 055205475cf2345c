# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rpstn_mmpose.experiments import execution, side_by_side
from rpstn_mmpose.experiments.plan import Run

from .made_up_records import make_record


def run_of(name, start=None):
    return Run(name, 0, Path('nowhere'), None, None, '', '', start)


@pytest.fixture()
def world(monkeypatch):
    """Finished runs and calls; what is called ``bad`` fails."""
    finished, calls, lock = set(), [], threading.Lock()

    def execute(run, bar, label, interrupted):
        with lock:
            calls.append(run.name)
        if run.name == 'bad':
            raise side_by_side.RunFailed('boom')
        finished.add(str(run))

    def record(run):
        return make_record(run.name, 0) if str(run) in finished else None

    monkeypatch.setattr(side_by_side, 'execute', execute)
    monkeypatch.setattr(side_by_side, 'finished_record', record)
    monkeypatch.setenv('OMP_NUM_THREADS', '7')
    return finished, calls


def runs_of():
    good, bad = run_of('good'), run_of('bad')
    on_bad = run_of('on bad', bad)
    return [
        good,
        bad,
        run_of('on good', good),
        on_bad,
        run_of('on on bad', on_bad),
    ]


@pytest.mark.parametrize('jobs', [1, 3])
def test_starts_first_and_failures_are_passed_on(world, jobs, capsys):
    finished, calls = world
    begun, reports = [], []

    def before(run):
        if run.start:
            assert str(run.start) in finished
        begun.append(run.name)

    failed = side_by_side.run_side_by_side(
        runs_of(), jobs, before, lambda: reports.append(1)
    )
    assert sorted(failed) == [
        'bad seed 0', 'on bad seed 0', 'on on bad seed 0',
    ]  # fmt: skip
    assert sorted(calls) == sorted(begun) == ['bad', 'good', 'on good']
    assert calls.index('good') < calls.index('on good')
    assert len(reports) == 2
    out = capsys.readouterr().out
    assert 'bad seed 0: FAILED: boom' in out
    assert 'on bad seed 0: FAILED: it starts from bad seed 0, which' in out


def test_nobody_waits_while_another_can_go_on(world):
    """Two at a time: the second one is not blocked by what it starts from."""
    _, calls = world
    good = run_of('good')
    runs = [good, run_of('on good', good), run_of('other')]
    both = threading.Barrier(2, timeout=20)

    def before(run):
        if run.name != 'on good':
            both.wait()  # breaks unless these two are there at once

    assert not side_by_side.run_side_by_side(runs, 2, before, lambda: None)
    assert sorted(calls[:2]) == ['good', 'other'] and calls[2:] == ['on good']


def test_what_is_done_is_left_alone(world):
    finished, calls = world
    finished.add('good seed 0')
    failed = side_by_side.run_side_by_side(
        runs_of()[:1], 2, pytest.fail, lambda: None
    )
    assert not failed and not calls


def test_cores_are_shared_out(world, monkeypatch):
    monkeypatch.setattr(side_by_side.os, 'cpu_count', lambda: 8)
    for jobs, threads in ((1, '8'), (3, '2'), (20, '1')):
        side_by_side.run_side_by_side([], jobs, print, print)
        assert side_by_side.os.environ['OMP_NUM_THREADS'] == threads


def test_an_interrupt_ends_the_other_processes(tmp_path, monkeypatch):
    """It does not wait until a training of a minute is done."""
    finished = set()
    for module in (execution, side_by_side):
        monkeypatch.setattr(
            module, 'finished_record', lambda run: str(run) in finished or None
        )
    monkeypatch.setattr(side_by_side, 'say_result', lambda *_: None)
    for name in ('prepare_folder', 'write_job'):
        monkeypatch.setattr(execution, name, lambda run: None)
    monkeypatch.setattr(execution, 'POLL_SECONDS', 0.05)
    children = []
    popen = subprocess.Popen

    def child_command(work_dir):
        seconds = 60 if 'long' in work_dir.name else 0
        return [sys.executable, '-c', f'import time; time.sleep({seconds})']

    def started(*args, **options):
        children.append(popen(*args, **options))
        return children[-1]

    monkeypatch.setattr(execution, 'child_command', child_command)
    monkeypatch.setattr(execution.subprocess, 'Popen', started)
    both = threading.Barrier(2, timeout=20)

    def before(run):
        (tmp_path / run.name).mkdir()
        finished.add('short seed 0')
        both.wait()

    def done():
        while len(children) < 2:
            time.sleep(0.01)
        raise KeyboardInterrupt

    runs = [
        run_of(name)._replace(work_dir=tmp_path / name)
        for name in ('short', 'long')
    ]
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        side_by_side.run_side_by_side(runs, 2, before, done)
    assert time.monotonic() - begin < 30
    assert len(children) == 2
    assert all(child.poll() is not None for child in children)
