# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Label files changed at random, and what may come of reading them."""

from __future__ import annotations

import copy
import io
import json
import warnings
from typing import Any, Callable, Iterator, Tuple

import numpy as np
from scipy.io import savemat

# In place of a JSON value. Text is written as it stands: json.dumps would
# refuse some of it, and readers must not.
JSON_VALUES = [
    'null',
    'true',
    'false',
    '0',
    '1',
    '-1',
    '7',
    '3.5',
    '1e31',
    '1e400',
    '-1e39',
    'NaN',
    '-Infinity',
    '9' * 400,
    '9' * 5000,
    '"7"',
    '"abc"',
    '""',
    '"\\ud800"',
    '"a\\u0000b\\n"',
    '"a\\\\b\\\\000001.jpg"',
    '[]',
    '[[]]',
    '{}',
    '[1]',
    '["a"]',
    '[null]',
    '[{}]',
    '{"a": 1}',
    '[1, [2, [3]]]',
    '[[1, 2, 3], [4]]',
    '[' * 40 + ']' * 40,
    '[' * 900 + ']' * 900,
    '[1e39, 1, 2, 3]',
    '2147483648',
    '-9223372036854775809',
]

MAT_VALUES = [
    'text',
    '',
    np.array(['ab', 'cd']),
    np.array([[1, 'a']], object),
    np.zeros((0, 0)),
    np.zeros((3, 0)),
    np.ones((2, 3, 4)),
    np.ones((1, 1)),
    np.array([[np.nan]]),
    np.array([[np.inf]]),
    np.array([[1e300]]),
    np.array([[1e31]]),
    np.array([[-5]]),
    np.array([[1 + 2j]]),
    dict(a=1),
    dict(a=np.ones(3), b='x'),
    [],
    [1, 'a'],
    np.array([[1e9]]),
    np.full((4, 13), 1e39),
    np.full((4, 13), -np.inf),
    np.full((4, 4), 1e39),
    np.full((4, 4), np.nan),
    np.ones((4, 13), np.uint8),
    np.ones((13, 4)),
    np.full((2, 15, 4), 1e39),
    np.full((2, 15, 4), 1e31),
    np.ones((4, 12)),
    np.array([[2**63]], np.uint64),
    np.ones((4, 13), bool),
]


def _places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Paths to everything inside of a JSON value."""
    items = (
        value.items()
        if isinstance(value, dict)
        else (enumerate(value) if isinstance(value, list) else ())
    )
    for key, item in items:
        yield (*path, key)
        yield from _places(item, (*path, key))


def changed_json(content: Any, rng: np.random.RandomState) -> bytes:
    """One to three fields replaced, removed, repeated or nested; or the text
    cut, or bytes of it overwritten."""
    content = copy.deepcopy(content)
    texts = {}
    for _ in range(rng.randint(1, 4)):
        # Fields of entries more often than the many numbers in their lists.
        places = sorted(_places(content), key=len)
        if not places:
            break
        place = places[int(len(places) * rng.rand() ** 2)]
        inside = content
        for key in place[:-1]:
            inside = inside[key]
        key, kind = place[-1], rng.randint(8)
        if kind == 0:
            del inside[key]
        elif kind == 1:
            inside[key] = [inside[key]]
        elif kind == 2 and isinstance(inside[key], list):
            inside[key] = inside[key] * 2
        elif kind == 3:
            other = places[rng.randint(len(places))]
            source = content
            try:
                for step in other:
                    source = source[step]
            except (KeyError, IndexError, TypeError):
                continue
            inside[key] = copy.deepcopy(source)
        else:
            mark = f'<{len(texts)}>'
            texts[mark] = JSON_VALUES[rng.randint(len(JSON_VALUES))]
            inside[key] = mark
    text = json.dumps(content)
    for mark, value in texts.items():
        text = text.replace(json.dumps(mark), value)
    data = bytearray(text.encode())
    if rng.rand() < 0.1:
        data = overwritten(data, rng)
    return bytes(data)


def overwritten(data: bytes, rng: np.random.RandomState) -> bytes:
    """Cut off, or one to eight bytes replaced."""
    data = bytearray(data)
    if rng.rand() < 0.15:
        return bytes(data[: rng.randint(len(data))])
    first = 0 if rng.rand() < 0.5 else rng.randint(len(data))
    for _ in range(rng.randint(1, 9)):
        # Headers lie in front of what they are of.
        place = min(first + rng.randint(600), len(data) - 1)
        data[place] = rng.choice([0, 1, 255, rng.randint(256)])
    return bytes(data)


def changed_mat(arrays: dict, rng: np.random.RandomState) -> bytes:
    """One or two variables replaced, removed, or one number in them; or
    bytes overwritten."""
    arrays = dict(arrays)
    kind = rng.randint(3)
    for _ in range(kind):
        key = sorted(arrays)[rng.randint(len(arrays))]
        old = np.asarray(arrays[key])
        if rng.rand() < 0.15 and len(arrays) > 1:
            del arrays[key]
        elif rng.rand() < 0.3 and old.size and old.dtype.kind in 'uif':
            arrays[key] = old.astype(np.float64)
            arrays[key].flat[rng.randint(old.size)] = rng.choice(
                [np.nan, np.inf, 1e31, -1e39, 1e300, 2**40, -3]
            )
        else:
            arrays[key] = MAT_VALUES[rng.randint(len(MAT_VALUES))]
    file = io.BytesIO()
    savemat(file, arrays, do_compression=bool(rng.randint(2)))
    data = file.getvalue()
    return data if kind else overwritten(data, rng)


def outcome(
    read: Callable[[], Any], name: str, folder: str
) -> Tuple[str, str]:
    """What reading gave: ``'value'``, ``'line'``, or what is not allowed.

    Args:
        read: Reads the file and checks the values.
        name: File that a message has to name.
        folder: What it may name in its place where nothing is left of a
            whole split.

    Returns:
        tuple: The kind, and the error's message.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error', RuntimeWarning)
            read()
    except (ValueError, OSError) as error:
        text = str(error)
        if type(error) not in (ValueError, FileNotFoundError) and not (
            type(error).__name__ == 'DetectionFileError'
        ):
            return f'TRACEBACK {type(error).__name__}', text
        if name not in text and not (folder in text and 'split' in text):
            return 'WITHOUT THE FILE', text
        if '\n' in text or len(text) > 1500:
            return 'NOT ONE LINE', text
        return 'line', text
    except Exception as error:
        return f'TRACEBACK {type(error).__name__}', str(error)
    return 'value', ''
