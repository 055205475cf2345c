# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Real annotations for tests; they are not part of the project."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest


def real_data_dir() -> Path:
    """Folder with real data: ``$RPSTN_REAL_DATA``, or beside the checkout.

    It need not exist; see :func:`require_real_data`.
    """
    given = os.environ.get('RPSTN_REAL_DATA')
    if given:
        return Path(given)
    return Path(__file__).resolve().parents[2] / 'shared' / 'data'


def require_real_data(name: str) -> Path:
    """Path of one item of the real data; skips the test where it is absent.

    Args:
        name: Path inside of :func:`real_data_dir`.
    """
    path = real_data_dir() / name
    if not path.exists():
        pytest.skip(
            f'needs {name} of the real data, which is not here; set '
            'RPSTN_REAL_DATA to the folder that has it'
        )
    return path


def require_case(name: str) -> Path:
    """Folder of an input that once failed; skips the test where it is absent.

    Args:
        name: Of a folder in ``cases``, beside :func:`real_data_dir`.
    """
    path = real_data_dir().parent / 'cases' / name
    if not path.exists():
        pytest.skip(
            f'needs the case {name}, which is not in '
            f'{real_data_dir().parent.name}/cases'
        )
    return path


def extract_penn_labels(folder: Path) -> Path:
    """Unpack Penn Action's 2,326 real label files.

    Args:
        folder: Where to.

    Returns:
        Path: ``folder``, usable as ``data_root`` (``labels/``, no frames).
    """
    archive = require_real_data('penn_action_labels.tar.gz')
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            name = Path(member.name)
            if member.isfile() and name.suffix == '.mat':
                target = folder / 'labels' / name.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(tar.extractfile(member).read())
    return folder
