# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Pickles by hand, and torch's two containers around them."""

import pickle
import struct
import zipfile

import torch

HISTORY = 'mmengine.logging.history_buffer HistoryBuffer'
RECONSTRUCT = 'numpy.core.multiarray _reconstruct'
SCALAR = 'numpy.core.multiarray scalar'


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *args) -> None:
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def named(name):
    """GLOBAL; ``name`` is ``'module name'``."""
    return b'c' + name.replace(' ', '\n').encode() + b'\n'


def put(value):
    """Operations that put a plain value on the stack (protocol 2)."""
    if isinstance(value, bytes):  # operations already
        return value
    if isinstance(value, tuple):
        return b'(' + b''.join(map(put, value)) + b't'
    return pickle.dumps(value, 2)[2:-1].replace(b'q\x00', b'')


def call(function, *args):
    """REDUCE; ``function`` as in :func:`named`, or operations."""
    if isinstance(function, str):
        function = named(function)
    return function + put(args) + b'R'


def history(values=(3.0, 1.0)):
    """NEWOBJ and BUILD of a HistoryBuffer."""
    raw = struct.pack(f'<{len(values)}d', *values)
    numbers = call(RECONSTRUCT, named('numpy ndarray'), (0,), as_bytes(b'b'))
    kind = call('numpy dtype', 'f8', False, True)
    numbers += put((1, (len(values),), kind, False, as_bytes(raw))) + b'b'
    state = (
        b'}('
        + b''.join(
            [
                put('_log_history'),
                numbers,
                put('_count_history'),
                numbers,
                put('max_length'),
                put(9),
            ]
        )
        + b'u'
    )
    return named(HISTORY) + b')\x81' + state + b'b'


def as_bytes(content):
    """How protocol 2 writes bytes."""
    return call('_codecs encode', content.decode('latin-1'), 'latin1')


def whole(operations):
    """A complete pickle of protocol 2."""
    return b'\x80\x02' + operations + b'.'


def write_legacy(path, operations, keys=(), numbers=b''):
    """The format before torch 1.6, whose fourth pickle is the content."""
    head = (
        torch.serialization.MAGIC_NUMBER,
        torch.serialization.PROTOCOL_VERSION,
        dict(little_endian=True),
    )
    path.write_bytes(
        b''.join(pickle.dumps(item, 2) for item in head)
        + whole(operations)
        + pickle.dumps(list(keys), 2)
        + numbers
    )
    return path


def write_zip(path, operations, entries=(), compression=zipfile.ZIP_STORED):
    """The format since torch 1.6."""
    with zipfile.ZipFile(path, 'w', compression) as archive:
        archive.writestr('archive/data.pkl', whole(operations))
        archive.writestr('archive/byteorder', 'little')
        for key, content in dict(entries).items():
            archive.writestr(f'archive/data/{key}', content)
        archive.writestr('archive/version', '3\n')
    return path


def tensor(
    numel=2,
    size=(2,),
    stride=(1,),
    offset=0,
    key='0',
    storage='torch FloatStorage',
    hooks=None,
):
    """A call of _rebuild_tensor_v2."""
    pid = put(('storage', named(storage), key, 'cpu', numel)) + b'Q'
    if hooks is None:
        hooks = call('collections OrderedDict')
    return call(
        'torch._utils _rebuild_tensor_v2',
        pid,
        offset,
        size,
        stride,
        False,
        hooks,
    )


def entry(value, name='a'):
    """A dict of one item."""
    return b'}' + put(name) + value + b's'
