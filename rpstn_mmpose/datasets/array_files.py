# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Files of NumPy arrays in dicts and lists, read without running anything.

VideoPose3D's ``.npz`` files hold a dict as an array of one object, which is a
pickle; NumPy's and Python's readers run what a pickle asks for. This one
makes dicts, lists, tuples, text, numbers and arrays of numbers, and refuses
all else.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from pathlib import Path
from typing import Any, Callable

import numpy as np

from ..checkpoints.restricted_unpickler import Unpickler, global_name, is_count
from ..checkpoints.safe_globals import (
    Refused,
    empty_array,
    empty_bytes,
    is_number_dtype,
    number_scalar,
    refuse,
)

_OBJECTS = np.dtype(object)
_PLAIN: Any = pickle._Unpickler
# Beside those of torch's checkpoints: what NumPy's and Python 3's pickles are
# written with.
_OPCODES = (
    pickle.BINBYTES,
    pickle.BYTEARRAY8,
    pickle.BINBYTES8,
    pickle.BINUNICODE8,
    pickle.DICT,
    pickle.DUP,
    pickle.FLOAT,
    pickle.FRAME,
    pickle.GET,
    pickle.INT,
    pickle.LIST,
    pickle.LONG,
    pickle.MEMOIZE,
    pickle.POP,
    pickle.POP_MARK,
    pickle.PUT,
    pickle.SHORT_BINBYTES,
    pickle.SHORT_BINUNICODE,
    pickle.STACK_GLOBAL,
    pickle.STRING,
    pickle.TUPLE,
    pickle.UNICODE,
    pickle.BINSTRING,
)


def _latin1(text: Any, encoding: Any) -> bytes:
    """Stands for ``_codecs.encode``, as protocol 2 uses it for bytes."""
    if type(text) is not str or encoding != 'latin1':
        refuse(f'the codec {str(encoding)[:20]}')
    return text.encode('latin-1')


def _dtype(code: Any, align: Any = False, copy: Any = True) -> np.dtype:
    """Stands for ``numpy.dtype``: numbers, text, objects; always a copy."""
    if (
        type(code) is str
        and code[:1] in tuple('<>=|biufSUO')
        and len(code) < 8
    ):
        try:
            dtype = np.dtype(code, False, True)
        except TypeError:
            refuse(f'the NumPy dtype {code}')
        if is_number_dtype(dtype) or dtype.kind in 'USO':
            return dtype
    refuse(f'the NumPy dtype {str(code)[:20]}')


def _is_state_of_array(state: Any) -> bool:
    if type(state) is not tuple or len(state) != 5:
        return False
    version, shape, dtype, fortran, data = state
    if not (
        version == 1
        and type(shape) is tuple
        and all(map(is_count, shape))
        and isinstance(dtype, np.dtype)
        and type(fortran) is bool
    ):
        return False
    if dtype == _OBJECTS:
        return type(data) is list and len(data) == math.prod(shape)
    return type(data) is bytes and math.prod(shape) * dtype.itemsize == len(
        data
    )


def _is_state_of_dtype(dtype: np.dtype, state: Any) -> bool:
    """Whether it sets the order of bytes alone; flags could make addresses of
    numbers.
    """
    return (
        type(state) is tuple
        and len(state) == 8
        and state[0] == 3
        and state[1] in ('<', '>', '|', '=')
        and state[2:] == dtype.__reduce__()[2][2:]
    )


def _from_bytes(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    """Stands for NumPy's ``_frombuffer``, of protocol 5."""
    if (
        type(data) not in (bytes, bytearray)
        or not (isinstance(dtype, np.dtype) and dtype.kind in 'biufSU')
        or type(shape) is not tuple
        or order not in ('C', 'F')
        or not all(map(is_count, shape))
        or math.prod(shape) * dtype.itemsize != len(data)
    ):
        refuse('an array of another form')
    return np.frombuffer(data, dtype).reshape(shape, order=order).copy(order)


_GLOBALS: dict[str, Callable] = {
    'numpy.ndarray': np.ndarray,
    'numpy.dtype': _dtype,
    '_codecs.encode': _latin1,
    'builtins.bytes': empty_bytes,
}
for _module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
    _GLOBALS[f'{_module}._reconstruct'] = empty_array
    _GLOBALS[f'{_module}.scalar'] = number_scalar
for _module in ('numpy.core.numeric', 'numpy._core.numeric'):
    _GLOBALS[f'{_module}._frombuffer'] = _from_bytes
_CALLABLE = tuple(f for f in _GLOBALS.values() if f is not np.ndarray)


class _ArrayUnpickler(Unpickler):
    """The reader of checkpoints with the lists above instead of its own."""

    stack: list[Any]
    dispatch = {
        **Unpickler.dispatch,
        **{c[0]: _PLAIN.dispatch[c[0]] for c in _OPCODES},
    }

    def find_class(self, module: str, name: str) -> Any:
        full = global_name(module, name)
        if full in _GLOBALS:
            return _GLOBALS[full]
        refuse(full)

    def load_reduce(self) -> None:
        function = self.stack[-2]
        if not any(function is item for item in _CALLABLE):
            refuse(f'a call of {type(function).__name__}')
        _PLAIN.load_reduce(self)

    def load_newobj(self) -> None:
        refuse('a new object')

    def load_build(self) -> None:
        target, state = self.stack[-2:]
        if type(target) is np.ndarray:
            fits = _is_state_of_array(state)
        else:
            fits = isinstance(target, np.dtype) and _is_state_of_dtype(
                target, state
            )
        if not fits:
            refuse(f'a state of {type(target).__name__}')
        _PLAIN.load_build(self)

    def load_binpersid(self) -> None:
        refuse('a persistent id')

    for _code, _method in (
        (pickle.REDUCE, load_reduce),
        (pickle.NEWOBJ, load_newobj),
        (pickle.BUILD, load_build),
        (pickle.BINPERSID, load_binpersid),
    ):
        dispatch[_code[0]] = _method  # type: ignore[assignment]


def _unpickled(data: Any, path: str) -> Any:
    try:
        return _ArrayUnpickler(data, encoding='latin1').load()
    except Refused as error:
        raise ValueError(
            f'{path} asks for {error.what}, which no file of arrays needs; '
            'it is not read: take the file from its source again'
        ) from None
    except Exception as error:
        reason = ' '.join(str(error).split())[:100]
        raise ValueError(
            f'{path} is no whole file of arrays '
            f'({type(error).__name__}: {reason}); download it again'
        ) from None


def read_pickle(path: str) -> Any:
    """Dicts, lists and arrays out of a pickle.

    Args:
        path (str): Local file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It asks for anything else, or is cut off.
    """
    return _unpickled(io.BytesIO(_content(path)), path)


def read_npz(path: str) -> dict[str, Any]:
    """Arrays of an ``.npz`` file by name; objects in place of arrays of one.

    Args:
        path (str): Local file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is something else, is cut off, or a pickle in it asks
            for anything but data.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(_content(path))) as archive:
            members = {
                name[: -len('.npy')]: archive.read(name)
                for name in archive.namelist()
                if name.endswith('.npy')
            }
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(
            f'{path} is no whole .npz file ({error}); download it again'
        ) from None
    return {
        name: _array(io.BytesIO(data), path) for name, data in members.items()
    }


def _content(path: str) -> bytes:
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such file')
    return Path(path).read_bytes()


def _array(data: io.BytesIO, path: str) -> Any:
    """A member; the object in an array of one."""
    try:
        version = np.lib.format.read_magic(data)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        *_, dtype = read(data)
        if not dtype.hasobject:
            data.seek(0)
            return np.load(data, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(
            f'{path} is no whole .npz file ({error}); download it again'
        ) from None
    found = _unpickled(data, path)
    if isinstance(found, np.ndarray) and found.shape == ():
        return found.item()
    return found
