# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import save_checkpoint

from rpstn_mmpose.engine import load_weights, stock_parser, stock_tools
from rpstn_mmpose.engine.stock_parser import parse_stock_args
from rpstn_mmpose.engine.stock_tools import (
    add_checkpoint_guard,
    is_refusal,
    load_stock_tool,
)
from rpstn_mmpose.systems.anatomy3d.bones import BoneTree

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
def test_help_is_mmposes_own_and_one_option(name, run, monkeypatch, capsys):
    assert run(name, '--help')[0] == 0
    tool = load_stock_tool(name)
    monkeypatch.setattr(sys, 'argv', [f'{name}.py', '--help'])
    with pytest.raises(SystemExit):
        tool.parse_args()
    stock = capsys.readouterr().out.split('\n\n', 1)[1]
    assert '--cfg-options' in stock
    own = run.output.split('\n\n', 1)[1]
    assert own.startswith(stock.rstrip('\n'))
    assert own[len(stock.rstrip('\n')) :].split()[0] == '--data-root'


def test_options_are_read_as_mmpose_reads_them(monkeypatch):
    argv = [
        'train.py',
        'a.py',
        '--resume',
        '--cfg-options',
        'a.b=[1,x]',
        'c=2',
    ]
    monkeypatch.setattr(sys, 'argv', argv)
    own = vars(parse_stock_args('train'))
    assert own['cfg_options'] == {'a.b': [1, 'x'], 'c': 2}
    assert own.pop('data_root') is None
    assert own == vars(load_stock_tool('train').parse_args())


@pytest.mark.parametrize(
    'options, line',
    [
        (
            ['a.py', '--cfg-options', 'a'],
            'train.py: error: --cfg-options takes KEY=VALUE, but got a',
        ),
        ([], 'train.py: error: the following arguments are required: config'),
    ],
)
def test_wrong_options_are_one_line(options, line, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['train.py', *options])
    with pytest.raises(SystemExit) as caught:
        parse_stock_args('train')
    assert caught.value.code == 2
    assert capsys.readouterr().err == f'{line}\n'


def test_train_resume_and_test(config, run):
    work_dir = config.parent / 'work'
    assert run('train', config, '--work-dir', work_dir)[0] == 0
    assert (work_dir / 'epoch_1.pth').is_file()
    status, _ = run(
        'train',
        config,
        '--work-dir',
        work_dir,
        '--resume',
        '--cfg-options',
        'train_cfg.max_epochs=2',
    )
    assert status == 0
    assert (work_dir / 'epoch_2.pth').is_file()
    status, _ = run(
        'test',
        config,
        work_dir / 'epoch_2.pth',
        '--work-dir',
        work_dir,
        '--out',
        config.parent / 'metrics.json',
    )
    assert status == 0
    assert (config.parent / 'metrics.json').read_text() == '{"acc": 0.25}'


def epochs_in(path) -> int:
    return load_weights(str(path))['meta']['epoch']


def weights_in(path) -> dict:
    return load_weights(str(path))['state_dict']


@pytest.fixture()
def start(config, run):
    """Checkpoint of a finished training of three epochs, as start weights."""
    work_dir = config.parent / 'start'
    status, _ = run(
        'train',
        config,
        '--work-dir',
        work_dir,
        '--cfg-options',
        'train_cfg.max_epochs=3',
    )
    assert status == 0
    return work_dir / 'epoch_3.pth'


FROZEN = 'optim_wrapper.optimizer.lr=0'


def same(ours, theirs) -> bool:
    return all(
        torch.equal(value, theirs[name])
        for name, value in ours.items()
        if 'norm' not in name
    )


@pytest.mark.parametrize('place', ['option', 'config', 'config with resume'])
def test_resume_of_a_training_from_given_weights(place, config, run, start):
    work_dir = config.parent / 'work'
    options, resume = ['--cfg-options'], ['--resume']
    if place == 'option':
        options.append(f'load_from={start}')
    else:
        config.write_text(f'{CONFIG}\nload_from = {str(start)!r}\n')
    if place == 'config with resume':
        config.write_text(config.read_text() + 'resume = True\n')
        resume = []
    # The first call: start weights, but neither their epoch nor optimizer.
    # With --resume at once MMPose's script would forget them.
    status, line = run(
        'train',
        config,
        '--work-dir',
        work_dir,
        *resume,
        *options,
        'train_cfg.max_epochs=2',
        FROZEN,
    )
    assert status == 0
    assert 'no checkpoint yet' in line and f'--resume {start}' in line
    second = work_dir / 'epoch_2.pth'
    loaded = load_weights(str(second))
    assert (loaded['meta']['epoch'], loaded['meta']['iter']) == (2, 8)
    assert same(loaded['state_dict'], weights_in(start))
    before = second.read_bytes()
    # The second call, with those weights gone: its own last checkpoint.
    start.unlink()
    status, _ = run(
        'train',
        config,
        '--work-dir',
        work_dir,
        *resume,
        *options,
        'train_cfg.max_epochs=3',
    )
    assert status == 0
    assert second.read_bytes() == before
    loaded = load_weights(str(work_dir / 'epoch_3.pth'))
    assert (loaded['meta']['epoch'], loaded['meta']['iter']) == (3, 12)


@pytest.mark.parametrize('given', [[], ['load_from=other.pth']])
def test_resume_from_a_named_checkpoint(given, config, run, start):
    # MMPose's script lets an option load_from replace what --resume names.
    save_checkpoint(
        dict(state_dict=ToyModel().state_dict()),
        str(config.parent / 'other.pth'),
    )
    work_dir = config.parent / 'work'
    assert run('train', config, '--work-dir', work_dir)[0] == 0
    status, _ = run(
        'train',
        config,
        '--work-dir',
        work_dir,
        '--resume',
        start,
        '--cfg-options',
        'train_cfg.max_epochs=4',
        *given,
    )
    assert status == 0
    # From START's third epoch, not from the work dir's first.
    assert load_weights(str(work_dir / 'epoch_4.pth'))['meta']['iter'] == 16
    assert not (work_dir / 'epoch_2.pth').exists()
    # What mmengine writes down is a config as any.
    dumped = Config.fromfile(work_dir / config.name)
    assert dumped.resume and dumped.load_from == str(start)


def test_resume_at_a_stale_last_checkpoint(config, run, start):
    work_dir = config.parent / 'work'
    work_dir.mkdir()
    (work_dir / 'last_checkpoint').write_text('gone.pth')
    status, line = run(
        'train',
        config,
        '--work-dir',
        work_dir,
        '--resume',
        '--cfg-options',
        f'load_from={start}',
    )
    assert status == 1
    assert line.startswith('tools/train.py: CheckpointError: ')
    assert 'last_checkpoint names gone.pth, which does not exist' in line


def test_start_weights_without_resume_stay_start_weights(config, run, start):
    work_dir = config.parent / 'work'
    for _ in range(2):
        status, line = run(
            'train',
            config,
            '--work-dir',
            work_dir,
            '--cfg-options',
            f'load_from={start}',
            FROZEN,
        )
        assert status == 0 and 'tools/train.py' not in line
        assert epochs_in(work_dir / 'epoch_1.pth') == 1
        assert same(weights_in(work_dir / 'epoch_1.pth'), weights_in(start))


def test_options_may_take_load_from_back(config, run, start):
    config.write_text(f'{CONFIG}\nload_from = {str(start)!r}\n')
    status, line = run(
        'train',
        config,
        '--work-dir',
        config.parent / 'work',
        '--resume',
        '--cfg-options',
        'load_from=None',
        FROZEN,
    )
    assert status == 0 and 'no checkpoint yet' not in line
    assert not same(
        weights_in(config.parent / 'work/epoch_1.pth'), weights_in(start)
    )


def test_a_test_resumes_nothing(config, run, start):
    config.write_text(f'{CONFIG}\nresume = True\n')
    assert run('test', config, start, '--work-dir', 'work')[0] == 0
    assert not Path('work').joinpath('last_checkpoint').exists()


def test_missing_config(run):
    status, line = run('train', 'nowhere.py')
    assert status == 1
    assert line.startswith('tools/train.py: FileNotFoundError: ')
    assert 'nowhere.py' in line


@pytest.mark.parametrize(
    'name, options',
    [('test', ['gone.pth']), ('train', ['--resume', 'gone.pth'])],
)
def test_missing_checkpoint(name, options, config, run):
    assert run(name, config, *options) == (
        1,
        f'tools/{name}.py: FileNotFoundError: the checkpoint gone.pth '
        'does not exist',
    )


@pytest.mark.parametrize(
    'name, options',
    [('test', ['foreign.pth']), ('train', ['--resume', 'foreign.pth'])],
)
def test_foreign_checkpoint(name, options, config, run, tmp_path):
    save_checkpoint(
        dict(state_dict=torch.nn.Linear(1, 1).state_dict()),
        str(tmp_path / 'foreign.pth'),
    )
    status, line = run(name, config, *options)
    assert status == 1
    assert line.startswith(
        f'tools/{name}.py: CheckpointError: foreign.pth is not a checkpoint '
        "of this ToyModel: it has 0 of the model's 8 entries (0%"
    )


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
    assert (
        'cannot write to the work dir file/work (Not a directory); name '
        'another one with --work-dir'
    ) in line


def test_what_the_package_refuses_is_one_line(config, run, tmp_path):
    """A data set whose file would run something."""
    config.write_text(
        config.read_text()
        + """
test_dataloader = dict(dataset=dict(
    type='H36MSequenceDataset', data_root='data', split='test',
    window=dict(type='WholeTrack')))
"""
    )
    (tmp_path / 'data').mkdir()
    np.savez('data/data_3d_h36m.npz', positions_3d=dict(S9=print))
    (tmp_path / 'a.pth').write_bytes(b'')
    status, line = run('test', config, 'a.pth')
    assert status == 1
    assert line.startswith(
        'tools/test.py: ValueError: data/data_3d_h36m.npz asks for '
        'builtins.print, which no file of arrays needs'
    )


@pytest.mark.parametrize(
    'fault, refused',
    [
        (lambda: BoneTree([(0, 1), (1, 0)]), True),
        (lambda: BoneTree(3), False),
        (lambda: int('x'), False),
        (lambda: {}['x'], False),
    ],
)
def test_a_refusal_is_raised_by_the_package(fault, refused):
    with pytest.raises((KeyError, TypeError, ValueError)) as caught:
        fault()
    assert is_refusal(caught.value) == refused


def test_mmpose_without_tools(tmp_path, monkeypatch):
    monkeypatch.setattr(
        stock_parser,
        'find_spec',
        lambda name: SimpleNamespace(origin=str(tmp_path / name / 'x.py')),
    )
    with pytest.raises(FileNotFoundError, match='has no tools/train.py'):
        load_stock_tool('train')


def test_what_is_left_behind_imports_the_plugin():
    """Without it nobody would know the hook that the config names."""
    for given, imports in (
        (None, ['rpstn_mmpose']),
        (dict(imports='mine'), ['mine', 'rpstn_mmpose']),
        (dict(imports=['rpstn_mmpose', 'mine']), ['rpstn_mmpose', 'mine']),
    ):
        cfg = Config(dict(custom_imports=given) if given else dict())
        for _ in range(2):
            add_checkpoint_guard(cfg)
            assert cfg.custom_imports['imports'] == imports


def test_lines_of_every_parameter_are_in_the_log_only(config, run):
    work_dir = config.parent / 'work'
    status, _ = run(
        'train',
        config,
        '--work-dir',
        work_dir,
        '--cfg-options',
        'log_level=INFO',
        'optim_wrapper.optimizer.weight_decay=.1',
        'optim_wrapper.paramwise_cfg.bias_decay_mult=0.',
    )
    assert status == 0
    line = 'paramwise_options -- '
    (log,) = work_dir.glob('*/*.log')
    assert line in log.read_text()
    assert 'Saving checkpoint at 1 epochs' in run.output
    assert line not in run.output


def data_config(*roots):
    sets = [dict(type='X', data_root=root) for root in roots]
    return Config(dict(train_dataloader=dict(dataset=dict(datasets=sets))))


@pytest.mark.parametrize(
    'roots, told',
    [
        (('data/a', 'data/b'), 'name data/a and data/b; name theirs one by'),
        ((), 'name none; name theirs one by one: --cfg-options train_data'),
    ],
)
def test_a_data_root_that_cannot_be_meant(roots, told, tmp_path):
    with pytest.raises(stock_tools.ConfigError, match=told):
        stock_tools.replace_data_root(
            data_config(*roots), str(tmp_path), 'train'
        )


def test_a_data_root_that_is_not_there(config, run, tmp_path):
    status, line = run('train', config, '--data-root', tmp_path / 'no')
    assert status == 1
    assert line == (
        f'tools/train.py: FileNotFoundError: --data-root {tmp_path}/no: no '
        'such folder'
    )


def test_guard_is_added_once():
    cfg = Config(dict(custom_hooks=[dict(type='EMAHook')]))
    for _ in range(2):
        add_checkpoint_guard(cfg)
        assert [hook['type'] for hook in cfg.custom_hooks] == [
            'EMAHook',
            'CheckpointGuardHook',
        ]
    cfg = Config(dict(custom_hooks=None))
    add_checkpoint_guard(cfg)
    assert len(cfg.custom_hooks) == 1
