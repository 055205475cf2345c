# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Folders of generated data sets: finished, left unfinished, or foreign."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Callable, Sequence

MANIFEST = 'synthetic_manifest.json'


def partial_name(manifest: str) -> str:
    """What a manifest is called while its data set is being made."""
    return manifest.replace('.json', '.partial.json')


def make_once(
    out_dir: str | Path,
    settings: dict,
    folders: Sequence[str],
    make: Callable[[Path], dict],
    manifest: str = MANIFEST,
) -> dict:
    """Make a data set, unless the same one is there.

    Args:
        out_dir: Its root.
        settings: What decides on the bytes.
        folders: What a run that was stopped may have left below the root;
            removed.
        make: Function that takes the root, writes the data set, and returns
            what else the manifest is to tell.
        manifest: Name of the file that a finished data set has.

    Returns:
        dict: The manifest; ``existed`` tells whether it was there before.

    Raises:
        ValueError: ``out_dir`` is a file, or holds something else.
        OSError: ``out_dir`` cannot be written.
    """
    out_dir = Path(out_dir)
    settings = json.loads(json.dumps(settings))
    found = _prepare_folder(out_dir, settings, folders, manifest)
    if found is not None:
        return dict(found, existed=True)
    content = dict(settings=settings, **make(out_dir))
    temporary = out_dir / partial_name(manifest)
    temporary.write_text(json.dumps(content, indent=1) + '\n')
    os.replace(temporary, out_dir / manifest)
    return dict(content, existed=False)


def _prepare_folder(
    out_dir: Path, settings: dict, folders: Sequence[str], manifest: str
) -> dict | None:
    """Mark a folder as begun; the manifest if the data set is there."""
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
