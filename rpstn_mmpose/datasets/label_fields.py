# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Values out of JSON label files, which may hold anything in any place.

Each function gives the value or raises one ValueError that names the file.
"""

from __future__ import annotations

import json
import reprlib
from typing import Any

import numpy as np

# Pixels: JPEG's longest side, and no label lies farther from a picture's
# corner. What does is no place: torn bytes and overflows end there.
PLACE_LIMIT = 65535
# What numbers are kept in ends here.
MAX_FLOAT32 = float(np.finfo(np.float32).max)

_FIX = 'download or write the file again'
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = _SHORT.maxother = 80


def shown(value: Any) -> str:
    """A value for a message: one short line, however large or deep it is."""
    return ' '.join(_SHORT.repr(value).split())[:120]


def is_place(values: np.ndarray) -> np.ndarray:
    """Which numbers can be coordinates of a picture, in pixels.

    Args:
        values: Of any shape.

    Returns:
        np.ndarray: The same shape, bool; False for NaN, infinity, and what
        is beyond ``PLACE_LIMIT``.
    """
    return np.abs(values) <= PLACE_LIMIT  # NaN compares as False


def read_json(data: bytes, path: str) -> Any:
    """Parse the content of a JSON file.

    Raises:
        ValueError: It is cut off or something else.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError(
            f'{path}: lists or objects inside of each other by '
            f'the thousand; {_FIX}'
        ) from None
    except ValueError as error:  # what JSON and text decoding errors are
        raise ValueError(
            f'{path}: not a whole JSON file ({error}); '
            'download or write it again'
        ) from None


def field(item: Any, key: str, what: str, path: str) -> Any:
    """What an object has under a key that must be there.

    Args:
        item: The object, or what is in its place.
        key: Name of the field; null counts as missing.
        what: What the object is, for the message.
        path: Of the file.
    """
    if not isinstance(item, dict) or item.get(key) is None:
        raise ValueError(f'{path}: {what} has no {key!r}; {_FIX}')
    return item[key]


def list_field(item: dict, key: str, what: str, path: str) -> list[Any]:
    """A list that may be missing or null, which is an empty one."""
    value = item.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(
            f'{path}: {key!r} of {what} must be a list, but is '
            f'{shown(value)}; {_FIX}'
        )
    return value


def object_list(content: Any, key: str, path: str) -> list[dict]:
    """A list of objects at the top of a file; missing or null: empty."""
    items = list_field(content, key, 'the file', path)
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise ValueError(
                f'{path}: entry {number} of {key!r} must be an '
                f'object, but is {shown(item)}; {_FIX}'
            )
    return items


def whole_number(value: Any, what: str, path: str) -> int:
    """An integer of at most 53 bits, also written as 7.0 or as text."""
    try:
        number = int(value)
        if abs(number) < 2**53 and (isinstance(value, str) or number == value):
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(
        f'{path}: {what} must be a whole number, but is {shown(value)}; {_FIX}'
    )


def numbers(value: Any, what: str, path: str) -> np.ndarray:
    """A plain list of numbers, (n,) float64; null becomes NaN."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = None
    if array is None or array.ndim != 1:
        raise ValueError(
            f'{path}: {what} must be a list of numbers, but is '
            f'{shown(value)}; {_FIX}'
        )
    return array


def with_slashes(name: Any) -> str | None:
    """A path with slashes between folders; None: it can be no path.

    Scripts on Windows write backslashes; on no other system does a data set
    have names with them.
    """
    if isinstance(name, str) and name and min(name) >= ' ':
        try:
            name.encode()
            return name.replace('\\', '/')
        except UnicodeEncodeError:  # half a surrogate pair
            pass
    return None


def file_name_of(image: Any, path: str) -> str:
    """An image's ``file_name``, see :func:`with_slashes`."""
    given = field(image, 'file_name', 'an image', path)
    name = with_slashes(given)
    if name is not None:
        return name
    raise ValueError(
        f"{path}: 'file_name' of an image must be a path, but "
        f'is {shown(given)}; {_FIX}'
    )


def picture_size(image: dict, what: str, path: str) -> tuple[int, int] | None:
    """An image's ``width`` and ``height``; None where one is not given."""
    if image.get('width') is None or image.get('height') is None:
        return None
    width, height = (
        whole_number(image[side], f'{side!r} of {what}', path)
        for side in ('width', 'height')
    )
    if not (2 <= min(width, height) and max(width, height) <= PLACE_LIMIT):
        raise ValueError(
            f'{path}: {what} cannot be {width}x{height} pixels; {_FIX}'
        )
    return width, height
