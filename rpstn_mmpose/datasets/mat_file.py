# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Read arrays of numbers out of MATLAB files that may be damaged.

scipy's reader ends the whole process (a segmentation fault) on some damaged
files, and fills the memory on others. What label files need of the format is
little: "MAT-File Format", Level 5, of The MathWorks.
"""

from __future__ import annotations

import struct
import zlib
from typing import Iterator, NamedTuple, Sequence

import numpy as np

# Kinds of elements (mi...) that hold numbers, as numpy's types.
_TYPES = {
    1: 'i1',
    2: 'u1',
    3: 'i2',
    4: 'u2',
    5: 'i4',
    6: 'u4',
    7: 'f4',
    9: 'f8',
    12: 'i8',
    13: 'u8',
}
_MATRIX, _COMPRESSED = 14, 15
# Classes of variables (mx...); 6 to 15 are numbers.
_CLASSES = {
    1: 'cell',
    2: 'struct',
    3: 'class object',
    4: 'text',
    5: 'sparse matrix',
    16: 'function',
    17: 'class object',
}
_OPAQUE, _COMPLEX = 17, 0x800
# Bytes of a variable that hold its class, shape and name.
_HEAD = 1024
_FIX = 'download or write it again'


class _Damaged(ValueError):
    """Why a file cannot be read."""


class _Variable(NamedTuple):
    """A variable's head, and where the rest is."""

    name: str
    flags: int
    shape: tuple[int, ...]
    rest: memoryview


def read_arrays(
    data: bytes,
    path: str,
    what: str,
    needed: Sequence[str],
    optional: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Read some variables; of the others only the names are looked at.

    Args:
        data: Content of the file, of MATLAB's versions 5 to 7.
        path: For messages.
        what: What the file should be, for messages.
        needed: Names of variables that must be there.
        optional: Names of variables that may be there.

    Returns:
        dict[str, np.ndarray]: Arrays of real numbers by name, read-only, of
        two dimensions at least and of the type in which they are stored.

    Raises:
        ValueError: The file cannot be read, lacks a variable, has one twice,
            or holds something else than real numbers in one.
    """
    found: dict[str, np.ndarray] = {}
    try:
        for body, order in _bodies(data):
            variable = _head(_inflated(body, _HEAD), order)
            name = variable.name
            if name not in needed and name not in optional:
                continue
            if name in found:
                raise _Damaged(f'the variable {name!r} is there twice')
            kind = variable.flags & 0xFF
            if not 6 <= kind <= 15 or variable.flags & _COMPLEX:
                what = _CLASSES.get(kind, 'variable of no known class')
                if variable.flags & _COMPLEX:
                    what = 'complex array'
                raise ValueError(
                    f'{path}: {name} must hold real numbers, '
                    f'but is a {what}; {_FIX}'
                )
            found[name] = _array(_head(_inflated(body), order), order)
    except (_Damaged, zlib.error, struct.error) as error:
        raise ValueError(
            f'{path}: not a readable MATLAB v5 file ({error}); {_FIX}'
        ) from None
    missing = sorted(set(needed) - set(found))
    if missing:
        raise ValueError(
            f'{path}: {what} needs the variable '
            f'{", ".join(map(repr, missing))}, which this file lacks (or it '
            f'is cut off); {_FIX}'
        )
    return found


def _bodies(data: bytes) -> Iterator[tuple[tuple[int, memoryview], str]]:
    """Kind and content of the elements, and the order of their bytes."""
    order = {b'IM': '<', b'MI': '>'}.get(data[126:128])
    if order is None or data[124:126] != struct.pack(f'{order}H', 0x100):
        raise _Damaged(
            'it does not begin as one; MATLAB writes it with save -v7'
        )
    rest = memoryview(data)[128:]
    while len(rest):
        kind, content, rest = _element(rest, order)
        yield (kind, content), order


def _element(
    data: memoryview, order: str
) -> tuple[int, memoryview, memoryview]:
    """Kind and content of the first element, and what follows it."""
    if len(data) < 8:
        raise _Damaged('it is cut off')
    kind, size = struct.unpack_from(f'{order}II', data)
    if kind >> 16:  # at most 4 bytes, within the tag
        size, kind, begin, end = kind >> 16, kind & 0xFFFF, 4, 8
        if size > 4:
            raise _Damaged('an element has an impossible size')
    else:
        begin = 8
        end = begin + size
        if kind != _COMPRESSED:
            end += -size % 8
    if begin + size > len(data):
        raise _Damaged('it is cut off')
    return kind, data[begin : begin + size], data[end:]


def _inflated(element: tuple[int, memoryview], most: int = 0) -> memoryview:
    """A variable's content, or the first ``most`` bytes of it.

    Deflate packs at most 1,032 bytes into one: what a file says of sizes
    takes no memory.
    """
    kind, content = element
    if kind == _COMPRESSED:
        # zlib's own end is missing in two labels of Penn Action that hold
        # all of their numbers; what is cut off lacks some.
        data = memoryview(zlib.decompressobj().decompress(content, most))
        if len(data) < 8:
            raise _Damaged('a variable is empty')
        # The tag says what is to come, the head alone may be here.
        return data[8:]
    if kind != _MATRIX:
        raise _Damaged(f'an element of the kind {kind} is no variable')
    return content


def _head(data: memoryview, order: str) -> _Variable:
    """Class, shape and name; other kinds than these have no names here."""
    kind, flags, rest = _element(data, order)
    if kind != 6 or len(flags) != 8:
        raise _Damaged('a variable has no class')
    flags = struct.unpack_from(f'{order}I', flags)[0]
    if flags & 0xFF == _OPAQUE:
        return _Variable('', flags, (), rest)
    kind, shape, rest = _element(rest, order)
    if kind != 5 or not 8 <= len(shape) <= 128 or len(shape) % 4:
        raise _Damaged('a variable has no shape')
    _, name, rest = _element(rest, order)
    return _Variable(
        bytes(name).decode('latin-1'),
        flags,
        struct.unpack(f'{order}{len(shape) // 4}i', shape),
        rest,
    )


def _array(variable: _Variable, order: str) -> np.ndarray:
    name, shape = variable.name, variable.shape
    kind, content, _ = _element(variable.rest, order)
    if kind not in _TYPES:
        raise _Damaged(f'{name} holds no numbers')
    count = 1
    for side in shape:  # in Python's integers, which have no end
        count *= side
    dtype = np.dtype(order + _TYPES[kind])
    if min(shape) < 0 or count * dtype.itemsize != len(content):
        raise _Damaged(
            f'{name} says that it has '
            f'{" x ".join(map(str, shape))} numbers, but has '
            f'{len(content)} bytes of {dtype.itemsize} each'
        )
    if not count:
        # numpy would count what a shape with a 0 could hold.
        return np.zeros((0, 0) if len(shape) == 2 else (0,) * 3)
    return np.frombuffer(content, dtype).reshape(shape, order='F')
