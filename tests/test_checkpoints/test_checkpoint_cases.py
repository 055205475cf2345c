# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Files that were read, or ended in tracebacks, made by their own scripts."""

import runpy
import sys

import pytest

from rpstn_mmpose.checkpoints import CheckpointError, load_weights
from tests.test_engine.toy import toy_runner

from ..real_data import require_case

ODD = dict(
    state_list='state_dict is of type list',
    state_none='state_dict is of type NoneType',
    state_int_keys='state_dict has the name 1, of type int',
    state_numpy='state_dict.first.weight is of type ndarray',
    state_sparse='asks for torch._utils._rebuild_sparse_tensor',
    meta_none='meta is of type NoneType',
    epoch_text="meta.epoch is '7'",
    epoch_negative='meta.epoch is -3',
    hub_list='message_hub is not a dict of',
    optimizer_empty='optimizer has 0 parameters in 0 groups',
    schedulers_none='param_schedulers is not of the form',
    big='asks for builtins.bytearray',
    plain_pickle='was refused: it asks for posix.system',
)

# Large enough that the middle of the file is in a tensor.
MODEL = dict(type='ToyModel', width=1000)


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp('good')
    toy_runner(folder, epochs=1, model=MODEL).train()
    return folder / 'epoch_1.pth'


def make(monkeypatch, case, *arguments):
    """Run a case's script."""
    monkeypatch.setattr(sys, 'argv', ['make.py', *map(str, arguments)])
    runpy.run_path(str(require_case(case) / 'make.py'))


def resume(folder, path):
    runner = toy_runner(
        folder,
        epochs=2,
        model=MODEL,
        load_from=str(path),
        resume=True,
        custom_hooks=[dict(type='CheckpointGuardHook')],
    )
    runner.train()
    return runner


def test_config_text_is_not_run(good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(monkeypatch, 'resume_runs_config_code', good, 'evil.pth')
    assert resume(tmp_path / 'run', 'evil.pth').epoch == 2
    assert not (tmp_path / 'RAN').exists()


@pytest.mark.parametrize(
    'kind, words',
    [
        ('nan', 'holds NaN or infinity'),
        ('int8', 'holds int8'),
        ('complex', 'holds complex64'),
        ('flip', 'the checksum of its entry'),
    ],
)
def test_weights_that_cannot_be_right(
    kind, words, good, tmp_path, monkeypatch
):
    path = tmp_path / 'bad.pth'
    make(monkeypatch, 'checkpoint_nan_weights', good, path, kind)
    with pytest.raises(CheckpointError, match=f'bad.pth .*{words}'):
        load_weights(path)


def test_odd_contents(good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(monkeypatch, 'checkpoint_odd_contents', good, tmp_path / 'odd')
    assert {p.stem for p in (tmp_path / 'odd').iterdir()} == set(ODD)
    for name, words in ODD.items():
        path = tmp_path / f'odd/{name}.pth'
        with pytest.raises(CheckpointError) as caught:
            resume(tmp_path / 'run', path)
        message = str(caught.value)
        assert message.startswith(str(path)) and words in message
        assert '\n' not in message
        if name.startswith('state') or name == 'plain_pickle':
            with pytest.raises(CheckpointError, match=f'{name}.pth'):
                toy_runner(
                    tmp_path / 'run',
                    values=[0.1],
                    model=MODEL,
                    load_from=str(path),
                ).val()
    assert not list((tmp_path / 'run').glob('*.pth'))
    assert not (tmp_path / 'RAN').exists()
