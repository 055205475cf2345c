# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import numpy as np
import pytest

from rpstn_mmpose.datasets.label_fields import (
    field,
    file_name_of,
    is_place,
    list_field,
    numbers,
    object_list,
    picture_size,
    read_json,
    shown,
    whole_number,
)


def deep(levels):
    value = 7
    for _ in range(levels):
        value = [value]
    return value


def test_places():
    values = [0, -65535, 65535, 65536, -7e4, 1e31, 1e39, np.inf, np.nan]
    assert is_place(np.array(values)).tolist() == [True] * 3 + [False] * 6


@pytest.mark.parametrize(
    'value, number',
    [
        (7, 7),
        (0, 0),
        (-3, -3),
        (7.0, 7),
        ('12', 12),
        (10000010005, 10000010005),
        (2**53 - 1, 2**53 - 1),
        (True, 1),
    ],
)
def test_whole_numbers(value, number):
    assert whole_number(value, "'id'", 'p') == number


@pytest.mark.parametrize(
    'value',
    [
        7.5,
        '7.5',
        'abc',
        '',
        None,
        [1],
        {},
        float('nan'),
        float('inf'),
        2**53,
        1e300,
        10**400,
        '9' * 5000,
        deep(500),
    ],
)
def test_no_whole_numbers(value):
    with pytest.raises(
        ValueError, match="^p: 'id' must be a whole number, but is "
    ) as error:
        whole_number(value, "'id'", 'p')
    assert len(str(error.value)) < 250 and '\n' not in str(error.value)


def test_lists_of_numbers():
    got = numbers([1, 2.5, None, float('inf'), 10**300], 'bbox', 'p')
    np.testing.assert_array_equal(got, [1, 2.5, np.nan, np.inf, 1e300])
    assert got.dtype == np.float64 and numbers([], 'bbox', 'p').shape == (0,)


@pytest.mark.parametrize(
    'value',
    [
        5,
        'abc',
        None,
        {},
        [[1], [2]],
        [1, [2]],
        ['a'],
        [{}],
        [10**400],
        deep(40),
        deep(900),
    ],
)
def test_no_lists_of_numbers(value):
    with pytest.raises(ValueError, match='^p: bbox must be a list of numb'):
        numbers(value, 'bbox', 'p')


@pytest.mark.parametrize(
    'name, expected',
    [
        ('a/000001.jpg', 'a/000001.jpg'),
        (r'images\val\a b\000001.jpg', 'images/val/a b/000001.jpg'),
        (r'images\val/a\1.jpg', 'images/val/a/1.jpg'),
        ('\\\\server\\x\\1.jpg', '//server/x/1.jpg'),
        ('é/1.jpg', 'é/1.jpg'),
    ],
)
def test_file_names(name, expected):
    assert file_name_of(dict(file_name=name), 'p') == expected


@pytest.mark.parametrize('name', [5, '', ['a'], 'a\0b', 'a\nb', '\ud800', {}])
def test_no_file_names(name):
    with pytest.raises(ValueError, match="^p: 'file_name' of an image must "):
        file_name_of(dict(file_name=name), 'p')


def test_picture_sizes():
    for image, size in (
        (dict(width=96, height=72), (96, 72)),
        (dict(width='96', height=72.0), (96, 72)),
        (dict(width=96), None),
        (dict(height=None), None),
    ):
        assert picture_size(image, 'image 1', 'p') == size
    for width in (0, 1, -96, 65536, 1e9):
        with pytest.raises(ValueError, match='^p: image 1 cannot be .*x72'):
            picture_size(dict(width=width, height=72), 'image 1', 'p')
    with pytest.raises(ValueError, match="^p: 'width' of image 1 must be a"):
        picture_size(dict(width='wide', height=72), 'image 1', 'p')


def test_fields_and_lists():
    assert field(dict(a=0), 'a', 'it', 'p') == 0
    for item in ({}, dict(a=None), 5, None, 'a', ['a']):
        with pytest.raises(ValueError, match="^p: it has no 'a'; "):
            field(item, 'a', 'it', 'p')
    assert list_field(dict(a=[1]), 'a', 'it', 'p') == [1]
    assert list_field({}, 'a', 'it', 'p') == []
    assert list_field(dict(a=None), 'a', 'it', 'p') == []
    for value in (0, False, '', {}, 'abc', 5):
        with pytest.raises(ValueError, match="^p: 'a' of it must be a list"):
            list_field(dict(a=value), 'a', 'it', 'p')
    assert object_list(dict(a=[{}, {}]), 'a', 'p') == [{}, {}]
    with pytest.raises(ValueError, match="^p: entry 1 of 'a' must be an obj"):
        object_list(dict(a=[{}, 5]), 'a', 'p')


def test_json():
    assert read_json(json.dumps([1, dict(a=2)]).encode(), 'p') == [1, {'a': 2}]
    assert read_json(b'\xef\xbb\xbf[1]', 'p') == [1]  # a Windows editor's
    for data in (
        b'',
        b'[1',
        b'\xff\xfe\x00',
        b'[' * 100000,
        b'{"a":' * 100000,
    ):
        with pytest.raises(ValueError, match='^p: ') as error:
            read_json(data, 'p')
        assert '\n' not in str(error.value)


def test_messages_stay_short():
    for value in (
        'x' * 10**6,
        list(range(10**5)),
        deep(900),
        {i: 'y' * 999 for i in range(99)},
        np.zeros((99, 99)),
    ):
        text = shown(value)
        assert len(text) <= 120 and '\n' not in text
