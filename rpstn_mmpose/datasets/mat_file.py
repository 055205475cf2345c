# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Read arrays of numbers out of MATLAB files that may be damaged."""
from __future__ import annotations

import io
import warnings
from typing import Dict, Sequence

import numpy as np
from scipy.io import loadmat, whosmat

# MATLAB's classes that hold numbers. Of others (cells, structs, text) scipy
# may fill the memory by what a damaged header says of their size.
_CLASSES = ('logical', 'double', 'single', *(
    f'{sign}int{bits}' for sign in ('', 'u') for bits in (8, 16, 32, 64)))
# Deflate packs no more bytes into one.
_MOST_PACKED = 1032
_FIX = 'download or write it again'


def read_arrays(data: bytes,
                path: str,
                what: str,
                needed: Sequence[str],
                optional: Sequence[str] = ()) -> Dict[str, np.ndarray]:
    """Read some variables; nothing else in the file is looked at.

    Args:
        data: Content of the file.
        path: For messages.
        what: What the file should be, for messages.
        needed: Names of variables that must be there.
        optional: Names of variables that may be there.

    Returns:
        dict[str, np.ndarray]: Arrays of real numbers, by name; at least 2-D.

    Raises:
        ValueError: The file cannot be read, lacks a variable, has one twice,
            or holds something else than real numbers in one.
    """
    wanted = (*needed, *optional)
    try:
        with warnings.catch_warnings():
            # scipy warns, and puts a message in the place of the array.
            warnings.simplefilter('error', UserWarning)
            heads = [head for head in whosmat(io.BytesIO(data))
                     if head[0] in wanted]
            _check_heads(heads, path, what, needed, len(data))
            found = loadmat(
                io.BytesIO(data), variable_names=[head[0] for head in heads])
            arrays = {name: np.asarray(found[name]) for name, _, _ in heads}
    except _Refused as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # scipy raises a dozen kinds on cut files
        reason = ' '.join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f'{path}: not a readable MATLAB v5 file ({reason}); '
                         f'{_FIX}') from error
    for name, array in arrays.items():
        if array.dtype.kind not in 'buif':
            raise ValueError(f'{path}: {name} must hold real numbers, but '
                             f'holds {array.dtype}; {_FIX}')
    return arrays


class _Refused(ValueError):
    """A reason that names the file already."""


def _check_heads(heads: list, path: str, what: str, needed: Sequence[str],
                 size: int) -> None:
    """Refuse what the headers alone show to be wrong.

    Args:
        heads: Name, shape and class of the wanted variables of the file.
        size: Of the file, bytes.
    """
    names = [name for name, _, _ in heads]
    missing = sorted(set(needed) - set(names))
    if missing:
        raise _Refused(f'{path}: {what} needs the variable '
                       f'{", ".join(map(repr, missing))}, which this file '
                       f'lacks (or it is cut off); {_FIX}')
    for name, shape, kind in heads:
        if names.count(name) > 1:
            raise _Refused(f'{path}: the variable {name!r} is there twice; '
                           f'{_FIX}')
        if kind not in _CLASSES:
            raise _Refused(f'{path}: {name} must hold real numbers, but is '
                           f'of the class {kind}; {_FIX}')
        count = 1
        for side in shape:  # in Python's integers, which have no end
            count *= int(side)
        if not 0 <= count <= _MOST_PACKED * size:
            raise _Refused(f'{path}: {name} says that it has {count} '
                           f'numbers, which do not fit in its {size} bytes; '
                           f'{_FIX}')
