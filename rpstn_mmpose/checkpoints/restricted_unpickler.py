# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A pickle reader that only knows what a checkpoint needs.

torch's own weights-only reader knows more names than a checkpoint needs, and
before torch 2.6 cannot be taught mmengine's. This one reads every checkpoint
first, with the numbers of its tensors left out (see
:mod:`~rpstn_mmpose.checkpoints.rehearsal`), and before torch 2.6 it is
the only one: the module has the two names, ``Unpickler`` and ``load``, that
``torch.load(pickle_module=...)`` asks for.

What may be named, called, built, filled and given state are five lists, and
each operation checks its own.
"""

from __future__ import annotations

import math
import pickle
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from functools import lru_cache
from typing import Any, Callable, NamedTuple

import numpy as np
import torch

from .safe_globals import (
    GENERATORS,
    DroppedGenerator,
    RestoredHistory,
    is_number_dtype,
    number_dtype_classes,
    refuse,
    safe_globals,
)

# What torch.save writes with its default protocol, 2.
_OPCODES = (
    pickle.APPEND,
    pickle.APPENDS,
    pickle.BINFLOAT,
    pickle.BINGET,
    pickle.BININT,
    pickle.BININT1,
    pickle.BININT2,
    pickle.BINPERSID,
    pickle.BINPUT,
    pickle.BINUNICODE,
    pickle.BUILD,
    pickle.EMPTY_DICT,
    pickle.EMPTY_LIST,
    pickle.EMPTY_TUPLE,
    pickle.GLOBAL,
    pickle.LONG1,
    pickle.LONG_BINGET,
    pickle.LONG_BINPUT,
    pickle.MARK,
    pickle.NEWFALSE,
    pickle.NEWOBJ,
    pickle.NEWTRUE,
    pickle.NONE,
    pickle.PROTO,
    pickle.REDUCE,
    pickle.SETITEM,
    pickle.SETITEMS,
    pickle.SHORT_BINSTRING,
    pickle.STOP,
    pickle.TUPLE,
    pickle.TUPLE1,
    pickle.TUPLE2,
    pickle.TUPLE3,
)

_STORAGES = dict(
    FloatStorage=torch.float32,
    DoubleStorage=torch.float64,
    HalfStorage=torch.float16,
    BFloat16Storage=torch.bfloat16,
    LongStorage=torch.int64,
    IntStorage=torch.int32,
    ShortStorage=torch.int16,
    CharStorage=torch.int8,
    ByteStorage=torch.uint8,
    BoolStorage=torch.bool,
    # Not for a model, but for a message that names the entry.
    ComplexFloatStorage=torch.complex64,
    ComplexDoubleStorage=torch.complex128,
)


class StorageKind(NamedTuple):
    """What stands for the name of a storage's class."""

    dtype: torch.dtype


def _latin1_bytes(text: Any, encoding: Any) -> bytes:
    """Stands for ``_codecs.encode``, as protocol 2 uses it for bytes."""
    if type(text) is not str or encoding != 'latin1':
        refuse(f'the codec {str(encoding)[:20]}')
    return text.encode('latin-1')


@lru_cache(maxsize=1)
def allowed_globals() -> dict[str, Any]:
    """What may be named, without the functions that make tensors."""
    return {
        'collections.OrderedDict': OrderedDict,
        'collections.Counter': Counter,  # milestones
        'builtins.set': set,
        '_codecs.encode': _latin1_bytes,
        'torch.device': torch.device,
        'torch.Size': torch.Size,
        **{
            f'torch.{name}': StorageKind(dtype)
            for name, dtype in _STORAGES.items()
        },
        **{str(dtype): dtype for dtype in _STORAGES.values()},
        **safe_globals(),
    }


@lru_cache(maxsize=1)
def _callable_ids() -> set:
    names = (
        'collections.OrderedDict',
        'collections.Counter',
        'builtins.set',
        'builtins.bytes',
        'builtins.getattr',
        '_codecs.encode',
        'torch.device',
        'torch.Size',
        'numpy.dtype',
        'numpy.core.multiarray._reconstruct',
        'numpy.core.multiarray.scalar',
        *GENERATORS,
    )
    return {id(allowed_globals()[name]) for name in names}


def global_name(module: str, name: str) -> str:
    """Full name, in Python 3, of what a pickle names."""
    return '.'.join(
        NAME_MAPPING.get(
            (module, name), (IMPORT_MAPPING.get(module, module), name)
        )
    )


def is_count(value: Any) -> bool:
    """Whether a value is a whole number from 0, and no bool."""
    return type(value) is int and value >= 0


def _is_array_state(state: Any) -> bool:
    if type(state) is not tuple or len(state) != 5:
        return False
    version, shape, dtype, fortran, data = state
    return (
        version == 1
        and type(shape) is tuple
        and all(map(is_count, shape))
        and is_number_dtype(dtype)
        and type(fortran) is bool
        and type(data) is bytes
        and math.prod(shape) * dtype.itemsize == len(data)
    )


def _is_dtype_state(state: Any) -> bool:
    return (
        type(state) is tuple
        and state[:1] == (3,)
        and state[1:2] in (('<',), ('>',), ('|',), ('=',))
        and state[2:] == (None, None, None, -1, -1, 0)
    )


def _is_ordered_dict_state(state: Any) -> bool:
    # Versions of a state dict's modules; any other attribute could stand
    # where a method is.
    return type(state) is dict and set(state) <= {'_metadata'}


@lru_cache(maxsize=1)
def _state_checks() -> dict[type, Callable[[Any], bool]]:
    return {
        RestoredHistory: lambda state: True,  # checks for itself
        DroppedGenerator: lambda state: True,
        OrderedDict: _is_ordered_dict_state,
        np.ndarray: _is_array_state,
        **dict.fromkeys(number_dtype_classes(), _is_dtype_state),
    }


class Unpickler(pickle._Unpickler):
    """Pure-Python unpickler with an allow-list for every risky operation."""

    tensor_globals: dict[str, Any] = {
        f'torch._utils.{name}': getattr(torch._utils, name)
        for name in (
            '_rebuild_tensor',
            '_rebuild_tensor_v2',
            '_rebuild_parameter',
        )
    }
    dispatch = {
        code[0]: pickle._Unpickler.dispatch[code[0]] for code in _OPCODES
    }

    def find_class(self, module: str, name: str) -> Any:
        full = global_name(module, name)
        for table in (allowed_globals(), self.tensor_globals):
            if full in table:
                return table[full]
        refuse(full)

    def load_reduce(self) -> None:
        function = self.stack[-2]
        if id(function) not in _callable_ids() and not any(
            function is item for item in self.tensor_globals.values()
        ):
            name = getattr(function, '__name__', type(function).__name__)
            refuse(f'a call of {name}')
        super().load_reduce()

    def load_newobj(self) -> None:
        cls, args = self.stack[-2:]
        if cls is not RestoredHistory or args != ():
            refuse(f'a new {getattr(cls, "__name__", type(cls).__name__)}')
        super().load_newobj()

    def load_build(self) -> None:
        target, state = self.stack[-2:]
        check = _state_checks().get(type(target))
        if check is None or not check(state):
            refuse(f'a state of {type(target).__name__}')
        super().load_build()

    def load_setitem(self) -> None:
        self._check_mapping(self.stack[-3])
        super().load_setitem()

    def load_setitems(self) -> None:
        self._check_mapping(self.metastack[-1][-1])
        super().load_setitems()

    def load_append(self) -> None:
        self._check_list(self.stack[-2])
        super().load_append()

    def load_appends(self) -> None:
        self._check_list(self.metastack[-1][-1])
        super().load_appends()

    def load_binpersid(self) -> None:
        pid = self.stack[-1]
        # Old files name a storage by tuple; 'module' would make torch look
        # for (and compare) source code.
        if not (
            type(pid) is tuple
            and len(pid) in (5, 6)
            and pid[0] == 'storage'
            and isinstance(getattr(pid[1], 'dtype', None), torch.dtype)
            and type(pid[2]) is type(pid[3]) is str
            and is_count(pid[4])
        ):
            refuse('a persistent id that names no storage')
        super().load_binpersid()

    @staticmethod
    def _check_mapping(target: Any) -> None:
        if type(target) not in (dict, OrderedDict, Counter):
            refuse(f'items of {type(target).__name__}')

    @staticmethod
    def _check_list(target: Any) -> None:
        if type(target) is not list:
            refuse(f'items of {type(target).__name__}')

    for _code, _method in (
        (pickle.REDUCE, load_reduce),
        (pickle.NEWOBJ, load_newobj),
        (pickle.BUILD, load_build),
        (pickle.SETITEM, load_setitem),
        (pickle.SETITEMS, load_setitems),
        (pickle.APPEND, load_append),
        (pickle.APPENDS, load_appends),
        (pickle.BINPERSID, load_binpersid),
    ):
        dispatch[_code[0]] = _method


def load(file: Any, *, encoding: str = 'ASCII', **kwargs: Any) -> Any:
    """``pickle.load`` with this module's reader."""
    return Unpickler(file, encoding=encoding, **kwargs).load()
