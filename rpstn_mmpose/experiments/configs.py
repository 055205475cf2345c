# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Configs as they are run, and named changes of them."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any, Mapping, Sequence

import mmengine
from mmengine.config import Config

from ..recipes import config_path
from .pck import NORM


def find_config(name: str) -> Path:
    """Path of a config file or of a recipe."""
    path = Path(name)
    return path if path.is_file() else Path(config_path(name))


def config_name(name: str) -> str:
    """What a config is called in the results: its file's name."""
    name = Path(name).name
    return name[: -len('.py')] if name.endswith('.py') else name


def load_changes(
    path: str | os.PathLike, names: Sequence[str] = ()
) -> list[tuple[str, dict[str, Any]]]:
    """Named changes of a config, as a YAML or JSON file lists them.

    Args:
        path: Of the file: for each name, values by dotted key.
        names: The wanted changes, in this order; none: all of the file.

    Returns:
        list[tuple[str, dict]]: Name and settings of each change.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file does not list changes, or not these.
    """
    try:
        found = mmengine.load(path)
    except OSError:
        raise
    except Exception as error:  # each format has errors of its own
        reason = ' '.join(str(error).split())
        raise ValueError(f'cannot read {path}: {reason}') from None
    if not isinstance(found, dict):
        raise ValueError(f'{path} does not list changes by name')
    for name, change in found.items():
        if not isinstance(change, dict) or set('/=') & set(str(name)):
            raise ValueError(
                f'{path}: {name} is no change; give a name and below it '
                'KEY: VALUE'
            )
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ValueError(
            f'{path} has no change {unknown[0]!r}; it has {", ".join(found)}'
        )
    return [(name, found[name]) for name in names or found]


def load_config(
    path: str | os.PathLike,
    max_epochs: int | None = None,
    change: Mapping[str, Any] | None = None,
    need_pck: bool = True,
) -> Config:
    """The config as it is run, but for paths and the seed.

    Args:
        path: Of the config.
        max_epochs: Of the training, None: as the config says.
        change: Settings that differ from the file's, by dotted key.
        need_pck: Whether a ClipPCK by torso has to be among the test's.

    Raises:
        ValueError: The config cannot be read or does not suit.
    """
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is code and can raise anything
        raise ValueError(
            f'cannot read {path}: {type(error).__name__}: {error}'
        ) from None
    try:
        cfg.merge_from_dict(copy.deepcopy(dict(change or {})))
    except (KeyError, TypeError, AssertionError) as error:
        raise ValueError(f'{path} does not take {change}: {error}') from None
    try:
        for loader in (cfg.train_dataloader, cfg.test_dataloader):
            if 'data_root' not in loader.dataset:
                raise ValueError('its data sets need a data_root')
        if pck_metric(cfg) is None and need_pck:
            raise ValueError(
                f'its test_evaluator needs a ClipPCK by {NORM}, or give the '
                'metric to rank by'
            )
        if max_epochs is not None:
            set_max_epochs(cfg, max_epochs)
    except (ValueError, AttributeError) as error:
        raise ValueError(f'{path} does not suit: {error}') from None
    if not cfg.get('default_hooks'):
        cfg.default_hooks = dict()
    if not cfg.default_hooks.get('checkpoint'):
        cfg.default_hooks['checkpoint'] = dict(type='CheckpointHook')
    checkpoint = cfg.default_hooks.checkpoint
    checkpoint.max_keep_ckpts = 1
    # Tested once, after the training.
    checkpoint.pop('save_best', None)
    checkpoint.pop('rule', None)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    return cfg


def without_training(cfg: Config) -> Config:
    """A config whose run tests the weights that it starts from."""
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper'):
        cfg[key] = None
    cfg.param_scheduler = None
    return cfg


def pck_metric(cfg: Config) -> dict | None:
    """The ClipPCK of the test that takes torso lengths, if there is one."""
    evaluators = cfg.test_evaluator
    if not isinstance(evaluators, (list, tuple)):
        evaluators = [evaluators]
    for evaluator in evaluators:
        if evaluator.get('type') == 'ClipPCK':
            norms = evaluator.get('norm_item', NORM)
            if NORM in ([norms] if isinstance(norms, str) else norms):
                return evaluator
    return None


def set_max_epochs(cfg: Config, epochs: int) -> None:
    """Change the length of the training, and its schedules in proportion.

    Raises:
        ValueError: The config counts iterations instead.
    """
    before = cfg.train_cfg.get('max_epochs')
    if before is None:
        raise ValueError('--max-epochs needs a config that counts epochs')
    cfg.train_cfg.max_epochs = epochs

    def scaled(value: int) -> int:
        return value and max(1, round(value * epochs / before))

    schedulers = cfg.get('param_scheduler') or []
    if isinstance(schedulers, dict):
        schedulers = [schedulers]
    for scheduler in schedulers:
        if not scheduler.get('by_epoch', True):
            continue
        for key in ('begin', 'end', 'T_max', 'step_size'):
            if key in scheduler:
                scheduler[key] = scaled(scheduler[key])
        if 'milestones' in scheduler:
            scheduler.milestones = [scaled(m) for m in scheduler.milestones]
