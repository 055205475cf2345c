# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Checkpoint in, checkpoint out, for the converters of weights."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from .atomic_file import write_atomically
from .safe_checkpoint import load_weights


def read_checkpoint(path: str) -> dict[str, Any]:
    """Read a checkpoint as data.

    Args:
        path (str): Local file.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: It is incomplete, no checkpoint, or asks for code to
            be run.
        OSError: It cannot be opened.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such file')
    return load_weights(path, map_location='cpu')


def check_new_file(path: str) -> None:
    """Refuse to write over anything.

    Raises:
        ValueError: Something stands there.
    """
    if Path(path).exists():
        raise ValueError(
            f'{path} exists and is not overwritten; remove it or '
            'give another name'
        )


def write_checkpoint(checkpoint: dict[str, Any], path: str) -> None:
    """Write a checkpoint completely or not at all.

    Args:
        checkpoint (dict): What ``torch.save`` takes.
        path (str): Local file; its folder is made if need be.

    Raises:
        ValueError: Something stands there.
        OSError: It cannot be written.
    """
    check_new_file(path)
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_atomically(buffer.getvalue(), path)
