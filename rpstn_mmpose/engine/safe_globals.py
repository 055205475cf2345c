# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a checkpoint may hold besides tensors: what mmengine writes itself.

Found by training stock models with mmengine's Runner and listing the globals
in their checkpoints: the logs (``HistoryBuffer``, its arrays and its
statistics methods), NumPy numbers and arrays in ``meta.dataset_meta`` and
``message_hub``, and one-cycle schedulers' annealing function. OpenMMLab's
public checkpoints are written by the same code, less the optimizer.
"""
from __future__ import annotations

import pickle
from typing import Any, Callable, Dict

import numpy as np
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

try:
    from numpy._core import multiarray
except ImportError:  # NumPy 1
    from numpy.core import multiarray

_NUMBER_TYPECODES = '?bhilqpBHILQPefd'


class OneCycleName:
    """Stands for OneCycleParamScheduler, which a file must not construct."""


_ATTRIBUTES = {
    HistoryBuffer: {
        name: vars(HistoryBuffer)[name]
        for name in ('min', 'max', 'mean', 'current')
    },
    OneCycleName: {
        name: getattr(OneCycleParamScheduler, name)
        for name in ('_annealing_cos', '_annealing_linear')
    },
}


def restricted_getattr(owner: Any, name: Any) -> Callable:
    """Stands for ``builtins.getattr`` in a checkpoint.

    Args:
        owner: HistoryBuffer or OneCycleName; anything else is refused.
        name: One of the methods that mmengine writes by name.

    Raises:
        pickle.UnpicklingError: The file asks for anything else.
    """
    if isinstance(owner, type) and type(name) is str:
        found = _ATTRIBUTES.get(owner, {}).get(name)
        if found is not None:
            return found
    shown = owner.__name__ if isinstance(owner, type) else type(owner).__name__
    raise pickle.UnpicklingError(
        f'Unsupported global: GLOBAL getattr({shown},{str(name)[:40]!r})')


def safe_globals() -> Dict[str, Any]:
    """Full names as they stand in a checkpoint, and what they stand for."""
    allowed = {
        'mmengine.logging.history_buffer.HistoryBuffer': HistoryBuffer,
        'mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler':
        OneCycleName,
        'builtins.getattr': restricted_getattr,
        'numpy.ndarray': np.ndarray,
        'numpy.dtype': np.dtype,
    }
    # NumPy 2 renamed the module: either may have written the file.
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        allowed[f'{module}._reconstruct'] = multiarray._reconstruct
        allowed[f'{module}.scalar'] = multiarray.scalar
    for cls in number_dtype_classes():
        allowed[f'{cls.__module__}.{cls.__name__}'] = cls
    return allowed


def number_dtype_classes() -> set:
    """Classes of the boolean, integer and float dtypes."""
    return {type(np.dtype(code)) for code in _NUMBER_TYPECODES}
