# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a user reads when a process that loads data has been killed."""

import errno
import os
import signal

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from rpstn_mmpose.datasets.collate import stack_in_worker
from rpstn_mmpose.engine import stock_tools


class Clips(Dataset):
    """The worker of the third clip is killed, as by a system that is out of
    memory."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        clip = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
        return dict(inputs=clip, data_samples=[torch.ones(3)])


def run(monkeypatch, main):
    class Tool:
        merge_args = None

    Tool.main = staticmethod(main)
    monkeypatch.setattr(stock_tools, 'load_stock_tool', lambda name: Tool)
    return stock_tools.run_stock_tool('train', None)


def read_all():
    for _ in DataLoader(Clips(), num_workers=1, collate_fn=stack_in_worker):
        pass


def test_killed_worker_is_one_line(monkeypatch, capsys):
    """At whichever moment; which error it is depends on it."""
    assert run(monkeypatch, read_all) == 1
    line = capsys.readouterr().err
    assert line.count('\n') == 1
    assert line.startswith(
        'tools/train.py: a worker of the data loader has ended ('
    )
    assert 'fewer num_workers' in line and '--resume goes on' in line


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    'error',
    [
        ConnectionResetError(errno.ECONNRESET, 'Connection reset by peer'),
        EOFError(),
        FileNotFoundError(errno.ENOENT, 'No such file or directory'),
        RuntimeError(
            'DataLoader worker (pid 5) is killed by signal: Bus error. '
        ),
    ],
)
def test_moments_of_a_death(error, monkeypatch, capsys):
    assert run(monkeypatch, raising(error)) == 1
    assert 'a worker of the data loader' in capsys.readouterr().err


def test_other_errors(monkeypatch, capsys):
    error = FileNotFoundError(errno.ENOENT, 'No such file', 'a.jpg')
    assert run(monkeypatch, raising(error)) == 1
    assert capsys.readouterr().err == (
        "tools/train.py: FileNotFoundError: [Errno 2] No such file: 'a.jpg'\n"
    )
    with pytest.raises(RuntimeError, match='CUDA error'):
        run(monkeypatch, raising(RuntimeError('CUDA error')))
