# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""tools/dist_*.sh and slurm_*.sh: what they run, and a real run."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

import rpstn_mmpose
from rpstn_mmpose.engine import stock_tools
from rpstn_mmpose.synthetic import generate_penn

from .load_tool import load_tool

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
TINY = 'rpstn_tiny_1xb8-1e_synthetic-penn-128x128'


def shell(script, *args, folder=None, **environment):
    return subprocess.run(
        ['bash', str(TOOLS / script), *map(str, args)],
        cwd=folder,
        env=dict(os.environ, **environment),
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture
def echo(tmp_path):
    """A program that prints its arguments, one a line."""

    def make(name):
        path = tmp_path / 'bin' / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        path.chmod(0o755)
        return str(path)

    return make


def test_machines_of_torchrun(echo):
    done = shell(
        'dist_train.sh',
        'config.py',
        8,
        '--work-dir',
        'a b',
        PYTHON=echo('python'),
        NNODES='2',
        NODE_RANK='1',
        MASTER_ADDR='10.0.0.1',
        PORT='1234',
    )
    assert done.stdout.splitlines() == [
        '-m',
        'torch.distributed.run',
        '--nnodes=2',
        '--node_rank=1',
        '--master_addr=10.0.0.1',
        '--master_port=1234',
        '--nproc_per_node=8',
        f'{TOOLS}/train.py',
        'config.py',
        '--launcher',
        'pytorch',
        '--work-dir',
        'a b',
    ]
    done = shell('dist_test.sh', 'config.py', 'a.pth', 2, PYTHON=echo('py'))
    assert done.stdout.splitlines()[2:] == [
        '--nnodes=1',
        '--node_rank=0',
        '--master_addr=127.0.0.1',
        '--master_port=29500',
        '--nproc_per_node=2',
        f'{TOOLS}/test.py',
        'config.py',
        'a.pth',
        '--launcher',
        'pytorch',
    ]


@pytest.mark.parametrize(
    'gpus, per_node, given',
    [('16', '8', {}), ('4', '4', {}), ('16', '4', dict(GPUS_PER_NODE='4'))],
)
def test_machines_of_slurm(echo, gpus, per_node, given):
    path = f'{Path(echo("srun")).parent}:{os.environ["PATH"]}'
    settings = dict(
        PATH=path,
        GPUS=gpus,
        SRUN_ARGS='--time=60 --qos=q',
        PYTHON='python',
        **given,
    )
    done = shell(
        'slurm_train.sh',
        'gpu',
        'pose',
        'config.py',
        'work',
        '--resume',
        **settings,
    )
    expected = [
        '-p',
        'gpu',
        '--job-name=pose',
        f'--gres=gpu:{per_node}',
        f'--ntasks={gpus}',
        f'--ntasks-per-node={per_node}',
        '--cpus-per-task=5',
        '--kill-on-bad-exit=1',
        '--time=60',
        '--qos=q',
        'python',
        '-u',
    ]
    assert done.stdout.splitlines() == expected + [
        f'{TOOLS}/train.py',
        'config.py',
        '--work-dir=work',
        '--launcher=slurm',
        '--resume',
    ]
    done = shell(
        'slurm_test.sh', 'gpu', 'pose', 'config.py', 'a.pth', **settings
    )
    assert done.stdout.splitlines() == expected + [
        f'{TOOLS}/test.py',
        'config.py',
        'a.pth',
        '--launcher=slurm',
    ]


@pytest.mark.parametrize(
    'script',
    ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh'],
)
def test_too_few_arguments(script):
    done = shell(script, 'one')
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith('usage: ')
    assert done.stderr.count('\n') == 1


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(sync_bn='torch'), "sync_bn='torch' needs GPUs"),
        (
            dict(
                optim_wrapper=dict(accumulative_counts=4),
                model_wrapper_cfg=dict(static_graph=True),
            ),
            'accumulative_counts=4 does not go with .*static_graph=True',
        ),
    ],
)
def test_what_several_processes_cannot_do(options, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(stock_tools.ConfigError, match=message):
        stock_tools.check_distributed(Config(dict(options, launcher='slurm')))
    # One process can do both: it has no wrapper, and mmengine takes sync_bn
    # back.
    stock_tools.check_distributed(Config(dict(options, launcher='none')))
    stock_tools.check_distributed(
        Config(
            dict(
                launcher='pytorch',
                optim_wrapper=dict(accumulative_counts=4),
                model_wrapper_cfg=dict(broadcast_buffers=False),
            )
        )
    )


@pytest.mark.parametrize(
    'launcher, gpus, rank, refused',
    [
        ('pytorch', 1, '1', True),
        ('pytorch', 2, '2', True),
        ('pytorch', 2, '1', False),
        ('pytorch', 0, '1', False),  # on CPUs
        ('slurm', 1, '1', False),  # processes may share a GPU
        ('none', 1, None, False),
    ],
)
def test_more_processes_than_gpus(launcher, gpus, rank, refused, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: gpus)
    if rank is None:
        monkeypatch.delenv('LOCAL_RANK', raising=False)
    else:
        monkeypatch.setenv('LOCAL_RANK', rank)
    config = Config(dict(launcher=launcher))
    if not refused:
        stock_tools.check_gpus(config)
        return
    with pytest.raises(
        stock_tools.ConfigError,
        match=f'process {int(rank) + 1} .* there are {gpus}. Start no more',
    ):
        stock_tools.check_gpus(config)


def test_a_gpu_too_few_is_told_in_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setenv('LOCAL_RANK', '1')
    checkpoint = tmp_path / 'a.pth'
    checkpoint.touch()
    files = [rpstn_mmpose.config_path(TINY), str(checkpoint)]
    options = ['--launcher', 'pytorch', '--work-dir', str(tmp_path)]
    monkeypatch.setattr(sys, 'argv', ['test.py', *files, *options])
    assert load_tool('test.py').main() == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(
        'tools/test.py: ConfigError: process 2 on this machine has no GPU'
    )


@pytest.mark.parametrize(
    'given, expected',
    [
        (
            dict(find_unused_parameters=True),
            dict(
                type='MMDistributedDataParallel',
                device_ids=None,
                broadcast_buffers=False,
                find_unused_parameters=True,
            ),
        ),
        (
            dict(model_wrapper_cfg=dict(static_graph=True)),
            dict(
                type='MMDistributedDataParallel',
                device_ids=None,
                static_graph=True,
            ),
        ),
        (dict(model_wrapper_cfg=dict(type='Other')), dict(type='Other')),
    ],
)
def test_wrappers_of_cpu_processes(given, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.distributed, 'is_initialized', lambda: True)
    config = Config(dict(given, launcher='pytorch'))
    stock_tools.join_cpu_processes(config)
    assert config.model_wrapper_cfg.to_dict() == expected


def free_port():
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return str(server.getsockname()[1])


@pytest.mark.slow
def test_two_processes_resume_train_and_score_as_one(tmp_path, monkeypatch):
    """Half a minute, most of it for starting Python three times. All on the
    CPU: two processes need two GPUs, and scores are compared."""
    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cpu')
    generate_penn(
        tmp_path / 'data',
        num_train=4,
        num_test=3,
        num_frames=7,
        image_size=(96, 72),
        progress=False,
    )
    # The first epoch in this process: 8 windows in batches of 4.
    options = {
        'model.image_pretrained': None,
        'train_dataloader.batch_size': 4,
        'default_hooks.logger.interval': 1,
    }
    options.update(
        {
            f'{loader}_dataloader.dataset.data_root': str(tmp_path / 'data')
            for loader in ('train', 'val', 'test')
        }
    )
    config = Config.fromfile(rpstn_mmpose.config_path(TINY))
    config.merge_from_dict(
        dict(
            options,
            work_dir=str(tmp_path / 'work'),
            val_cfg=None,
            val_dataloader=None,
            val_evaluator=None,
        )
    )
    Runner.from_cfg(config).train()
    last = (tmp_path / 'work/last_checkpoint').read_text()
    assert Path(last).name == 'epoch_1.pth'

    options = [f'{key}={value}' for key, value in options.items()]
    done = shell(
        'dist_train.sh',
        rpstn_mmpose.config_path(TINY),
        2,
        '--work-dir',
        'work',
        '--resume',
        '--auto-scale-lr',
        '--cfg-options',
        *options,
        'train_cfg.max_epochs=2',
        'train_dataloader.batch_size=2',
        # 6 windows, 3 a process: the last batch is smaller.
        'val_dataloader.batch_size=2',
        'val_evaluator.out_file=counts.json',
        'model_wrapper_cfg.broadcast_buffers=False',
        'model_wrapper_cfg.static_graph=True',
        'model.train_cfg.checkpointing=True',
        folder=tmp_path,
        PYTHON=sys.executable,
        PORT=free_port(),
        OMP_NUM_THREADS='1',
        CUDA_VISIBLE_DEVICES='',
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert 'resumed epoch: 1, iter: 2' in done.stdout
    # Two processes with batches of 2, and a recipe for 8.
    assert 'the current batch size is 4. Scaling the original LR by 0.5' in (
        done.stdout
    )
    [scalars] = [
        path.read_text()
        for path in sorted((tmp_path / 'work').rglob('scalars.json'))
        if 'PCK/mPCK' in path.read_text()
    ]
    steps = [json.loads(line) for line in scalars.splitlines()]
    # 8 windows in batches of 2 on two processes: two more steps.
    assert [s['step'] for s in steps if 'loss' in s] == [3, 4]
    scored = [s for s in steps if 'loss' not in s]
    assert all('PCK/mPCK' in s for s in scored)
    first, second = (
        torch.load(tmp_path / f'work/epoch_{i}.pth')['state_dict']
        for i in (1, 2)
    )
    assert first.keys() == second.keys()
    assert not torch.equal(
        first['head.norm.weight'], second['head.norm.weight']
    )
    # The same scores in this process; each of 3 videos' 7 frames counts once.
    config.merge_from_dict(
        dict(
            load_from=str(tmp_path / 'work/epoch_2.pth'),
            work_dir=str(tmp_path / 'one'),
            experiment_name='one_process',
            test_evaluator=dict(out_file=str(tmp_path / 'one.json')),
        )
    )
    expected = Runner.from_cfg(config).test()
    scores = scored[-1]
    assert set(expected) <= set(scores)
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value, abs=1e-6, nan_ok=True), (
            name
        )
    one, two = (
        json.loads((tmp_path / name).read_text())
        for name in ('one.json', 'counts.json')
    )
    assert one == two and one['frames'] == 21
