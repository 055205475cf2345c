# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import save_checkpoint

from rpstn_mmpose.engine import stock_tools
from rpstn_mmpose.engine.stock_tools import (add_checkpoint_guard,
                                             load_stock_tool)

from .toy import ToyModel

TOOLS = Path(__file__).resolve().parents[2] / 'tools'

CONFIG = """
custom_imports = dict(
    imports=['rpstn_mmpose', 'tests.test_engine.toy'],
    allow_failed_imports=False)
default_scope = 'mmpose'
model = dict(type='ToyModel')
loader = dict(
    batch_size=4,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ToyDataset'))
train_dataloader = loader
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=.01))
test_dataloader = loader
test_cfg = dict()
test_evaluator = dict(type='ToyMetric', values=[.25])
default_hooks = dict(checkpoint=dict(type='AtomicCheckpointHook'))
log_level = 'WARNING'
"""


@pytest.fixture()
def config(tmp_path):
    path = tmp_path / 'toy_config.py'
    path.write_text(CONFIG)
    return path


@pytest.fixture()
def run(monkeypatch, tmp_path, capsys):
    """Runs tools/<name>.py; its exit status and the last line of stderr."""
    monkeypatch.chdir(tmp_path)

    def run(name, *options):
        script = TOOLS / f'{name}.py'
        monkeypatch.setattr(sys, 'argv', [str(script), *map(str, options)])
        with pytest.raises(SystemExit) as caught:
            runpy.run_path(str(script), run_name='__main__')
        captured = capsys.readouterr()
        run.output = captured.out
        lines = captured.err.splitlines()
        return caught.value.code, lines[-1] if lines else ''

    return run


@pytest.mark.parametrize('name', ['train', 'test'])
def test_help_is_mmposes_own(name, run, monkeypatch, capsys):
    assert run(name, '--help')[0] == 0
    tool = load_stock_tool(name)
    monkeypatch.setattr(sys, 'argv', [f'{name}.py', '--help'])
    with pytest.raises(SystemExit):
        tool.parse_args()
    assert run.output == capsys.readouterr().out
    assert '--cfg-options' in run.output


def test_train_resume_and_test(config, run):
    work_dir = config.parent / 'work'
    assert run('train', config, '--work-dir', work_dir)[0] == 0
    assert (work_dir / 'epoch_1.pth').is_file()
    status, _ = run('train', config, '--work-dir', work_dir, '--resume',
                    '--cfg-options', 'train_cfg.max_epochs=2')
    assert status == 0
    assert (work_dir / 'epoch_2.pth').is_file()
    status, _ = run('test', config, work_dir / 'epoch_2.pth', '--work-dir',
                    work_dir, '--out', config.parent / 'metrics.json')
    assert status == 0
    assert (config.parent / 'metrics.json').read_text() == '{"acc": 0.25}'


def test_missing_config(run):
    status, line = run('train', 'nowhere.py')
    assert status == 1
    assert line.startswith('tools/train.py: FileNotFoundError: ')
    assert 'nowhere.py' in line


@pytest.mark.parametrize('name, options', [
    ('test', ['gone.pth']),
    ('train', ['--resume', 'gone.pth']),
])
def test_missing_checkpoint(name, options, config, run):
    assert run(name, config, *options) == (
        1, f'tools/{name}.py: FileNotFoundError: the checkpoint gone.pth '
        'does not exist')


@pytest.mark.parametrize('name, options', [
    ('test', ['foreign.pth']),
    ('train', ['--resume', 'foreign.pth']),
])
def test_foreign_checkpoint(name, options, config, run, tmp_path):
    save_checkpoint(dict(state_dict=torch.nn.Linear(1, 1).state_dict()),
                    str(tmp_path / 'foreign.pth'))
    status, line = run(name, config, *options)
    assert status == 1
    assert line.startswith(
        f'tools/{name}.py: CheckpointError: foreign.pth is not a checkpoint '
        "of this ToyModel: it has 0 of the model's 8 entries (0%")


def test_load_from_may_match_in_part(config, run, tmp_path):
    state = ToyModel().state_dict()
    del state['last.bias']
    save_checkpoint(dict(state_dict=state), str(tmp_path / 'part.pth'))
    status, _ = run('train', config, '--cfg-options', 'load_from=part.pth')
    assert status == 0


def test_work_dir_that_cannot_be_written(config, run, tmp_path):
    (tmp_path / 'file').write_text('')
    status, line = run('train', config, '--work-dir', 'file/work')
    assert status == 1
    assert line.startswith('tools/train.py: NotADirectoryError: ')
    assert ('cannot write to the work dir file/work (Not a directory); name '
            'another one with --work-dir') in line


def test_mmpose_without_tools(tmp_path, monkeypatch):
    monkeypatch.setattr(stock_tools.mmpose, '__file__',
                        str(tmp_path / 'mmpose/__init__.py'))
    with pytest.raises(FileNotFoundError, match='has no tools/train.py'):
        load_stock_tool('train')


def test_guard_is_added_once():
    cfg = Config(dict(custom_hooks=[dict(type='EMAHook')]))
    for _ in range(2):
        add_checkpoint_guard(cfg)
        assert [hook['type'] for hook in cfg.custom_hooks
                ] == ['EMAHook', 'CheckpointGuardHook']
    cfg = Config(dict(custom_hooks=None))
    add_checkpoint_guard(cfg)
    assert len(cfg.custom_hooks) == 1
