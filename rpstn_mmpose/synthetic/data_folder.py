# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Folders of generated data sets: finished, left unfinished, or foreign."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Sequence

MANIFEST = 'synthetic_manifest.json'


def partial_name(manifest: str) -> str:
    """What a manifest is called while its data set is being made."""
    return manifest.replace('.json', '.partial.json')


def prepare_folder(
    out_dir: Path,
    settings: dict,
    folders: Sequence[str],
    manifest: str = MANIFEST,
) -> dict | None:
    """Make a folder ready for a data set.

    Args:
        out_dir (Path): Its root.
        settings (dict): What decides on the bytes, as JSON has it.
        folders (Sequence[str]): What a run that was stopped may have left
            below the root; removed.
        manifest (str): Name of the file that a finished data set has.

    Returns:
        dict | None: The manifest if the same data set is there already.

    Raises:
        ValueError: ``out_dir`` is a file, or holds something else.
        OSError: It cannot be written.
    """
    finished, started = out_dir / manifest, out_dir / partial_name(manifest)
    if out_dir.exists() and not out_dir.is_dir():
        raise ValueError(f'{str(out_dir)!r} is a file, give a folder')
    if finished.is_file():
        found = json.loads(finished.read_text())
        old = found.get('settings', {})
        if old == settings:
            return found
        other = sorted(
            k
            for k in {**old, **settings}
            if k not in old or k not in settings or old[k] != settings[k]
        )
        raise ValueError(
            f'{str(out_dir)!r} holds a data set with other settings '
            f'({", ".join(other)}), give another folder'
        )
    if started.is_file():
        for name in folders:
            shutil.rmtree(out_dir / name, ignore_errors=True)
    elif out_dir.is_dir() and any(out_dir.iterdir()):
        raise ValueError(
            f'{str(out_dir)!r} is not empty and not a synthetic data set, '
            'give an empty or new folder'
        )
    out_dir.mkdir(parents=True, exist_ok=True)
    started.write_text(json.dumps({'settings': settings}) + '\n')
    return None


def finish_folder(
    out_dir: Path, content: dict, manifest: str = MANIFEST
) -> None:
    """Mark a data set as finished.

    Args:
        out_dir (Path): Its root, from :func:`prepare_folder`.
        content (dict): The manifest, with its ``settings``.
        manifest (str): Its name.
    """
    temporary = out_dir / partial_name(manifest)
    temporary.write_text(json.dumps(content, indent=1) + '\n')
    os.replace(temporary, out_dir / manifest)
