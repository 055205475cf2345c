# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A pickle reader for torch < 2.6 that only knows what a checkpoint needs.

The weights-only reader of those versions cannot be taught more names, so
theirs is not enough for mmengine's checkpoints. This module has the two
names, ``Unpickler`` and ``load``, that ``torch.load(pickle_module=...)``
asks for. Every call that a file wants made has to be on the list, and so has
every type whose state it wants set.
"""
from __future__ import annotations

import pickle
from _codecs import encode
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from functools import lru_cache
from typing import Any, Dict

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from .safe_globals import number_dtype_classes, safe_globals

_OPCODES = (
    pickle.APPEND, pickle.APPENDS, pickle.BINFLOAT, pickle.BINGET,
    pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.BINPERSID,
    pickle.BINPUT, pickle.BINUNICODE, pickle.BUILD, pickle.EMPTY_DICT,
    pickle.EMPTY_LIST, pickle.EMPTY_SET, pickle.EMPTY_TUPLE, pickle.GLOBAL,
    pickle.LONG1, pickle.LONG_BINGET, pickle.LONG_BINPUT, pickle.MARK,
    pickle.NEWFALSE, pickle.NEWOBJ, pickle.NEWTRUE, pickle.NONE, pickle.PROTO,
    pickle.REDUCE, pickle.SETITEM, pickle.SETITEMS, pickle.SHORT_BINSTRING,
    pickle.STOP, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3)


@lru_cache(maxsize=1)
def _allowed() -> Dict[str, Any]:
    from torch import _weights_only_unpickler as reader
    return {
        **reader._get_allowed_globals(),
        'collections.Counter': Counter,
        '_codecs.encode': encode,
        'builtins.set': set,
        'builtins.bytearray': bytearray,
        'torch.device': torch.device,
        **safe_globals(),
    }


def _refuse(what: str) -> None:
    raise pickle.UnpicklingError(f'Unsupported global: GLOBAL {what}')


class Unpickler(pickle._Unpickler):
    """Pure-Python unpickler with an allow-list for every risky operation."""

    dispatch = {
        code[0]: pickle._Unpickler.dispatch[code[0]]
        for code in _OPCODES
    }

    def find_class(self, module: str, name: str) -> Any:
        module, name = NAME_MAPPING.get(
            (module, name), (IMPORT_MAPPING.get(module, module), name))
        allowed = _allowed()
        if f'{module}.{name}' not in allowed:
            _refuse(f'{module}.{name}')
        return allowed[f'{module}.{name}']

    def load_reduce(self) -> None:
        function = self.stack[-2]
        if not any(function is item for item in _allowed().values()):
            _refuse(f'call of {type(function).__name__}')
        super().load_reduce()

    def load_newobj(self) -> None:
        cls = self.stack[-2]
        if cls not in (HistoryBuffer, torch.nn.Parameter):
            _refuse(f'new {getattr(cls, "__name__", type(cls).__name__)}')
        super().load_newobj()

    def load_build(self) -> None:
        kind = type(self.stack[-2])
        if kind not in (HistoryBuffer, OrderedDict, torch.nn.Parameter,
                        np.ndarray, *number_dtype_classes()):
            _refuse(f'state of {kind.__name__}')
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
        if not isinstance(pid, tuple) or pid[:1] not in (('storage', ),
                                                         (b'storage', )):
            _refuse(f'persistent id {type(pid).__name__}')
        super().load_binpersid()

    @staticmethod
    def _check_mapping(target: Any) -> None:
        if type(target) not in (dict, OrderedDict, Counter):
            _refuse(f'items of {type(target).__name__}')

    @staticmethod
    def _check_list(target: Any) -> None:
        if type(target) is not list:
            _refuse(f'items of {type(target).__name__}')

    for _code, _method in ((pickle.REDUCE, load_reduce),
                           (pickle.NEWOBJ, load_newobj),
                           (pickle.BUILD, load_build),
                           (pickle.SETITEM, load_setitem),
                           (pickle.SETITEMS, load_setitems),
                           (pickle.APPEND, load_append),
                           (pickle.APPENDS, load_appends),
                           (pickle.BINPERSID, load_binpersid)):
        dispatch[_code[0]] = _method


def load(file: Any, *, encoding: str = 'ASCII', **kwargs: Any) -> Any:
    """``pickle.load`` with this module's reader."""
    return Unpickler(file, encoding=encoding, **kwargs).load()
