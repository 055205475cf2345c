# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Whether what came out of a checkpoint can be right."""

from __future__ import annotations

from itertools import chain
from typing import Any, Iterator, Mapping

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor, nn

from .error import CheckpointError
from .safe_globals import ANNEALING, DroppedGenerator, RestoredHistory

_DATA = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    Tensor,
    np.ndarray,
    np.generic,
    np.dtype,
    torch.dtype,
    torch.device,
    HistoryBuffer,
    DroppedGenerator,
)
_MAX_DEPTH = 50
# Parts whose numbers are no weights, besides the optimizer's.
_NO_WEIGHTS = ('meta', 'message_hub', 'param_schedulers')
# Last parts of names that mean floating point numbers in every layer of
# torch. Other entries are compared with the model: see check_kinds.
_FLOATS = ('weight', 'bias', 'running_mean', 'running_var')

_LISTS = (list, tuple, np.ndarray)
# What models, inferencers and drawing read of it.
_DATASET_META = dict(
    dataset_name=str,
    num_keypoints=int,
    keypoint_id2name=dict,
    keypoint_name2id=dict,
    flip_indices=_LISTS,
    skeleton_links=_LISTS,
    skeleton_link_colors=_LISTS,
    keypoint_colors=_LISTS,
    sigmas=_LISTS,
    classes=(str, *_LISTS),
    CLASSES=(str, *_LISTS),
)


def drop_config_texts(checkpoint: dict[str, Any]) -> None:
    """Remove the texts of configs, which mmengine would run.

    A config is Python code. ``Runner.resume`` runs ``meta.config`` (as
    OpenMMLab's packages wrote it before mmengine) to compare the number of
    GPUs; inferencers without a config of their own run
    ``message_hub.runtime_info.cfg`` or ``meta.cfg``, and then say that there
    is none. A training writes its own config into its next checkpoint.
    """
    hub = checkpoint.get('message_hub')
    hub = hub if isinstance(hub, dict) else {}
    for part in (
        checkpoint.get('meta'),
        hub.get('runtime_info'),
        hub.get('resumed_keys'),
    ):
        if isinstance(part, dict):
            part.pop('config', None)
            part.pop('cfg', None)


def check_contents(checkpoint: dict[str, Any], name: str) -> None:
    """Refuse what no training can have written.

    Args:
        checkpoint: State dict, or mmengine's checkpoint that has one.
        name: Of the file, for the message.

    Raises:
        CheckpointError: A part has another form than mmengine gives it, or
            weights hold NaN, infinity or another kind of number.
    """
    for problem in chain(_odd_forms(checkpoint), _odd_leaves(checkpoint)):
        raise CheckpointError(
            f'{name} is not a checkpoint that can be used: {problem}. Take '
            'another one, e.g. the one before it.'
        )


def check_kinds(model: nn.Module, state: Mapping[str, Any], name: str) -> None:
    """Refuse numbers of another kind than the model has under their name.

    torch copies them all the same: complex ones lose a part, integers were
    rounded, and what is too large becomes infinite.

    Args:
        model: That the weights are for.
        state: Weights, named as in the model; others are not looked at.
        name: Of the file, for the message.

    Raises:
        CheckpointError: One line that names the first such entry.
    """
    for key, own in chain(model.named_parameters(), model.named_buffers()):
        # A counter, which some trainings average.
        if key not in state or key.endswith('num_batches_tracked'):
            continue
        value = state[key]
        problem = None
        if not isinstance(value, Tensor):
            problem = f'something {_type(value)}'
        elif _kind(value.dtype) != _kind(own.dtype):
            problem = _short(value.dtype)
        elif (
            own.is_floating_point()
            and _largest(value.dtype) > _largest(own.dtype)
            and value.numel()
            and value.abs().max().item() > _largest(own.dtype)
        ):
            problem = f'{_short(value.dtype)} beyond its range'
        if problem:
            raise CheckpointError(
                f'{name} is not a checkpoint of this {type(model).__name__}: '
                f'its entry {key} holds {problem}, and the model has '
                f'{_short(own.dtype)} there.'
            )


def _kind(dtype: torch.dtype) -> str:
    if dtype.is_floating_point:
        return 'floating point'
    return 'complex' if dtype.is_complex else 'whole'


def _largest(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).max


def _short(dtype: torch.dtype) -> str:
    return str(dtype).replace('torch.', '')


def _odd_forms(checkpoint: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the parts that mmengine gives a form."""
    for part in ('state_dict', 'ema_state_dict'):
        if part not in checkpoint:
            continue
        state = checkpoint[part]
        if not isinstance(state, dict):
            yield f'{part} is {_type(state)}, not a dict of tensors'
            continue
        for key, value in state.items():
            if not isinstance(key, str):
                yield f'{part} has the name {key!r:.40}, {_type(key)}'
            elif not (
                isinstance(value, Tensor) or key.endswith('_extra_state')
            ):
                yield f'{part}.{key} is {_type(value)}, not a tensor'
    state, ema = checkpoint.get('state_dict'), checkpoint.get('ema_state_dict')
    for key, value in (ema or {}).items():
        # EMAHook lets the two change places.
        partner = value.new_zeros(()) if key == 'steps' else value
        if key.startswith('module.'):
            partner = (state or {}).get(key[len('module.') :])
        if getattr(partner, 'shape', None) != value.shape:
            yield (
                f'ema_state_dict.{key} has no partner of its shape in '
                'state_dict'
            )
    for key in checkpoint:
        if not isinstance(key, str):
            yield f'it has the name {key!r:.40}, {_type(key)}'
    if 'meta' in checkpoint:
        yield from _odd_meta(checkpoint['meta'])
    if 'message_hub' in checkpoint:
        yield from _odd_hub(checkpoint['message_hub'])


def _odd_meta(meta: Any) -> Iterator[str]:
    if not isinstance(meta, dict):
        yield f'meta is {_type(meta)}, not a dict'
        return
    for key, limit in (('epoch', 2**53), ('iter', 2**53), ('seed', 2**32)):
        value = meta.get(key, 0)
        if key == 'seed' and value is None:
            continue
        if type(value) is not int or not 0 <= value < limit:
            yield f'meta.{key} is {value!r:.40}, not a count'
    if meta.get('dataset_meta') is not None:
        yield from _not_dicts(meta, 'meta.', 'dataset_meta')
        yield from _odd_dataset_meta(meta['dataset_meta'])


def _odd_dataset_meta(meta: Any) -> Iterator[str]:
    for key, types in _DATASET_META.items() if isinstance(meta, dict) else ():
        if meta.get(key) is not None and not isinstance(meta[key], types):
            yield f'meta.dataset_meta.{key} is {_type(meta[key])}'


def _odd_hub(hub: Any) -> Iterator[str]:
    parts = ('log_scalars', 'runtime_info', 'resumed_keys')
    if not isinstance(hub, dict) or not set(parts) <= set(hub):
        yield f'message_hub is not a dict of {", ".join(parts)}'
        return
    yield from _not_dicts(hub, 'message_hub.', *parts)
    for key, value in hub['resumed_keys'].items():
        if type(value) is not bool:
            yield f'message_hub.resumed_keys.{key} is {_type(value)}'
    for key, value in hub['runtime_info'].items():
        if str(key).startswith('best_score') and not (
            isinstance(value, (int, float, np.number))
            or isinstance(value, Tensor)
            and value.numel() == 1
        ):
            yield (
                f'message_hub.runtime_info.{key} is {_type(value)}, not a '
                'number'
            )


def _not_dicts(
    parent: dict[str, Any], where: str, *keys: str
) -> Iterator[str]:
    for key in keys:
        if not isinstance(parent[key], dict):
            yield f'{where}{key} is {_type(parent[key])}, not a dict'
            return
        if not all(isinstance(item, str) for item in parent[key]):
            yield f'{where}{key} has names that are no text'
            return


def _type(value: Any) -> str:
    return f'of type {type(value).__name__}'


def _odd_leaves(checkpoint: dict[str, Any]) -> Iterator[str]:
    """Weights that cannot be right, and what is no data."""
    for path, value in _leaves(checkpoint):
        part = str(path[0])
        where = '.'.join(map(str, path))
        if len(path) > _MAX_DEPTH:
            yield f'{where[:60]}... is nested {_MAX_DEPTH} times'
        elif part == 'param_schedulers' and any(
            value is item for item in ANNEALING.values()
        ):
            continue
        # A RestoredHistory has got no numbers, or it were a HistoryBuffer.
        elif not isinstance(value, _DATA) or isinstance(
            value, RestoredHistory
        ):
            shown = getattr(value, '__qualname__', _type(value))
            yield f'{where} is {shown}, not data'
        elif (
            isinstance(value, Tensor)
            and part not in _NO_WEIGHTS
            and not part.startswith('optimizer')
        ):
            problem = _odd_numbers(str(path[-1]), value)
            if problem:
                yield f'{where} {problem}'


def _odd_numbers(key: str, value: Tensor) -> str | None:
    floats = value.is_floating_point()
    if value.is_complex() or (
        key.rpartition('.')[2] in _FLOATS and not floats
    ):
        return (
            f'holds {_short(value.dtype)}, not the floating point numbers '
            'of a network'
        )
    # A sum shows them in a tenth of the time, but can overflow.
    if not floats or value.sum(dtype=_sum_dtype(value)).isfinite():
        return None
    count = int((~value.isfinite()).sum())
    if count:
        return (
            f'holds NaN or infinity in {count} of its {value.numel()} '
            'numbers: the training had diverged, or the file is damaged'
        )
    return None


def _sum_dtype(value: Tensor) -> torch.dtype:
    return torch.promote_types(value.dtype, torch.float32)


def _leaves(checkpoint: dict[str, Any]) -> Iterator[tuple[tuple, Any]]:
    """All that is in it, with the way there; each container once."""
    stack = [((), checkpoint)]
    seen = set()
    while stack:
        path, value = stack.pop()
        if len(path) > _MAX_DEPTH or not isinstance(
            value, (dict, list, tuple, set)
        ):
            yield path, value
        elif id(value) not in seen:
            seen.add(id(value))
            items = (
                value.items() if isinstance(value, dict) else enumerate(value)
            )
            stack += reversed([((*path, key), item) for key, item in items])
