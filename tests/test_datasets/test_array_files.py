# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Pickled dicts of arrays: all that is data is read, nothing is run."""

import io
import os
import pickle

import numpy as np
import pytest

from rpstn_mmpose.datasets.array_files import read_npz, read_pickle
from tests.real_data import require_real_data


def data():
    return {
        'S1': {
            'Walking 1': [
                np.arange(12, dtype=np.float32).reshape(2, 3, 2),
                np.asfortranarray(np.ones((2, 3), '>f8')),
            ],
            'text': np.array(['a', 'bcd']),
        },
        'numbers': (1, -2.5, True, None, 10**30, 'x', b'y'),
        'one': np.float32(3.5),
        'none': np.zeros((0, 3)),
    }


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for a, b in zip(found, expected):
            assert_same(a, b)
    elif isinstance(expected, np.ndarray):
        # NumPy may turn the bytes to the machine's order.
        assert found.dtype.str[1:] == expected.dtype.str[1:]
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_data_comes_back(protocol, tmp_path):
    path = tmp_path / 'score.pkl'
    path.write_bytes(pickle.dumps(data(), protocol))
    assert_same(read_pickle(str(path)), data())


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_npz(save, tmp_path):
    path = tmp_path / 'a.npz'
    save(path, positions=data(), plain=np.arange(3), metadata={'n': 17})
    found = read_npz(str(path))
    assert_same(found['positions'], data())
    assert_same(found['plain'], np.arange(3))
    assert found['metadata'] == {'n': 17}


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize('protocol', [2, 4])
def test_nothing_is_run(protocol, tmp_path):
    path, made = str(tmp_path / 'a.npz'), str(tmp_path / 'made')
    np.savez(path, positions_3d={'S1': Evil(made)}, fine=np.ones(2))
    with pytest.raises(ValueError, match=r'a.npz asks for (posix|nt).mkdir'):
        read_npz(path)
    path = str(tmp_path / 'a.pkl')
    with open(path, 'wb') as file:
        pickle.dump([Evil(made)], file, protocol)
    with pytest.raises(ValueError, match='which no file of arrays needs'):
        read_pickle(path)
    assert not os.path.exists(made)


def test_flags_cannot_make_addresses_of_numbers(tmp_path):
    """A dtype of floats that says that it holds objects would make NumPy
    follow them."""
    path = tmp_path / 'a.pkl'
    content = pickle.dumps({'x': np.array([1.0])}, 2)
    # The end of the state of float64's dtype: -1, -1, 0.
    end = b'J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t'
    assert content.count(end) == 1
    path.write_bytes(content.replace(end, end[:-2] + b'\x3ft'))
    with pytest.raises(ValueError, match='asks for a state of'):
        read_pickle(str(path))


def test_an_array_is_as_long_as_its_bytes(tmp_path):
    path = tmp_path / 'a.pkl'
    content = pickle.dumps({'x': np.zeros(100)}, 2)
    assert content.count(b'Kd\x85') == 1  # the shape
    path.write_bytes(content.replace(b'Kd\x85', b'Ke\x85'))
    with pytest.raises(ValueError, match='a state of ndarray'):
        read_pickle(str(path))


@pytest.mark.parametrize('part', [0.0, 0.3, 0.95])
def test_cut_off(part, tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, positions_3d=data())
    path = tmp_path / 'a.npz'
    path.write_bytes(buffer.getvalue()[: int(part * buffer.tell())])
    with pytest.raises(ValueError, match='a.npz is no whole .npz file'):
        read_npz(str(path))
    content = pickle.dumps(data(), 4)
    path = tmp_path / 'a.pkl'
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match='a.pkl is no whole file of arrays'):
        read_pickle(str(path))


def test_no_such_file(tmp_path):
    for read in (read_npz, read_pickle):
        with pytest.raises(FileNotFoundError, match='no such file'):
            read(str(tmp_path / 'none'))


def test_real_file():
    """HumanEva as VideoPose3D prepares it: NumPy's reader agrees."""
    path = str(require_real_data('humaneva/data_3d_humaneva15.npz'))
    with np.load(path, allow_pickle=True) as file:
        expected = file['positions_3d'].item()
    assert_same(read_npz(path)['positions_3d'], expected)
