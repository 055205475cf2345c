# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a training needs before it starts: weights and data that lie on disk.

A recipe of a second stage names a checkpoint of the first one. Whether it is
there is asked before anything is built, and the answer tells how to make it.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import Any, Iterator, Mapping

from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from ..recipes import config_path, list_configs

# Folder that `make demo` fills with trainings of its own.
_DEMO = 'work_dirs/demo'
# Dicts of a model's config whose `checkpoint` is loaded before the training.
_LOADED = ('image_pretrained', 'init_cfg')


def is_missing(path: str) -> bool:
    """Whether a checkpoint is a local file that is not there."""
    loader = CheckpointLoader._get_checkpoint_loader(path)
    return loader.__name__ == 'load_from_local' and not os.path.isfile(
        os.path.expanduser(path)
    )


def missing_weights(cfg: Mapping[str, Any]) -> dict[str, str]:
    """Local start weights of a training that are not there.

    Args:
        cfg: Whole config of the training.

    Returns:
        dict[str, str]: Paths by dotted key of the config.
    """
    named = dict(_named_weights(cfg.get('model'), 'model'))
    if cfg.get('load_from') and not cfg.get('resume'):
        named['load_from'] = cfg['load_from']
    return {key: path for key, path in named.items() if is_missing(path)}


def _named_weights(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _named_weights(item, f'{key}.{name}')
        path = value.get('checkpoint')
        loaded = any(part in key.split('.') for part in _LOADED)
        if loaded and isinstance(path, str):
            yield f'{key}.checkpoint', path
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _named_weights(item, f'{key}.{number}')


def missing_data(cfg: Mapping[str, Any]) -> list[str]:
    """Local data folders of a training that are not there."""
    roots = {
        root: None  # a set that keeps its order
        for name in ('train_dataloader', 'val_dataloader')
        for root in _data_roots(cfg.get(name))
    }
    return [root for root in roots if not os.path.isdir(root)]


def _data_roots(value: Any) -> Iterator[str]:
    """Roots below which some path of a data set lies on this machine."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _data_roots(item)
    if not isinstance(value, Mapping):
        return
    for item in value.values():
        yield from _data_roots(item)
    root = value.get('data_root')
    backend = (value.get('backend_args') or {}).get('backend', 'local')
    # Others map paths to places of their own.
    if not isinstance(root, str) or not root or backend != 'local':
        return
    below = [value.get('ann_file'), *(value.get('data_prefix') or {}).values()]
    below = [path for path in below if isinstance(path, str) and path]
    elsewhere = below and all(
        '://' in path or os.path.isabs(path) for path in below
    )
    if '://' not in root and not elsewhere:
        yield root


def commands_for(path: str) -> list[str]:
    """Commands that make a checkpoint, in order; none where it is not known.

    A file in a folder that is called like a recipe comes from its training,
    which may need start weights itself.
    """
    folder = PurePath(path).parent
    if PurePath(_DEMO) in folder.parents:
        return ['make demo']
    names = {PurePath(item).stem for item in list_configs()}
    if folder.name not in names:
        return []
    recipe = config_path(folder.name)
    commands: list[str] = []
    for needed in missing_weights(Config.fromfile(recipe)).values():
        commands += commands_for(needed)
    command = f'python tools/train.py {_shown(recipe)}'
    if folder != PurePath('work_dirs', folder.name):
        command += f' --work-dir {folder}'
    return [*commands, command]


def _shown(path: str) -> str:
    here = Path.cwd()
    resolved = Path(path)
    if here in resolved.parents:
        return str(resolved.relative_to(here))
    return path


def check_start(cfg: Mapping[str, Any]) -> None:
    """Refuse a training whose start weights or data are not there.

    Args:
        cfg: Whole config of the training.

    Raises:
        FileNotFoundError: One line with all that is missing, and the
            commands that make it.
    """
    roots = missing_data(cfg)
    if not roots:
        check_weights(cfg)
        return
    lines = [
        f'the data folder {" and ".join(roots)} is not there; '
        'docs/datasets.md tells what belongs there'
    ]
    try:
        check_weights(cfg)
    except FileNotFoundError as error:
        lines.insert(0, str(error))
    raise FileNotFoundError('. Also, '.join(lines))


def check_weights(cfg: Mapping[str, Any]) -> None:
    """Refuse a training whose start weights are not there.

    Args:
        cfg: Whole config of the training.

    Raises:
        FileNotFoundError: One line with all of them, and the commands that
            make them.
    """
    weights = missing_weights(cfg)
    if weights:
        key = next(iter(weights))
        raise FileNotFoundError(
            about_weights(
                weights, f'name another file: --cfg-options {key}=FILE'
            )
        )


def about_weights(weights: Mapping[str, str], remedy: str) -> str:
    """One line about start weights that are not there.

    Args:
        weights: See :func:`missing_weights`.
        remedy: What may be done instead of making them.
    """
    commands: list[str] = []
    for path in weights.values():
        commands += [
            command
            for command in commands_for(path)
            if command not in commands
        ]
    files = ', '.join(f'{path} ({key})' for key, path in weights.items())
    line = f'the training starts from {files}, which is not there; '
    if commands:
        line += f'make it with `{"`, then `".join(commands)}`, or '
    return line + remedy
