# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a checkpoint may hold besides tensors: what mmengine writes itself.

Found by training stock models with mmengine's Runner and listing the globals
in their checkpoints: the logs (``HistoryBuffer``, its arrays and its
statistics methods), NumPy numbers and arrays in ``meta.dataset_meta`` and
``message_hub``, and one-cycle schedulers' annealing function. OpenMMLab's
public checkpoints are written by the same code, less the optimizer.

None of these names is handed out as it is where it could do more than that:
this module has a stand-in for each.
"""

from __future__ import annotations

import pickle
import re
from typing import Any, Callable, NoReturn

import numpy as np
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

try:
    from numpy._core import multiarray
except ImportError:  # NumPy 1
    from numpy.core import multiarray

_NUMBER_TYPECODES = '?bhilqpBHILQPefd'
_DTYPE_CODE = re.compile(r'[<>=|]?[a-zA-Z?]\d{0,2}')


class Refused(pickle.UnpicklingError):
    """A file asks for something that no checkpoint needs.

    Args:
        what: Name of what it asks for.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f'Unsupported global: GLOBAL {what}')
        self.what = what


def refuse(what: str) -> NoReturn:
    """Raise :class:`Refused`."""
    raise Refused(what)


class RestoredHistory(HistoryBuffer):
    """Takes a history's numbers out of a file and becomes a HistoryBuffer.

    HistoryBuffer's own ``__setstate__`` takes every attribute that the file
    names, so that one could stand where a method is, and puts the file's
    statistics methods in place of those of all histories in the process.
    """

    def __setstate__(self, state: Any) -> None:
        state = state if isinstance(state, dict) else {}
        logs, counts = state.get('_log_history'), state.get('_count_history')
        length = state.get('max_length')
        if not (
            type(logs) is type(counts) is np.ndarray
            and logs.ndim == counts.ndim == 1
            and len(logs) == len(counts)
            and type(length) is int
            and length > 0
        ):
            refuse('state of HistoryBuffer')
        self.__class__ = HistoryBuffer
        HistoryBuffer.__setstate__(
            self,
            dict(max_length=length, _log_history=logs, _count_history=counts),
        )


class OneCycleName:
    """Stands for OneCycleParamScheduler, which a file must not construct."""


ANNEALING = {
    name: getattr(OneCycleParamScheduler, name)
    for name in ('_annealing_cos', '_annealing_linear')
}
_ATTRIBUTES = {
    RestoredHistory: {
        name: vars(HistoryBuffer)[name]
        for name in ('min', 'max', 'mean', 'current')
    },
    OneCycleName: ANNEALING,
}


def restricted_getattr(owner: Any, name: Any) -> Callable:
    """Stands for ``builtins.getattr`` in a checkpoint.

    Args:
        owner: RestoredHistory or OneCycleName; anything else is refused.
        name: One of the methods that mmengine writes by name.

    Raises:
        Refused: The file asks for anything else.
    """
    if isinstance(owner, type) and type(name) is str:
        found = _ATTRIBUTES.get(owner, {}).get(name)
        if found is not None:
            return found
    shown = owner if isinstance(owner, type) else type(owner)
    if shown is RestoredHistory:
        shown = HistoryBuffer
    refuse(f'getattr({shown.__name__},{str(name)[:40]!r})')


def empty_array(kind: Any, shape: Any, code: Any) -> np.ndarray:
    """Stands for NumPy's ``_reconstruct``, whose shape is always (0,)."""
    if kind is not np.ndarray or shape != (0,):
        refuse('an array of another form')
    return np.ndarray((0,), np.int8)


def number_dtype(code: Any, align: Any = False, copy: Any = True) -> np.dtype:
    """Stands for ``numpy.dtype``: booleans, integers and floats only.

    Always a copy, because the file sets its byte order afterwards.
    """
    if type(code) is str and _DTYPE_CODE.fullmatch(code):
        dtype = np.dtype(code, False, True)
        if is_number_dtype(dtype):
            return dtype
    refuse(f'the NumPy dtype {str(code)[:20]}')


def number_scalar(dtype: Any, data: Any) -> np.generic:
    """Stands for NumPy's ``scalar``, for the dtypes above."""
    if not is_number_dtype(dtype) or type(data) is not bytes:
        refuse('a NumPy scalar of another form')
    return multiarray.scalar(dtype, data)


def is_number_dtype(dtype: Any) -> bool:
    """Whether arrays of this type hold plain numbers."""
    return isinstance(dtype, np.dtype) and dtype.kind in 'biuf'


class DroppedGenerator:
    """Stands for NumPy's random generators, of which nothing is kept.

    Whatever a file calls by one of their names makes one of these.

    Anatomy3D's authors keep theirs in the checkpoint.
    """

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


# What generators, bit generators and seed sequences are pickled by, in NumPy
# 1 and 2; NumPy 2 names the classes of bit generators, and keeps their seeds.
GENERATORS = (
    'numpy.random.__RandomState_ctor',  # NumPy before 1.17
    'numpy.random._pickle.__randomstate_ctor',
    'numpy.random._pickle.__generator_ctor',
    'numpy.random._pickle.__bit_generator_ctor',
    'numpy.random._mt19937.MT19937',
    'numpy.random._pcg64.PCG64',
    'numpy.random._pcg64.PCG64DXSM',
    'numpy.random._philox.Philox',
    'numpy.random._sfc64.SFC64',
    'numpy.random.bit_generator.__pyx_unpickle_SeedSequence',
    'numpy.random.bit_generator.SeedSequence',
)


def empty_bytes(*content: Any) -> bytes:
    """Stands for ``bytes``, called for the content of an empty array."""
    if content:
        refuse('bytes of another form')
    return b''


def safe_globals() -> dict[str, Any]:
    """Full names as they stand in a checkpoint, and what they stand for."""
    allowed = {
        'mmengine.logging.history_buffer.HistoryBuffer': RestoredHistory,
        'mmengine.optim.scheduler.param_scheduler.'
        'OneCycleParamScheduler': OneCycleName,
        'builtins.getattr': restricted_getattr,
        'builtins.bytes': empty_bytes,
        'numpy.ndarray': np.ndarray,
        'numpy.dtype': number_dtype,
        **dict.fromkeys(GENERATORS, DroppedGenerator),
    }
    # NumPy 2 renamed the module: either may have written the file.
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        allowed[f'{module}._reconstruct'] = empty_array
        allowed[f'{module}.scalar'] = number_scalar
    for cls in number_dtype_classes():
        allowed[f'{cls.__module__}.{cls.__name__}'] = cls
    return allowed


def number_dtype_classes() -> set:
    """Classes of the boolean, integer and float dtypes."""
    return {type(np.dtype(code)) for code in _NUMBER_TYPECODES}
