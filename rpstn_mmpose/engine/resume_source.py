# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Which checkpoint a training goes on from.

mmengine knows ``resume`` and ``load_from``, and resumes from ``load_from``
where both are set. MMPose's ``--resume CHECKPOINT`` sets both; so does a
training that starts from given weights and is called again with ``--resume``,
which has to go on from its own last checkpoint.
"""

from __future__ import annotations

import os.path as osp
import re
from pathlib import Path
from typing import Callable

from ..checkpoints import CheckpointError


class NamedCheckpoint(str):
    """A ``load_from`` that the user has named as the one to resume from."""


def last_checkpoint(work_dir: str) -> str | None:
    """What ``last_checkpoint`` of a work dir names.

    Returns:
        str or None: Path or address; None where the work dir has none.

    Raises:
        CheckpointError: It names no existing file.
    """
    pointer = Path(work_dir, 'last_checkpoint')
    if not pointer.is_file():
        return None
    last = pointer.read_text().strip()
    # Checkpoints of DeepSpeed are folders; remote ones have a scheme.
    if '://' not in last and not osp.exists(last):
        raise CheckpointError(
            f'{pointer} names {last or "nothing"}, which does not exist: '
            'give the checkpoint to go on from (--resume CHECKPOINT), or '
            'remove last_checkpoint to start anew.'
        )
    return last


def checkpoint_to_resume(
    load_from: str | None, work_dir: str, warn: Callable[[str], None]
) -> str | None:
    """Choose between ``load_from`` and the work dir's last checkpoint.

    A work dir's own last checkpoint goes before a ``load_from`` from
    elsewhere, which would overwrite what was trained since. A ``load_from``
    that is one of the work dir's own checkpoints is a way back, and holds.

    Args:
        load_from: As in mmengine, of a training with ``resume=True``.
        work_dir: Folder of the training.
        warn: Takes a line where something else is done than one may expect.

    Returns:
        str or None: ``load_from`` for mmengine; None for the last checkpoint.

    Raises:
        CheckpointError: ``last_checkpoint`` names no existing file.
    """
    if isinstance(load_from, NamedCheckpoint):
        return load_from
    last = last_checkpoint(work_dir)
    if last is None or load_from is None:
        return load_from
    if _are_of_one_run(load_from, last):
        if osp.basename(load_from) != osp.basename(last):
            warn(
                f'The training goes back to {load_from}; what was saved '
                f'after it, up to {last}, will be overwritten.'
            )
        return load_from
    warn(
        f'The training goes on from {last}, the last checkpoint of its work '
        f'dir, not from load_from={load_from}. Name another work dir to '
        'start from that one.'
    )
    return None


def _are_of_one_run(path: str, last: str) -> bool:
    """Whether two files lie together and differ in the step alone."""
    if not same_folder(osp.dirname(path), osp.dirname(last)):
        return False
    name, pattern = (
        re.sub(r'\d+', '#', osp.basename(item)) for item in (path, last)
    )
    return name == pattern or (
        name.startswith('best_') and name.endswith(f'_{pattern}')
    )


def same_folder(one: str, other: str) -> bool:
    """Whether two paths, or two addresses, name one folder."""
    if '://' in one or '://' in other:
        return one.rstrip('/') == other.rstrip('/')
    try:
        return _resolve(one) == _resolve(other)
    except (OSError, ValueError):  # such as a null byte in the name
        return False


def _resolve(folder: str) -> str:
    return osp.realpath(osp.expanduser(folder))
