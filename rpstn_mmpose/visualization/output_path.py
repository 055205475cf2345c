# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Find out that a file cannot be written before computing what is in it."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Sequence, Union


def check_output_path(path: Union[str, os.PathLike],
                      endings: Sequence[str]) -> Path:
    """Check that a file can be written; make its folder.

    Args:
        path: Of the file, which is left as it is.
        endings: Allowed ones, e.g. ``('.png', '.jpg')``.

    Returns:
        Path: The path.

    Raises:
        ValueError: Another ending.
        OSError: The file or its folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in endings:
        raise ValueError(f'cannot write {path}: the name must end in '
                         f'{", ".join(endings)}')
    try:
        if path.is_dir():
            raise IsADirectoryError(0, 'it is a folder')
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f'.{path.name}.part')
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror
        if isinstance(error, FileExistsError):
            reason = 'its folder is a file'
        raise OSError(f'cannot write {path} ({reason}); choose another '
                      'path') from None
    return path
