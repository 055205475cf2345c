# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Whether a training can go on from a checkpoint, asked before it does."""

from __future__ import annotations

import math
from collections import Counter
from itertools import chain
from numbers import Real
from typing import Any, Iterator

from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor
from torch.optim import Optimizer

from ..checkpoints import CheckpointError

# What torch's optimizers keep of each of a parameter's numbers.
_MOMENTS = ('exp_avg', 'exp_avg_sq', 'max_exp_avg_sq', 'momentum_buffer')


def check_resume_state(
    runner: Any, checkpoint: dict[str, Any], filename: str
) -> None:
    """Refuse a checkpoint whose state is not that of the runner's training.

    mmengine takes most of it over unseen, so that an error comes in the
    middle of the training, if at all.

    Args:
        runner: mmengine's, with its optimizer and schedulers built. What is
            not built yet is not compared.
        checkpoint: As :func:`load_weights` gives it.
        filename: For the message.

    Raises:
        CheckpointError: One line that names the first part at fault.
    """
    for part, keys in (('meta', ('epoch', 'iter')), ('message_hub', ())):
        missing = [key for key in keys if key not in checkpoint.get(part, {})]
        if part not in checkpoint or missing:
            what = ' and '.join(f'{part}.{key}' for key in missing) or part
            raise CheckpointError(
                f'{filename} holds no state of a training to go on with '
                f'({what} is missing), perhaps weights alone: start a new '
                'training from them (load_from, without --resume).'
            )
    problems: list[str] = []
    if 'optimizer' in checkpoint:
        problems += _optimizer_problems(
            runner.optim_wrapper, checkpoint['optimizer']
        )
    # A config without any ignores them.
    if 'param_schedulers' in checkpoint and runner.param_schedulers:
        problems += _scheduler_problems(
            runner.param_schedulers, checkpoint['param_schedulers']
        )
    if problems:
        raise CheckpointError(
            f'{filename} cannot be resumed from: {problems[0]}. Take the '
            'config it was trained with, or start a new training from its '
            'weights (load_from, without --resume).'
        )


def _optimizer_problems(
    wrapper: Any, state: Any, where: str = 'optimizer'
) -> Iterator[str]:
    if not isinstance(state, dict):
        yield f'{where} is of type {type(state).__name__}, not a dict'
    elif isinstance(wrapper, OptimWrapperDict):
        parts = dict(wrapper.items())
        if set(parts) != set(state):
            yield (
                f'{where} has the parts {sorted(map(str, state))}, and the '
                f'config {sorted(parts)}'
            )
            return
        for name, part in parts.items():
            yield from _optimizer_problems(
                part, state[name], f'{where}.{name}'
            )
    elif isinstance(wrapper, OptimWrapper):
        scaler = state.get('loss_scaler', {})
        if not _are_numbers(scaler):
            yield f'{where}.loss_scaler is not a dict of numbers'
        yield from _group_problems(wrapper.optimizer, state, where)


def _group_problems(
    optimizer: Optimizer, state: dict[str, Any], where: str
) -> Iterator[str]:
    """Compare with an optimizer of torch."""
    groups, moments = state.get('param_groups'), state.get('state')
    if not (
        isinstance(groups, list)
        and isinstance(moments, dict)
        and all(
            isinstance(group, dict) and isinstance(group.get('params'), list)
            for group in groups
        )
    ):
        yield f'{where} is not of the form of an optimizer'
        return
    sizes = [len(group['params']) for group in groups]
    own_sizes = [len(group['params']) for group in optimizer.param_groups]
    if sizes != own_sizes:
        yield (
            f'{where} has {sum(sizes)} parameters in {len(sizes)} groups, '
            f'and the config {sum(own_sizes)} in {len(own_sizes)}'
        )
        return
    kind = type(optimizer)
    for group, own in zip(groups, optimizer.param_groups):
        for key, value in own.items():
            # A scheduler that is new in the config adds the latter.
            if key == 'params' or key.startswith('initial_'):
                continue
            if key in group and not _is_alike(group[key], value):
                yield f'{where}: {key} is {group[key]!r:.40}'
            # Newer versions of torch have more flags.
            elif key not in group and not isinstance(
                value, (bool, type(None))
            ):
                yield f'{where} is not of {kind.__name__}: it has no {key}'
        yield from _moment_problems(
            group['params'], own['params'], moments, kind, where
        )


def _moment_problems(
    indices: list,
    parameters: list[Tensor],
    moments: dict[Any, Any],
    kind: type,
    where: str,
) -> Iterator[str]:
    """Compare what is kept of each parameter of a group."""
    found = []
    for index, parameter in zip(indices, parameters):
        # torch takes a parameter that is not named for a fresh one.
        state = moments.get(index, {}) if type(index) is int else None
        if not isinstance(state, dict):
            yield f'{where}: the state of a parameter is no dict'
            return
        found.append({*state} & {'step', *_MOMENTS})
        for key in found[-1]:
            value = state[key]
            fits = getattr(value, 'shape', None) == parameter.shape
            if key == 'step':
                fits = _is_number(value)
            # Without a momentum, SGD writes None.
            elif key == 'momentum_buffer' and value is None:
                fits = True
            if not fits:
                yield (
                    f'{where}: {key} of parameter {index} is not of '
                    f'the form that {kind.__name__} gives it'
                )
    # Others, such as Adafactor, keep other things of other parameters.
    if kind.__module__.startswith('torch.optim.') and not all(
        keys in (set(), max(found, key=len)) for keys in found
    ):
        yield f'{where} has not the same of each parameter'


def _is_alike(value: Any, own: Any) -> bool:
    """Whether a setting can stand where the training has its own."""
    if isinstance(own, (tuple, list)):
        return (
            isinstance(value, (tuple, list))
            and len(value) == len(own)
            and all(map(_is_alike, value, own))
        )
    if own is None or isinstance(own, bool):
        return value is None or isinstance(value, bool)
    if isinstance(own, str):
        return isinstance(value, str)
    return _is_number(value) or not _is_number(own)


def _is_number(value: Any) -> bool:
    """Whether it is one finite number."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and bool(value.isfinite())
    return (
        isinstance(value, Real)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def _are_numbers(values: Any) -> bool:
    return isinstance(values, dict) and all(
        isinstance(value, bool) or _is_number(value)
        for value in values.values()
    )


def _scheduler_problems(schedulers: Any, states: Any) -> Iterator[str]:
    if isinstance(schedulers, dict) and isinstance(states, dict):
        pairs = [
            (key, item, states.get(key)) for key, item in schedulers.items()
        ]
    else:
        pairs = [('', schedulers, states)]
    for key, own, found in pairs:
        where = '.'.join(filter(None, ('param_schedulers', key)))
        if not (
            isinstance(own, list)
            and isinstance(found, list)
            and all(isinstance(item, dict) for item in found)
        ):
            yield f'{where} is not of the form that the config gives it'
            continue
        for scheduler, state in zip(own, found):
            for name, value in _odd_settings(scheduler, state):
                yield f'{where}: {name} is {value!r:.40}'


def _odd_settings(
    scheduler: Any, state: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    """What would stand where a method is, or is no number where one is."""
    own = vars(scheduler)
    for name, value in state.items():
        if (
            not isinstance(name, str)
            or name == 'optimizer'
            or hasattr(type(scheduler), name)
            or name == 'param_name'
            and value != own[name]
        ):
            yield str(name), value
        elif isinstance(own.get(name), (list, tuple)):
            # Restarts may be others than the config's; some list phases.
            numbers = all(map(_is_number, own[name]))
            if not (
                isinstance(value, (list, tuple))
                and all(_is_number(item) or not numbers for item in value)
            ):
                yield name, value
        elif isinstance(own.get(name), Counter):
            if not isinstance(value, Counter) or not all(
                map(_is_number, chain(value, value.values()))
            ):
                yield name, value
        elif own.get(name) is not None and not _is_alike(value, own[name]):
            yield name, value
