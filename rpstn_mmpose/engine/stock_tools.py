# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Runs MMPose's installed ``tools/*.py`` with the plugin's checks added.

The scripts keep their options, their help and their behaviour; between their
reading of the command line and their building of the runner, the merged
config is checked. What a user can mend is reported in one line.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import sys
import tempfile
import traceback
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from mmengine.config import Config, ConfigDict

from ..checkpoints import CheckpointError
from .data_root import data_roots, set_data_root
from .quiet_runner import QuietRunner
from .resume_source import (
    NamedCheckpoint,
    checkpoint_to_resume,
    last_checkpoint,
)
from .start_weights import check_start, is_missing
from .stock_parser import stock_tool_path

DDP = 'MMDistributedDataParallel'


class ConfigError(ValueError):
    """A config that cannot run on this machine."""


PACKAGE = Path(__file__).parents[1]
# What a user can mend.
MENDABLE = (OSError, ImportError, CheckpointError, ConfigError)


def load_stock_tool(name: str) -> ModuleType:
    """Import ``tools/<name>.py`` of the installed MMPose.

    Raises:
        FileNotFoundError: This installation of MMPose has no tools.
    """
    spec = importlib.util.spec_from_file_location(
        f'mmpose_{name}', stock_tool_path(name)
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_stock_tool(name: str, args: Namespace) -> int:
    """Run a stock tool.

    Args:
        name: ``'train'`` or ``'test'``.
        args: Its options; see
            :func:`~rpstn_mmpose.engine.stock_parser.parse_stock_args`.

    Returns:
        int: Exit status, 1 after an error that the user can mend.
    """
    try:
        tool = load_stock_tool(name)
        merge_args = tool.merge_args

        def merge_and_check(cfg: Config, args: Any) -> Config:
            start = cfg.get('load_from')
            if args.data_root is not None:
                replace_data_root(cfg, args.data_root, name)
            cfg = merge_args(cfg, args)
            if name == 'train':
                settle_resume(cfg, args, start)
            else:
                cfg.resume = False  # would need the training's data
            if name == 'train':
                check_start(cfg)
            check_config(cfg)
            if name == 'train':
                check_distributed(cfg)
            check_gpus(cfg)
            join_cpu_processes(cfg)
            return cfg

        tool.parse_args = lambda: args
        tool.Runner = QuietRunner
        tool.merge_args = merge_and_check
        tool.main()
    except Exception as error:
        line = ' '.join(f'{type(error).__name__}: {error}'.split())
        if worker_is_gone(error):
            line = (
                f'a worker of the data loader has ended ({line}). Mostly the '
                'memory or /dev/shm is full: take a smaller batch_size or '
                'fewer num_workers'
            ) + ('; --resume goes on' if name == 'train' else '')
        elif not (isinstance(error, MENDABLE) or is_refusal(error)):
            raise
        print(f'tools/{name}.py: {line}', file=sys.stderr)
        return 1
    return 0


def is_refusal(error: Exception) -> bool:
    """Whether the package says with it that it was given something wrong: a
    file, a config. What Python or another package raises is a fault.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return (
        isinstance(error, (TypeError, ValueError))
        and bool(frames)
        and PACKAGE in Path(frames[-1].filename).parents
        and (frames[-1].line or '').startswith('raise ')
    )


def worker_is_gone(error: Exception) -> bool:
    """Whether an error of the loop says that a process that loads data has
    been killed. Torch says so, unless it is about to fetch a batch there.
    """
    if isinstance(error, RuntimeError):
        return str(error).startswith('DataLoader worker')
    socket_is_gone = (
        isinstance(error, FileNotFoundError)
        and error.errno == errno.ENOENT
        and error.filename is None
    )
    return isinstance(error, (ConnectionError, EOFError)) or socket_is_gone


def settle_resume(cfg: Config, args: Namespace, start: str | None) -> None:
    """Tell start weights from the checkpoint that ``--resume`` names.

    MMPose's script writes both to ``load_from``. ``--resume CHECKPOINT``
    holds as it is. ``--resume`` alone, or ``resume=True`` of the config, goes
    on from the work dir's last checkpoint; as long as there is none, the
    training starts from the weights of ``load_from``, which the script would
    forget or resume from.

    Args:
        cfg: Merged with ``args``.
        args: Options of MMPose's script.
        start: ``load_from`` of the config file.

    Raises:
        CheckpointError: ``last_checkpoint`` names no existing file.
    """
    if not cfg.get('resume'):
        return
    if args.resume not in (None, 'auto'):
        cfg.load_from = NamedCheckpoint(args.resume)
        return
    if args.resume is None or 'load_from' in (args.cfg_options or {}):
        start = cfg.get('load_from')
    cfg.load_from = checkpoint_to_resume(start, cfg.work_dir, _say)
    if cfg.load_from is not None and last_checkpoint(cfg.work_dir) is None:
        _say(
            f'{cfg.work_dir} has no checkpoint yet: the training starts from '
            f'the weights of {start}. To go on from that one, name it: '
            f'--resume {start}'
        )
        cfg.resume = False


def _say(line: str) -> None:
    if os.environ.get('RANK', '0') == '0':
        print(f'tools/train.py: {line}', file=sys.stderr)


def replace_data_root(cfg: Config, root: str, name: str) -> None:
    """Put the folder of ``--data-root`` into a config.

    Args:
        cfg: Changed in place.
        root: The folder.
        name: ``'train'`` or ``'test'``.

    Raises:
        OSError: No such folder.
        ConfigError: The data sets lie in several folders, or in none.
    """
    if not os.path.isdir(root):
        raise FileNotFoundError(f'--data-root {root}: no such folder')
    loaders = [
        f'{part}_dataloader'
        for part in (('test',) if name == 'test' else ('train', 'val'))
    ]
    roots = {item for key in loaders for item in data_roots(cfg.get(key))}
    if len(roots) != 1:
        raise ConfigError(
            '--data-root is one folder, but the data sets of the config '
            f'name {" and ".join(sorted(roots)) or "none"}; name theirs one '
            f'by one: --cfg-options {loaders[0]}.dataset.data_root=FOLDER'
        )
    set_data_root(cfg, root)


def check_config(cfg: Config) -> None:
    """What is checked before a runner is built."""
    check_work_dir(cfg)
    check_load_from(cfg)
    add_checkpoint_guard(cfg)


def check_distributed(cfg: Config) -> None:
    """Refuse options that fail in the middle of a step of several processes.

    Raises:
        ConfigError: One line with the fix.
    """
    if cfg.get('launcher', 'none') == 'none':
        return
    if cfg.get('sync_bn') is not None and not torch.cuda.is_available():
        raise ConfigError(
            f'sync_bn={cfg.sync_bn!r} needs GPUs, and there is none; train '
            'without it: --cfg-options sync_bn=None'
        )
    counts = (cfg.get('optim_wrapper') or {}).get('accumulative_counts', 1)
    if counts > 1 and (cfg.get('model_wrapper_cfg') or {}).get('static_graph'):
        # torch: the first iteration of a static graph has to synchronise.
        raise ConfigError(
            f'optim_wrapper.accumulative_counts={counts} does not go with '
            'model_wrapper_cfg.static_graph=True; give up one of them'
        )


def check_gpus(cfg: Config) -> None:
    """Refuse more processes of ``torchrun`` than there are GPUs.

    Only those without a GPU say so; ``torchrun`` ends the others.

    Raises:
        ConfigError: One line with the fix.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    rank = int(os.environ.get('LOCAL_RANK', 0))
    if cfg.get('launcher') == 'pytorch' and 0 < gpus <= rank:
        raise ConfigError(
            f'process {rank + 1} on this machine has no GPU of its own: '
            f'there are {gpus}. Start no more processes than that, or hide '
            'the GPUs to run on CPUs: CUDA_VISIBLE_DEVICES=""'
        )


def join_cpu_processes(cfg: Config) -> None:
    """Let ``torchrun`` work where there is no GPU.

    mmengine asks for a CUDA device in every launched process, and again when
    it wraps the model; a process group that exists already and a wrapper
    named in the config keep it from both. ``model_wrapper_cfg`` of the config
    is kept.
    """
    if cfg.get('launcher') != 'pytorch' or torch.cuda.is_available():
        return
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    if cfg.get('model_wrapper_cfg') is None:
        cfg.model_wrapper_cfg = dict(
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )
    wrapper = cfg.model_wrapper_cfg
    if wrapper.setdefault('type', DDP) == DDP:
        wrapper.setdefault('device_ids', None)


def check_work_dir(cfg: Config) -> None:
    """Refuse a ``work_dir`` that cannot be written.

    Raises:
        OSError: One line with the folder and the reason.
    """
    try:
        os.makedirs(cfg.work_dir, exist_ok=True)
        with tempfile.TemporaryFile(dir=cfg.work_dir):
            pass
    except OSError as error:
        raise OSError(
            error.errno,
            f'cannot write to the work dir {cfg.work_dir} '
            f'({error.strerror}); name another one with --work-dir',
        ) from None


def check_load_from(cfg: Config) -> None:
    """Refuse a local checkpoint that is not there.

    Raises:
        FileNotFoundError: One line with the path.
    """
    path = cfg.get('load_from')
    if path is not None and is_missing(path):
        raise FileNotFoundError(f'the checkpoint {path} does not exist')


def add_checkpoint_guard(cfg: Config) -> None:
    """Have the checkpoint checked against the model, once."""
    hooks = list(cfg.get('custom_hooks') or [])
    if not any(hook['type'] == 'CheckpointGuardHook' for hook in hooks):
        hooks.append(ConfigDict(type='CheckpointGuardHook', _scope_='mmpose'))
    cfg.custom_hooks = hooks
    # The config that the run leaves behind names the hook: whoever reads it
    # has to import it.
    given = cfg.get('custom_imports') or dict(imports=[])
    imports = given['imports']
    imports = [imports] if isinstance(imports, str) else list(imports)
    if 'rpstn_mmpose' not in imports:
        cfg.custom_imports = {**given, 'imports': [*imports, 'rpstn_mmpose']}
