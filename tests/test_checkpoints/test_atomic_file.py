# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import errno
import os
import subprocess
import sys
from collections import namedtuple

import pytest
from mmengine.fileio import get_file_backend

from rpstn_mmpose.checkpoints import atomic_file
from rpstn_mmpose.checkpoints.atomic_file import (
    remove_leftovers,
    write_atomically,
)


def test_writes_and_replaces(tmp_path):
    path = tmp_path / 'new folder' / 'a.bin'
    write_atomically(b'one', path)
    assert path.read_bytes() == b'one'
    write_atomically(b'', str(path))
    assert path.read_bytes() == b''
    assert os.listdir(path.parent) == ['a.bin']


def test_mode_follows_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomically(b'x', tmp_path / 'a')
    finally:
        os.umask(old)
    assert (tmp_path / 'a').stat().st_mode & 0o777 == 0o640


def test_backend_is_registered(tmp_path):
    backend = get_file_backend(backend_args=dict(backend='rpstn_atomic'))
    backend.put(memoryview(b'bytes'), tmp_path / 'a')
    backend.put_text('é', tmp_path / 'b', encoding='latin-1')
    assert backend.get(tmp_path / 'a') == b'bytes'
    assert (tmp_path / 'b').read_bytes() == b'\xe9'


def test_steps_are_in_order(tmp_path, monkeypatch):
    steps = []
    for name in ('fsync', 'replace'):
        real = getattr(os, name)

        def spy(*args, name=name, real=real):
            steps.append(name)
            return real(*args)

        monkeypatch.setattr(os, name, spy)
    write_atomically(b'x', tmp_path / 'a')
    # The content, the name, and the folder that has the name.
    assert steps == ['fsync', 'replace', 'fsync']


@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_failure_leaves_the_old_file(step, tmp_path, monkeypatch):
    path = tmp_path / 'a.pth'
    path.write_bytes(b'old')

    def fail(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    usage = namedtuple('usage', 'free')
    monkeypatch.setattr(
        atomic_file.shutil, 'disk_usage', lambda folder: usage(3 * 2**19)
    )
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError) as caught:
        write_atomically(bytes(2**20), path)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.strerror == (
        f'cannot write {path} (1.0 MB needed, 1.5 MB free): No space left on '
        'device; what stood there before is unchanged'
    )
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['a.pth']


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError, match='cannot write .*/file/a.pth'):
        write_atomically(b'x', tmp_path / 'file' / 'a.pth')


def test_folders_that_cannot_be_synced_are_fine(tmp_path, monkeypatch):
    real = os.fsync

    def fsync(handle):
        if os.path.isdir(f'/proc/self/fd/{handle}'):
            raise OSError(errno.EINVAL, 'Invalid argument')
        real(handle)

    monkeypatch.setattr(os, 'fsync', fsync)
    write_atomically(b'x', tmp_path / 'a')
    assert (tmp_path / 'a').read_bytes() == b'x'


def test_content_is_complete_when_it_is_synced(tmp_path, monkeypatch):
    sizes, real = [], os.fsync

    def fsync(handle):
        if not os.path.isdir(f'/proc/self/fd/{handle}'):
            sizes.append(os.fstat(handle).st_size)
        real(handle)

    monkeypatch.setattr(os, 'fsync', fsync)
    # Below and above the size of Python's buffers.
    for size in (1, 5000, 2**20 + 1):
        write_atomically(bytes(size), tmp_path / 'a')
    assert sizes == [1, 5000, 2**20 + 1]


def leftover(folder, name, pid):
    path = folder / f'.{name}.tmp-{pid}'
    path.write_text('half')
    return path


def test_leftovers(tmp_path):
    ended = subprocess.Popen([sys.executable, '-c', ''])
    ended.wait()
    gone = leftover(tmp_path, 'epoch_1.pth', ended.pid)
    own = leftover(tmp_path, 'epoch_2.pth', os.getpid())
    running = leftover(tmp_path, 'epoch_3.pth', os.getppid())
    foreign = leftover(tmp_path, 'thesis.txt', ended.pid)
    other = tmp_path / '.epoch_1.pth.tmp-x'
    folder = tmp_path / f'.epoch_4.pth.tmp-{ended.pid}'
    link = tmp_path / f'.epoch_5.pth.tmp-{ended.pid}'
    checkpoint = tmp_path / 'epoch_1.pth'
    kept = [running, foreign, other, folder, link, checkpoint]
    folder.mkdir()
    for path in (other, checkpoint):
        path.write_text('')
    link.symlink_to(checkpoint)
    asked = []

    def owns(name):
        asked.append(name)
        return name.startswith('epoch_')

    assert remove_leftovers(tmp_path, owns) == [gone, own]
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    # Without the dot in front and the number behind.
    assert {'epoch_1.pth', 'thesis.txt'} < set(asked)
    assert remove_leftovers(tmp_path / 'missing', owns) == []


@pytest.mark.parametrize(
    'error, stays',
    [
        (PermissionError(errno.EPERM, 'Operation not permitted'), True),
        (OverflowError('signed integer is greater than maximum'), True),
        (ProcessLookupError(errno.ESRCH, 'No such process'), False),
        (None, True),
    ],
)
def test_leftover_of_a_process_that_may_run(
    error, stays, tmp_path, monkeypatch
):
    # Another user's process cannot be signalled, and is there.
    path = leftover(tmp_path, 'epoch_1.pth', 12345)
    signals = []

    def kill(pid, number):
        signals.append((pid, number))
        if error is not None:
            raise error

    monkeypatch.setattr(os, 'kill', kill)
    removed = remove_leftovers(tmp_path, lambda name: True)
    assert removed == ([] if stays else [path])
    assert path.exists() == stays
    assert signals == [(12345, 0)]  # 0 ends nothing
