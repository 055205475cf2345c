# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Files of data sets through mmengine's file back-ends: a disk, HTTP, S3, ...

The back-ends differ in what they can do and in how they fail: HTTP's has
nothing but reading, key-value stores return None or raise KeyError. Here all
of them say the same in one line.
"""

from __future__ import annotations

import os.path as osp
from urllib.error import HTTPError
from urllib.parse import quote

from mmengine.fileio import HTTPBackend, get_file_backend
from mmengine.fileio.backends import (
    BaseStorageBackend,
    backends,
    prefix_to_backends,
)

# Kept in the path of an address; '%' because it may be quoted already.
_SAFE = "%/:?&=+,;@!$'()*[]~"


def is_hidden(path: str) -> bool:
    """Whether a file, or a folder that it is in, begins with a dot.

    A Mac leaves ``._NAME`` beside each file that it copies to a disk of
    another system, with the same ending and no picture or label in it.

    Args:
        path: Relative to the folder that is listed.
    """
    return any(
        part.startswith('.') for part in path.replace('\\', '/').split('/')
    )


def join_address(folder: str, name: str) -> str:
    """A path or address below a folder.

    Args:
        folder: A local folder, or an address such as ``http://host/penn``.
        name: A relative path; an absolute one and an address stay.
    """
    if not folder or '://' in name or osp.isabs(name):
        return name
    if '://' in folder:
        return f'{folder.rstrip("/")}/{name}'
    return osp.join(folder, name)


def _backend_of(path: str, backend_args: dict | None) -> BaseStorageBackend:
    """The back-end that ``backend_args`` name, or else the address."""
    given = (backend_args or {}).get('backend')
    prefix = path.split('://')[0].split(':')[-1] if '://' in path else ''
    if given is not None and given not in backends:
        raise ValueError(
            f'backend_args: there is no back-end {given!r}; '
            f'registered are {sorted(backends)}'
        )
    if given is None and prefix not in prefix_to_backends:
        raise ValueError(
            f'{path}: no back-end reads addresses that begin with '
            f'{prefix}://; register one, or name one in backend_args'
        )
    return get_file_backend(
        path, backend_args=backend_args, enable_singleton=True
    )


def _tells_of_no_file(error: Exception) -> bool:
    """Whether a back-end's error says that there is no such file."""
    if isinstance(error, HTTPError):
        return error.code in (404, 410)
    return isinstance(
        error,
        (FileNotFoundError, IsADirectoryError, NotADirectoryError, KeyError),
    )


def read_bytes(path: str, backend_args: dict | None = None) -> bytes:
    """Read a file.

    Args:
        path: A local path, or an address such as ``http://host/a.jpg``.
        backend_args: mmengine file back-end; None: by the address.

    Returns:
        bytes: Its content.

    Raises:
        FileNotFoundError: There is none.
        OSError: It cannot be read; one line with the path and the reason.
        ValueError: There is no such back-end.
    """
    backend = _backend_of(path, backend_args)
    address = path
    if isinstance(backend, HTTPBackend):
        # Names of videos may have spaces and '#', which addresses may not.
        address = quote(path, safe=_SAFE)
    try:
        data = backend.get(address)
    except Exception as error:  # each back-end raises kinds of its own
        if _tells_of_no_file(error):
            raise FileNotFoundError(f'no file {path}') from None
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())
        raise OSError(
            f'{path} cannot be read ({reason}); check the file and '
            'the connection, and try again'
        ) from error
    if data is None:  # what LMDB and some clients of S3 say
        raise FileNotFoundError(f'no file {path}')
    return bytes(data)


def is_missing_folder(folder: str, backend_args: dict | None = None) -> bool:
    """Whether there is no such folder; False where a back-end cannot tell."""
    backend = _backend_of(folder, backend_args)
    return hasattr(backend, 'isdir') and not backend.isdir(folder)


def list_files(
    folder: str,
    suffix: str | tuple[str, ...],
    backend_args: dict | None = None,
    recursive: bool = False,
) -> list[str] | None:
    """The files of a folder.

    Args:
        folder: A local folder or an address.
        suffix: What the names end with.
        backend_args: See :func:`read_bytes`.
        recursive: Also of the folders below.

    Returns:
        list[str] | None: Paths relative to the folder, sorted, without
        hidden ones; None: there is no such folder.

    Raises:
        ValueError: The back-end cannot list folders.
    """
    backend = _backend_of(folder, backend_args)
    if not hasattr(backend, 'list_dir_or_file'):
        fix = (
            'leave backend_args out, addresses tell their back-ends'
            if '://' not in folder
            else 'keep this folder on a disk and give its absolute path in '
            'data_prefix'
        )
        raise ValueError(
            f'{folder}: its files have to be listed, which '
            f'{backend.name} cannot do; {fix}'
        )
    if is_missing_folder(folder, backend_args):
        return None
    return sorted(
        path
        for path in backend.list_dir_or_file(
            folder, list_dir=False, suffix=suffix, recursive=recursive
        )
        if not is_hidden(path)
    )
