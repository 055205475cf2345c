# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Checkpoints are read as data: no file that is loaded gets to run code.

mmengine reads every checkpoint (``--resume``, ``load_from``, ``init_cfg``,
``tools/test.py``, local or by URL) in ``mmengine.runner.checkpoint``, through
the globals ``torch.load`` and ``load_url`` of that module. Neither asks for
weights-only reading; on torch >= 2.6 the first does by default, and then
refuses mmengine's own checkpoints.

A file is read three times: without its numbers
(:mod:`~rpstn_mmpose.checkpoints.rehearsal`), by torch, and then what
came out is looked through
(:mod:`~rpstn_mmpose.checkpoints.contents`).
"""

from __future__ import annotations

import os
import sys
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.runner import checkpoint as _mmengine_checkpoint
from torch import nn

from ..version import parse_version
from . import restricted_unpickler
from .contents import check_contents, check_kinds, drop_config_texts
from .error import CheckpointError
from .rehearsal import rehearse
from .safe_globals import safe_globals

__all__ = [
    'CheckpointError',
    'enable_safe_loading',
    'load_weights',
    'load_weights_from_url',
]
_load_state_dict = _mmengine_checkpoint.load_state_dict


def _torch_extends_weights_only() -> bool:
    # From 2.6 on an allowed object can be given the name it has in the file.
    return parse_version(torch.__version__) >= (2, 6, 0)


class _SafeTorch:
    """``torch``, as mmengine's checkpoint module is to see it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def load(
        f: Any, map_location: Any = None, weights_only: bool = True
    ) -> dict[str, Any]:
        # weights_only is there for callers that pass it; it is always on.
        return load_weights(f, map_location)


def _load_checked_state_dict(
    module: nn.Module,
    state_dict: dict[str, Any],
    strict: bool = False,
    logger: Any = None,
) -> None:
    """mmengine's ``load_state_dict`` for numbers of the model's kind."""
    check_kinds(module, state_dict, 'The checkpoint')
    _load_state_dict(module, state_dict, strict, logger)


def enable_safe_loading() -> None:
    """Make mmengine read checkpoints as data, and its own ones at all."""
    if _torch_extends_weights_only():
        torch.serialization.add_safe_globals(
            [(item, name) for name, item in safe_globals().items()]
        )
    _mmengine_checkpoint.torch = _SafeTorch()
    _mmengine_checkpoint.load_url = load_weights_from_url
    # What init_cfg, runners and inferencers load with. Backbones of MMPose
    # that load by themselves have the original; for them there are the names
    # that the reader knows.
    _mmengine_checkpoint.load_state_dict = _load_checked_state_dict


def load_weights(file: Any, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint as data.

    The texts of configs that mmengine keeps in it are left out, because
    mmengine would run them: see
    :func:`~rpstn_mmpose.checkpoints.contents.drop_config_texts`.

    Args:
        file: Path or binary stream.
        map_location: As in ``torch.load``.

    Returns:
        dict: State dict, or mmengine's checkpoint that has one.

    Raises:
        CheckpointError: The file is incomplete, damaged or not a checkpoint,
            asks for code to be run (nothing of it is), or holds what cannot
            be right, such as weights that are NaN.
        OSError: The file cannot be opened.
    """
    if isinstance(file, (str, os.PathLike)):
        name = os.fspath(file)
    else:
        name = str(getattr(file, 'name', 'the stream'))
    rehearse(file, name)
    try:
        if _torch_extends_weights_only():
            loaded = torch.load(
                file, map_location=map_location, weights_only=True
            )
        else:
            loaded = torch.load(
                file,
                map_location=map_location,
                pickle_module=restricted_unpickler,
            )
    except Exception as error:
        if 'cuda' in str(error).lower():
            raise  # the device, not the file
        reason = str(error).split('\n')[0][:200] or type(error).__name__
        raise CheckpointError(f'{name} cannot be loaded: {reason}') from None
    if not isinstance(loaded, dict):
        raise CheckpointError(
            f'{name} holds a {type(loaded).__name__}, not a checkpoint: a '
            'dict of tensors, or one with the key "state_dict", is needed.'
        )
    drop_config_texts(loaded)
    check_contents(loaded, name)
    return loaded


def load_weights_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Download a checkpoint unless torch's cache has it, and read it as data.

    Args:
        url: http or https address.
        model_dir: Folder to keep it in, default torch's own.
        map_location: As in ``torch.load``.
        progress: Whether to show a progress bar, on a terminal.

    Raises:
        CheckpointError: As in :func:`load_weights`.
        OSError: The address cannot be reached.
    """
    if model_dir is None:
        model_dir = os.path.join(torch.hub.get_dir(), 'checkpoints')
    os.makedirs(model_dir, exist_ok=True)
    path = os.path.join(model_dir, os.path.basename(urlparse(url).path))
    if not os.path.exists(path):
        sys.stderr.write(f'Downloading: "{url}" to {path}\n')
        shown = progress and sys.stderr.isatty()
        torch.hub.download_url_to_file(url, path, None, progress=shown)
    return load_weights(path, map_location)


enable_safe_loading()
