# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Find the plugin's metainfo files in a checkout and in an installed copy."""

from __future__ import annotations

from pathlib import Path

from ..recipes import configs_dir


def resolve_metainfo_file(path: str) -> str:
    """Turn a metainfo path as written in a config into one that exists.

    MMPose falls back to its own configs where a ``from_file`` does not exist
    relative to the working folder; this adds the plugin's.

    Args:
        path: E.g. ``'configs/_base_/datasets/penn_action.py'``.

    Returns:
        str: ``path`` where it exists; else the plugin's file of that name;
        else ``path``, for MMPose to look among its own.
    """
    if Path(path).is_file():
        return str(path)
    try:
        own = configs_dir() / '_base_' / 'datasets' / Path(path).name
    except FileNotFoundError:
        return str(path)
    return str(own) if own.is_file() else str(path)
