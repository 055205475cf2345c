# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""MATLAB files against scipy's reader, and damaged ones by hand."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from rpstn_mmpose.datasets.mat_file import read_arrays
from tests.real_data import require_real_data

NUMBERS = struct.pack('<2d', 3, 4)
KINDS = ('i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'i8', 'u8', 'f4', 'f8', '?')


def saved(compressed=False, **variables):
    file = io.BytesIO()
    savemat(file, variables, do_compression=compressed)
    return file.getvalue()


def read(data, *names, **kwargs):
    return read_arrays(data, 'v/x.mat', 'a toy file', names or ['x'], **kwargs)


def element(kind, content, order='<'):
    """Tag, content and padding."""
    tag = struct.pack(f'{order}II', kind, len(content))
    return tag + content + bytes(-len(content) % 8)


def matrix(
    name=b'x', shape=(1, 2), flags=6, kind=9, order='<', numbers=NUMBERS
):
    """A variable; class 6 are doubles, the kind 9 is 64-bit floats."""
    shape = struct.pack(f'{order}{len(shape)}i', *shape)
    return element(
        14,
        element(6, struct.pack(f'{order}II', flags, 0), order)
        + element(5, shape, order)
        + element(1, name, order)
        + element(kind, numbers, order),
        order,
    )


def file_of(*elements, order='<'):
    mark = dict([('<', b'IM'), ('>', b'MI')])[order]
    version = struct.pack(f'{order}H', 0x100)
    return b'MATLAB 5.0'.ljust(124) + version + mark + b''.join(elements)


@pytest.mark.parametrize('compressed', [False, True])
def test_values_are_scipys(compressed):
    rng = np.random.RandomState(0)
    arrays = {
        f'a{kind.strip("?")}': (rng.rand(3, 4, 2) * 100).astype(kind)
        for kind in KINDS
    }
    # Four bytes and less are stored within their tags.
    arrays.update(
        tiny=np.uint8([[1, 2]]),
        one=np.array([[7.5]]),
        none=np.zeros((0, 0)),
        flat=np.zeros((3, 0)),
        a_name_of_many_letters=np.ones((1, 3)),
    )
    data = saved(
        compressed,
        text='abc',
        cells=np.array([[1, 'a']], object),
        struct=dict(a=1),
        **arrays,
    )
    expected = loadmat(io.BytesIO(data))
    got = read(data, *arrays)
    assert sorted(got) == sorted(arrays)
    for name, array in got.items():
        assert array.size == expected[name].size
        if array.size:
            np.testing.assert_array_equal(array, expected[name])
            assert array.dtype == expected[name].dtype


def test_by_hand():
    for order in '<>':
        data = file_of(
            matrix(order=order, numbers=struct.pack(f'{order}2d', 3, 4)),
            order=order,
        )
        assert read(data)['x'].tolist() == [[3, 4]]
    # Columns first, and the next variable.
    data = file_of(
        matrix(b'y'),
        matrix(shape=(2, 2), kind=1, numbers=bytes([1, 2, 3, 254])),
    )
    got = read(data, 'x', optional=['y', 'z'])
    assert got['x'].tolist() == [[1, 3], [2, -2]]
    assert got['y'].tolist() == [[3, 4]] and 'z' not in got


def test_compressed_without_its_end():
    """Two labels of Penn Action end so, with all of their numbers."""
    packed = zlib.compress(matrix())
    for cut in (0, 4):
        content = packed[: len(packed) - cut]
        tag = struct.pack('<II', 15, len(content))
        assert read(file_of(tag + content))['x'].tolist() == [[3, 4]]
    with pytest.raises(ValueError, match='^v/x.mat: not a readable MATLAB'):
        content = packed[: len(packed) // 2]
        read(file_of(struct.pack('<II', 15, len(content)) + content))


@pytest.mark.parametrize(
    'broken, message',
    [
        (matrix() + matrix(), "the variable 'x' is there twice"),
        (matrix(flags=1), 'x must hold real numbers, but is a cell'),
        (matrix(flags=2), 'but is a struct'),
        (matrix(flags=3), 'but is a class object'),
        (matrix(flags=4), 'but is a text'),
        (matrix(flags=5), 'but is a sparse matrix'),
        (matrix(flags=6 | 0x800), 'but is a complex array'),
        (matrix(flags=77), 'but is a variable of no known class'),
        # scipy 1.17 dies on kinds that the format keeps free.
        (matrix(kind=0), 'x holds no numbers'),
        (matrix(kind=8), 'x holds no numbers'),
        (matrix(kind=10), 'x holds no numbers'),
        (matrix(kind=14), 'x holds no numbers'),
        (
            matrix(shape=(1, 3)),
            'says that it has 1 x 3 numbers, but has 16 byt',
        ),
        (
            matrix(shape=(1, 1)),
            'says that it has 1 x 1 numbers, but has 16 byt',
        ),
        (matrix(shape=(2**31 - 1, 2**31 - 1)), '2147483647 x 2147483647'),
        (matrix(shape=(-1, -2)), '-1 x -2 numbers'),
        (matrix(shape=(2,)), 'a variable has no shape'),
        (matrix(shape=(1,) * 33), 'a variable has no shape'),
        (element(9, bytes(16)), 'an element of the kind 9 is no variable'),
        (element(14, b''), 'it is cut off'),
        (element(14, element(5, bytes(8))), 'a variable has no class'),
        (struct.pack('<I', 9 << 16 | 1), 'it is cut off'),
        (
            struct.pack('<II', 9 << 16 | 1, 0),
            'an element has an impossible size',
        ),
        (struct.pack('<II', 15, 3) + b'abc', 'Error -3'),
        (
            struct.pack('<II', 15, 8) + zlib.compress(b''),
            'a variable is empty',
        ),
        (matrix(b'y'), "a toy file needs the variable 'x', which this file"),
        (b'', "a toy file needs the variable 'x'"),
    ],
)
def test_damaged(broken, message):
    with pytest.raises(ValueError, match=message) as error:
        read(file_of(broken))
    text = str(error.value)
    assert text.startswith('v/x.mat: ') and '\n' not in text
    assert text.endswith('download or write it again')


def test_every_cut_and_every_byte():
    """Whatever becomes of a file: its numbers, or one line."""
    good = saved(x=np.arange(6.0).reshape(2, 3))
    for size in range(len(good)):
        with pytest.raises(ValueError, match='^v/x.mat: '):
            read(good[:size])
    for place in range(124, len(good)):
        for value in (0, 1, 5, 9, 15, 255):
            data = bytearray(good)
            data[place] = value
            try:
                assert read(bytes(data))['x'].dtype.kind in 'iuf'
            except ValueError as error:
                assert str(error).startswith('v/x.mat: ')


def test_other_files():
    for data in (
        b'',
        bytes(128),
        b'\x89HDF\r\n\x1a\n' + bytes(600),
        b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM',
        saved(x=1)[:127],
    ):
        with pytest.raises(ValueError, match='does not begin as one.*-v7'):
            read(data)


def test_a_claim_takes_no_memory():
    """A head of 2 GB of doubles on 60 bytes: nothing is made of it."""
    data = file_of(
        matrix(shape=(2**14, 2**14)),
        matrix(b'c', flags=1, shape=(2**15, 2**15)),
    )
    tracemalloc.start()
    with pytest.raises(ValueError, match='16384 x 16384'):
        read(data)
    with pytest.raises(ValueError, match='c must hold real numbers'):
        read(data, 'c')
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_real_files(real_penn_root):
    """All labels of Penn Action and a video of JHMDB are scipy's arrays."""
    names = ('x', 'y', 'visibility', 'bbox', 'train', 'dimensions', 'nframes')
    paths = sorted(real_penn_root.glob('labels/*.mat'))
    assert len(paths) == 2326
    files = [(path, names) for path in paths]
    folder = require_real_data('jhmdb/joint_positions')
    files += [(path, ('pos_img',)) for path in folder.rglob('*.mat')]
    for path, names in files:
        data = path.read_bytes()
        got, expected = read(data, *names), loadmat(io.BytesIO(data))
        for name in names:
            np.testing.assert_array_equal(got[name], expected[name])
            assert got[name].dtype == expected[name].dtype
