# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Whether a training can go on from a checkpoint, asked before it does."""
from __future__ import annotations

import math
from collections import Counter
from numbers import Real
from typing import Any, Dict, Iterator, List, Tuple

from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor
from torch.optim import Optimizer

from .checkpoint_error import CheckpointError

# What torch's optimizers keep of each of a parameter's numbers.
_MOMENTS = ('exp_avg', 'exp_avg_sq', 'max_exp_avg_sq', 'momentum_buffer')


def check_resume_state(runner: Any, checkpoint: Dict[str, Any],
                       filename: str) -> None:
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
                'training from them (load_from, without --resume).')
    problems: List[str] = []
    if 'optimizer' in checkpoint:
        problems += _optimizer_problems(runner.optim_wrapper,
                                        checkpoint['optimizer'])
    # A config without any ignores them.
    if 'param_schedulers' in checkpoint and runner.param_schedulers:
        problems += _scheduler_problems(runner.param_schedulers,
                                        checkpoint['param_schedulers'])
    if problems:
        raise CheckpointError(
            f'{filename} cannot be resumed from: {problems[0]}. Take the '
            'config it was trained with, or start a new training from its '
            'weights (load_from, without --resume).')


def _optimizer_problems(wrapper: Any, state: Any,
                        where: str = 'optimizer') -> Iterator[str]:
    if not isinstance(state, dict):
        yield f'{where} is of type {type(state).__name__}, not a dict'
    elif isinstance(wrapper, OptimWrapperDict):
        parts = dict(wrapper.items())
        if set(parts) != set(state):
            yield (f'{where} has the parts {sorted(map(str, state))}, and the '
                   f'config {sorted(parts)}')
            return
        for name, part in parts.items():
            yield from _optimizer_problems(part, state[name],
                                           f'{where}.{name}')
    elif isinstance(wrapper, OptimWrapper):
        scaler = state.get('loss_scaler', {})
        if not _are_numbers(scaler):
            yield f'{where}.loss_scaler is not a dict of numbers'
        yield from _group_problems(wrapper.optimizer, state, where)


def _group_problems(optimizer: Optimizer, state: Dict[str, Any],
                    where: str) -> Iterator[str]:
    """Compare with an optimizer of torch."""
    groups, moments = state.get('param_groups'), state.get('state')
    if not (isinstance(groups, list) and isinstance(moments, dict)
            and all(isinstance(group, dict)
                    and isinstance(group.get('params'), list)
                    for group in groups)):
        yield f'{where} is not of the form of an optimizer'
        return
    sizes = [len(group['params']) for group in groups]
    own_sizes = [len(group['params']) for group in optimizer.param_groups]
    if sizes != own_sizes:
        yield (f'{where} has {sum(sizes)} parameters in {len(sizes)} groups, '
               f'and the config {sum(own_sizes)} in {len(own_sizes)}')
        return
    for group, own in zip(groups, optimizer.param_groups):
        for key, value in own.items():
            # A scheduler that is new in the config adds the latter.
            if _is_setting(value) and not key.startswith('initial_'):
                if key not in group:
                    yield (f'{where} is not of {type(optimizer).__name__}: '
                           f'it has no {key}')
                elif not _is_setting(group[key]):
                    yield f'{where}: {key} is {group[key]!r:.40}'
        for index, parameter in zip(group['params'], own['params']):
            # torch takes a parameter that is not named for a fresh one.
            found = moments.get(index, {}) if type(index) is int else None
            if not isinstance(found, dict):
                yield f'{where}: the state of a parameter is no dict'
                return
            for key, value in found.items():
                if key in _MOMENTS and getattr(
                        value, 'shape', None) != parameter.shape:
                    yield (f'{where}: {key} of parameter {index} has not the '
                           f'shape of the parameter, {tuple(parameter.shape)}')


def _is_setting(value: Any) -> bool:
    """Whether it is a finite number, or a tuple or list of such."""
    if isinstance(value, (tuple, list)):
        return bool(value) and all(map(_is_setting, value))
    if isinstance(value, Tensor):
        return value.numel() == 1 and bool(value.isfinite())
    return (isinstance(value, Real) and not isinstance(value, bool)
            and math.isfinite(value))


def _are_numbers(values: Any) -> bool:
    return isinstance(values, dict) and all(
        isinstance(value, bool) or _is_setting(value)
        for value in values.values())


def _scheduler_problems(schedulers: Any, states: Any) -> Iterator[str]:
    if isinstance(schedulers, dict) and isinstance(states, dict):
        pairs = [(key, item, states.get(key))
                 for key, item in schedulers.items()]
    else:
        pairs = [('', schedulers, states)]
    for key, own, found in pairs:
        where = '.'.join(filter(None, ('param_schedulers', key)))
        if not (isinstance(own, list) and isinstance(found, list)
                and all(isinstance(item, dict) for item in found)):
            yield f'{where} is not of the form that the config gives it'
            continue
        for scheduler, state in zip(own, found):
            for name, value in _odd_settings(scheduler, state):
                yield f'{where}: {name} is {value!r:.40}'


def _odd_settings(scheduler: Any,
                  state: Dict[str, Any]) -> Iterator[Tuple[str, Any]]:
    """What would stand where a method is, or is no number where one is."""
    own = vars(scheduler)
    for name, value in state.items():
        if (not isinstance(name, str) or name == 'optimizer'
                or hasattr(type(scheduler), name)):
            yield str(name), value
        elif _is_setting(own.get(name)) and not _is_setting(value):
            yield name, value
        elif isinstance(own.get(name), Counter) and not isinstance(
                value, Counter):
            yield name, value
