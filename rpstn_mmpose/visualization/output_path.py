# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Find out that a file cannot be written before computing what is in it."""

from __future__ import annotations

import os
import tempfile
from itertools import chain, count
from pathlib import Path
from typing import Sequence

PLOT_ENDINGS = ('.png', '.pdf', '.svg', '.jpg')


def check_output_path(path: str | os.PathLike, endings: Sequence[str]) -> Path:
    """Check that a file can be written; make its folder.

    Args:
        path: Of the file, which is left as it is, and so are all others.
        endings: Allowed ones, e.g. ``('.png', '.jpg')``.

    Returns:
        Path: The path.

    Raises:
        ValueError: Another ending.
        OSError: The file or its folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in endings:
        raise ValueError(
            f'cannot write {path}: the name must end in {", ".join(endings)}'
        )
    try:
        if path.is_dir():
            raise IsADirectoryError(0, 'it is a folder')
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: another run may be writing there.
        handle, probe = tempfile.mkstemp(
            '.part', f'.{path.name}.', path.parent
        )
        os.close(handle)
        os.unlink(probe)
    except OSError as error:
        reason = error.strerror
        if isinstance(error, FileExistsError):
            reason = 'its folder is a file'
        raise OSError(
            f'cannot write {path} ({reason}); choose another path'
        ) from None
    return path


def make_part(path: Path) -> Path:
    """Make the file that something is written to until it is whole.

    It lies beside the file whose name it gets in the end. Nobody else's is
    taken: neither that of a run at the same time nor what a killed one left.
    Of two runs that write one file, the one that ends last wins.

    Args:
        path: Of the file; its folder exists.

    Returns:
        Path: An empty file, ``.STEM.ENDING.part`` or, if that is there
        already, ``.STEM.PID.ENDING.part``.

    Raises:
        OSError: It cannot be made.
    """
    marks = chain(
        ('', f'.{os.getpid()}'), (f'.{os.getpid()}-{n}' for n in count(2))
    )
    while True:
        part = path.with_name(f'.{path.stem}{next(marks)}{path.suffix}.part')
        try:
            # The rights of a new file, which mkstemp would not give.
            part.touch(exist_ok=False)
            return part
        except FileExistsError:
            continue
