# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Checkpoints are read as data: no file that is loaded gets to run code.

mmengine reads every checkpoint (``--resume``, ``load_from``, ``init_cfg``,
``tools/test.py``, local or by URL) in ``mmengine.runner.checkpoint``, through
the globals ``torch.load`` and ``load_url`` of that module. Neither asks for
weights-only reading; on torch >= 2.6 the first does by default, and then
refuses mmengine's own checkpoints.
"""
from __future__ import annotations

import os
import re
import sys
import tarfile
import zipfile
from typing import Any, Dict, Optional
from urllib.parse import urlparse

import torch
from mmengine.runner import checkpoint as _mmengine_checkpoint

from ..version import parse_version
from .safe_globals import safe_globals


class CheckpointError(RuntimeError):
    """A checkpoint that cannot or must not be loaded; one line."""


def _torch_extends_weights_only() -> bool:
    # From 2.6 on an allowed object can be given the name it has in the file.
    return parse_version(torch.__version__) >= (2, 6, 0)


class _SafeTorch:
    """``torch``, as mmengine's checkpoint module is to see it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def load(f: Any,
             map_location: Any = None,
             weights_only: bool = True) -> Dict[str, Any]:
        # weights_only is there for callers that pass it; it is always on.
        return load_weights(f, map_location)


def enable_safe_loading() -> None:
    """Make mmengine read checkpoints as data, and its own ones at all."""
    if _torch_extends_weights_only():
        torch.serialization.add_safe_globals(
            [(item, name) for name, item in safe_globals().items()])
    _mmengine_checkpoint.torch = _SafeTorch()
    _mmengine_checkpoint.load_url = load_weights_from_url


def load_weights(file: Any, map_location: Any = None) -> Dict[str, Any]:
    """Read a checkpoint as data.

    Args:
        file: Path or binary stream.
        map_location: As in ``torch.load``.

    Returns:
        dict: State dict, or mmengine's checkpoint that has one.

    Raises:
        CheckpointError: The file is incomplete, not a checkpoint, or asks
            for code to be run (nothing of it is).
        OSError: The file cannot be opened.
    """
    name = str(getattr(file, 'name', file))
    if isinstance(file, (str, os.PathLike)):
        open(file, 'rb').close()  # not there, no permission: say so
    try:
        _refuse_other_archives(file)
        if _torch_extends_weights_only():
            loaded = torch.load(
                file, map_location=map_location, weights_only=True)
        else:
            loaded = _load_restricted(file, map_location)
    except MemoryError:
        raise
    except Exception as error:
        if 'cuda' in str(error).lower():
            raise  # the device, not the file
        raise CheckpointError(_explain(name, str(error))) from None
    if not isinstance(loaded, dict):
        raise CheckpointError(
            f'{name} holds a {type(loaded).__name__}, not a checkpoint: a '
            'dict of tensors, or one with the key "state_dict", is needed.')
    return loaded


def _refuse_other_archives(file: Any) -> None:
    # torch hands these two kinds to other readers.
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            if any(item.endswith('constants.pkl')
                   for item in archive.namelist()):
                raise CheckpointError('it is a TorchScript archive')
    elif isinstance(file, (str, os.PathLike)) and tarfile.is_tarfile(file):
        raise CheckpointError('it is a tar archive')
    if hasattr(file, 'seek'):
        file.seek(0)


def _load_restricted(file: Any, map_location: Any) -> Any:
    """Read with torch < 2.6."""
    from . import restricted_unpickler
    return torch.load(
        file, map_location=map_location, pickle_module=restricted_unpickler)


def _explain(name: str, reason: str) -> str:
    refused = re.search(r'GLOBAL (.+?)(?: was not| whose|\. |$)', reason,
                        re.MULTILINE)
    if refused:
        return (
            f'{name} was refused: it asks for {refused[1]}, which no MMPose '
            'checkpoint needs; nothing in it was run. If you trust where it '
            'comes from, save its state dict alone with torch.save there.')
    detail = re.search(r'WeightsUnpickler error: (.*)', reason)
    reason = (detail[1] if detail else reason).strip()
    first = re.split(r'\n|\. ', reason)[0][:120]
    return (f'{name} cannot be read as a checkpoint: it is cut short or is '
            f'not one ({first or "the file ends early"}). Copy or download '
            'it again, or take the one before it.')


def load_weights_from_url(url: str,
                          model_dir: Optional[str] = None,
                          map_location: Any = None,
                          progress: bool = True) -> Dict[str, Any]:
    """Download a checkpoint unless torch's cache has it, and read it as data.

    Args:
        url: http or https address.
        model_dir: Folder to keep it in, default torch's own.
        map_location: As in ``torch.load``.
        progress: Whether to show a progress bar.

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
        torch.hub.download_url_to_file(url, path, None, progress=progress)
    return load_weights(path, map_location)
