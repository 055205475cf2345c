# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Local files that are either there completely or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path
from typing import Callable

from mmengine.fileio import LocalBackend, register_backend

_LEFTOVER = re.compile(r'\.(.+)\.tmp-([0-9]+)')


def write_atomically(data: bytes, path: str | Path) -> None:
    """Write a file beside its place, sync it, and rename it into place.

    Whatever happens on the way, a power cut included, ``path`` holds either
    what it held before or all of ``data``.

    Args:
        data: Content.
        path: Local path; its folder is made if need be.

    Raises:
        OSError: One line with the file, its size and the space left.
    """
    path = Path(path)
    temporary = path.parent / f'.{path.name}.tmp-{os.getpid()}'
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        _remove_quietly(temporary)
        raise OSError(
            error.errno,
            f'cannot write {path} ({_megabytes(len(data))} needed, '
            f'{_free_space(path.parent)} free): {error.strerror or error}; '
            'what stood there before is unchanged',
        ) from error


def remove_leftovers(
    folder: str | Path, owns: Callable[[str], bool]
) -> list[Path]:
    """Remove what killed runs left half written.

    A file of a process that still runs on this machine is left alone.

    Args:
        folder: Local folder, may be missing.
        owns: Whether a file of this name would be the caller's.

    Returns:
        list[Path]: The files removed.
    """
    removed = []
    folder = Path(folder)
    for path in sorted(folder.glob('.*')) if folder.is_dir() else []:
        match = _LEFTOVER.fullmatch(path.name)
        if not match or not owns(match[1]):
            continue
        if path.is_symlink() or not path.is_file():
            continue
        # A restarted container often gets the number of the killed one.
        number = int(match[2])
        if number == os.getpid() or not _is_running(number):
            _remove_quietly(path)
            removed.append(path)
    return removed


@register_backend('rpstn_atomic', force=True)
class AtomicLocalBackend(LocalBackend):
    """mmengine's local files, with writes that are complete or absent."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes as :func:`write_atomically` does."""
        write_atomically(bytes(obj), filepath)

    def put_text(
        self, obj: str, filepath: str | Path, encoding: str = 'utf-8'
    ) -> None:
        """Write text as :func:`write_atomically` does."""
        write_atomically(obj.encode(encoding), filepath)


def _sync_folder(folder: Path) -> None:
    if os.name == 'nt':  # cannot open folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot sync a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _remove_quietly(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _free_space(folder: Path) -> str:
    try:
        return _megabytes(shutil.disk_usage(folder).free)
    except OSError:
        return 'unknown space'


def _megabytes(size: int) -> str:
    return f'{size / 2**20:.1f} MB'
