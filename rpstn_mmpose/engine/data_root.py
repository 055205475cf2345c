# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Another folder for the data of a config."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from mmengine.config import Config

PARTS = ('train', 'val', 'test')


def data_roots(value: Any) -> Iterator[str]:
    """The ``data_root`` of every data set in a part of a config."""
    if isinstance(value, Mapping):
        if isinstance(value.get('data_root'), str):
            yield value['data_root']
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return
    for item in value:
        yield from data_roots(item)


def set_data_root(cfg: Config, root: str) -> None:
    """Point data sets and evaluators, and the files they name, at ``root``.

    Args:
        cfg: Changed in place: every data set with a ``data_root``, wherever
            it sits in a data loader, and paths below the former one.
        root: The folder.
    """
    for part in PARTS:
        loader = cfg.get(f'{part}_dataloader')
        if not loader:
            continue
        roots = list(data_roots(loader))
        cfg[f'{part}_dataloader'] = _with_root(loader, root)
        evaluator = cfg.get(f'{part}_evaluator')
        for before in roots if evaluator else ():
            evaluator = _moved(evaluator, before, root)
        if evaluator:
            cfg[f'{part}_evaluator'] = evaluator


def _with_root(value: Any, root: str) -> Any:
    """A config whose data sets have another root."""
    if isinstance(value, dict):
        out = {k: _with_root(v, root) for k, v in value.items()}
        if 'data_root' in out:
            out = _moved(out, out['data_root'] or '', root)
            out['data_root'] = root
        return out
    if isinstance(value, (list, tuple)):
        return type(value)(_with_root(v, root) for v in value)
    return value


def _moved(value: Any, before: str, after: str) -> Any:
    """A config with the paths below one folder put below another one."""
    if isinstance(value, dict):
        return {k: _moved(v, before, after) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(v, before, after) for v in value)
    start = before.rstrip('/') + '/'
    if before and isinstance(value, str) and value.startswith(start):
        return f'{after.rstrip("/")}/{value[len(start) :]}'
    return value
