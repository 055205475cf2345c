# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import io

import numpy as np
import pytest
from scipy.io import savemat

from rpstn_mmpose.datasets.penn_action_label import (
    mend_boxes,
    parse_penn_label,
)
from tests.real_data import require_case
from tests.test_datasets.penn_files import HEIGHT, WIDTH, label_arrays


def parse(arrays):
    file = io.BytesIO()
    savemat(file, arrays)
    return parse_penn_label(file.getvalue(), 'labels/0042.mat')


def test_regular_label_becomes_0_based():
    arrays = label_arrays(3)
    label = parse(arrays)
    np.testing.assert_allclose(
        label.keypoints[..., 0], arrays['x'] - 1, rtol=1e-6
    )
    np.testing.assert_allclose(
        label.keypoints[..., 1], arrays['y'] - 1, rtol=1e-6
    )
    np.testing.assert_allclose(label.bbox, arrays['bbox'] - 1, rtol=1e-6)
    assert label.visible.all() and label.labeled.all() and label.train
    assert not label.repairs
    assert not parse(label_arrays(3, train=-1)).train


def test_unsigned_zeros_do_not_wrap():
    arrays = label_arrays(1)
    arrays['x'] = np.full((1, 13), 40, np.uint8)
    arrays['x'][0, 3] = 0
    arrays['y'] = np.full((1, 13), 30, np.uint16)
    arrays['bbox'] = np.array([[0, 0, 50, 60]], np.uint8)
    label = parse(arrays)
    assert label.keypoints[0, 3].tolist() == [-1, 29]
    assert label.bbox.tolist() == [[0, 0, 49, 59]]


def test_occluded_joints_keep_and_placeholders_lose_their_coordinates():
    arrays = label_arrays(1)
    arrays['bbox'] = np.array([[11.0, 21, 51, 61]])  # 0-based centre 30, 40
    arrays['visibility'][0, :5] = 0
    for joint, (x, y) in enumerate(
        [(1, 1), (0, 0), (0.75, 0.75), (1.5, 1.5), (40, 44)]
    ):
        arrays['x'][0, joint], arrays['y'][0, joint] = x, y
    label = parse(arrays)
    assert label.labeled[0].tolist() == [False] * 4 + [True] * 9
    assert label.visible[0].tolist() == [False] * 5 + [True] * 8
    assert label.keypoints[0, :5].tolist() == [[30, 40]] * 4 + [[39, 43]]
    assert label.repairs == {'placeholder joints': 4}


def test_nan_joints_are_unlabelled_and_finite():
    arrays = label_arrays(2)
    arrays['bbox'][1] = (11, 21, 51, 61)
    arrays['x'][1, 4] = np.nan
    arrays['y'][1, 5] = np.inf
    label = parse(arrays)
    assert not label.labeled[1, 4:6].any() and not label.visible[1, 4:6].any()
    assert label.keypoints[1, 4:6].tolist() == [[30, 40], [30, 40]]
    assert label.repairs == {'NaN joints': 2}


def test_boxes_from_joints():
    # Joints span 10..30 and 20..60; a fifth of 40 is added on each side.
    points = np.array([[[10.0, 20], [30, 60], [90, 90]]])
    labeled = np.array([[True, True, False]])
    box = mend_boxes(np.array([[5.0, 5, 5, 70]]), points, labeled, 100, 80)
    assert box.tolist() == [[2, 12, 38, 68]]
    box = mend_boxes(np.full((1, 4), np.nan), points, labeled, 35, 65)
    assert box.tolist() == [[2, 12, 34, 64]]


def test_boxes_from_the_nearest_frame_else_the_whole_picture():
    none = np.zeros((5, 1), bool)
    points = np.zeros((5, 1, 2))
    boxes = np.full((5, 4), np.nan)
    whole = mend_boxes(boxes, points, none, 100, 80)
    assert whole.tolist() == [[0, 0, 99, 79]] * 5
    boxes[1], boxes[4] = (10, 10, 20, 20), (40, 40, 50, 50)
    near = mend_boxes(boxes, points, none, 100, 80)
    assert near[:, 0].tolist() == [10, 10, 10, 40, 40]
    # One labelled joint spans nothing: not enough to make a box from.
    near = mend_boxes(boxes, points, np.ones((5, 1), bool), 100, 80)
    assert near[:, 0].tolist() == [10, 10, 10, 40, 40]


def test_irregular_boxes_are_counted_by_kind():
    arrays = label_arrays(6)
    boxes = arrays['bbox']
    boxes[0] = (20, 20, 20, 40)  # no width
    boxes[1] = (-5, 10, WIDTH + 9, 50)  # clipped: 0 9 95 49
    boxes[2] = (WIDTH + 3, 10, WIDTH + 9, 50)  # nothing left in the picture
    boxes[3] = np.nan
    arrays['bbox'] = boxes[:5]
    label = parse(arrays)
    assert label.repairs == {
        'boxes missing': 1,
        'boxes not finite': 1,
        'zero-area boxes': 1,
        'boxes clipped to the picture': 2,
        'boxes under one pixel in the picture': 1,
    }
    assert label.bbox[1].tolist() == [0, 9, 95, 49]
    sides = label.bbox[:, 2:] - label.bbox[:, :2]
    assert label.bbox.shape == (6, 4) and (sides >= 1).all()
    assert (label.bbox >= 0).all()
    assert (label.bbox <= [WIDTH - 1, HEIGHT - 1] * 2).all()


def test_too_many_boxes_and_none_at_all():
    arrays = label_arrays(3)
    arrays['bbox'] = np.concatenate([arrays['bbox'], arrays['bbox']])
    label = parse(arrays)
    assert label.repairs == {'boxes beyond the last frame': 3}
    assert len(label.bbox) == 3
    arrays['bbox'] = np.zeros((0, 0))
    label = parse(arrays)
    assert label.repairs == {'boxes missing': 3}
    assert (label.bbox[:, 2:] > label.bbox[:, :2]).all()


def test_counted_but_kept():
    arrays = label_arrays(2)
    arrays['visibility'][1] = 0
    arrays['x'][0, 2] = WIDTH + 10
    label = parse(arrays)
    assert label.repairs == {
        'frames without visible joint': 1,
        'visible joints outside the picture': 1,
    }
    assert label.visible[0, 2] and label.keypoints[0, 2, 0] == WIDTH + 9


def _drop(key):

    def change(arrays):
        arrays.pop(key)

    return change


def _set(key, value):

    def change(arrays):
        arrays[key] = value

    return change


@pytest.mark.parametrize(
    'change, message',
    [
        (_drop('visibility'), "needs the variable 'visibility'"),
        (_set('x', np.ones((4, 15))), r'must all be n x 13'),
        (_set('y', np.ones((3, 13))), r"'y': \(3, 13\)"),
        (_set('x', np.ones((0, 13))), r'must all be n x 13'),
        (_set('bbox', np.ones((4, 5))), 'bbox must be n x 4'),
        (
            _set('nframes', np.array([[9]])),
            'nframes says .9. frames, .* 4 rows',
        ),
        (_set('train', np.array([[0]])), 'train must be 1 or -1'),
        (_set('dimensions', np.array([[72]])), 'dimensions must be height'),
    ],
)
def test_what_cannot_be_mended_names_the_file(change, message):
    arrays = label_arrays(4)
    change(arrays)
    with pytest.raises(ValueError, match=message) as error:
        parse(arrays)
    text = str(error.value)
    assert text.startswith('labels/0042.mat: ') and '\n' not in text


@pytest.mark.parametrize('keep', [0, 50, 400])
def test_cut_off_label(keep):
    file = io.BytesIO()
    savemat(file, label_arrays(4))
    with pytest.raises(ValueError, match='labels/0042.mat: .*') as error:
        parse_penn_label(file.getvalue()[:keep], 'labels/0042.mat')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('value', [1e31, -1e39, 1e300, 70000.0, -65536.0])
def test_numbers_that_are_no_places_are_unlabelled(value):
    """Finite, but not in float32, or in no picture."""
    arrays = label_arrays(2)
    arrays['bbox'][1] = (11, 21, 51, 61)
    arrays['x'][1, 4] = value
    arrays['y'][1, 5] = value
    arrays['bbox'][0, 2] = value
    label = parse(arrays)
    assert label.repairs == {'NaN joints': 2, 'boxes not finite': 1}
    assert not label.labeled[1, 4:6].any() and not label.visible[1, 4:6].any()
    assert label.keypoints[1, 4:6].tolist() == [[30, 40], [30, 40]]
    # A fifth of the joints' longer side around them, inside the picture.
    points = np.stack([arrays['x'][0], arrays['y'][0]], axis=-1) - 1
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.2 * (high - low).max()
    np.testing.assert_allclose(
        label.bbox[0],
        np.clip(
            [*(low - margin), *(high + margin)], 0, [WIDTH - 1, HEIGHT - 1] * 2
        ),
        rtol=1e-6,
    )


def test_far_joints_are_kept():
    """65,535 pixels away is a place still, as in the reader's promise."""
    arrays = label_arrays(1)
    arrays['x'][0, 2] = 65535
    label = parse(arrays)
    assert label.keypoints[0, 2, 0] == 65534
    assert label.repairs == {'visible joints outside the picture': 1}


@pytest.mark.parametrize(
    'key, value, message',
    [
        (
            'dimensions',
            [HEIGHT, WIDTH, 5],
            'dimensions says .5. frames, .* 4 ro',
        ),
        (
            'dimensions',
            [HEIGHT, WIDTH, 3],
            'dimensions says .3. frames, .* 4 ro',
        ),
        ('nframes', 3.0, 'nframes says .3.0. frames, .* 4 rows'),
        ('nframes', np.inf, 'nframes says .inf. frames'),
        ('nframes', [4, 4], 'nframes says .4, 4. frames'),
        ('nframes', np.zeros((0, 0)), 'nframes says .. frames'),
        (
            'nframes',
            dict(a=4),
            'nframes must hold real numbers, but is a struct',
        ),
        ('x', 'text', 'x must hold real numbers, but is a text'),
        ('bbox', np.array([[1, 'a']], object), 'bbox must hold .* is a cell'),
        ('dimensions', [np.nan, WIDTH, 4], 'dimensions must be height'),
        ('dimensions', [1e300, WIDTH, 4], 'dimensions must be height'),
        ('dimensions', [72.5, WIDTH, 4], 'dimensions must be height'),
        ('dimensions', [1, WIDTH, 4], 'dimensions must be height'),
        ('y', np.ones((4, 13, 2)), r"'y': \(4, 13, 2\)"),
        ('train', [1, 1], r'train must be 1 or -1, but got \[1, 1\]'),
        ('train', np.nan, 'train must be 1 or -1'),
    ],
)
def test_fields_of_another_kind(key, value, message):
    arrays = label_arrays(4)
    if not isinstance(value, (dict, str)) and np.ndim(value) < 2:
        value = np.atleast_2d(value)
    arrays[key] = value
    with pytest.raises(ValueError, match=message) as error:
        parse(arrays)
    text = str(error.value)
    assert text.startswith('labels/0042.mat: ') and '\n' not in text


def test_what_need_not_be_there():
    """Files without nframes, with two dimensions, with an empty bbox."""
    arrays = label_arrays(3)
    del arrays['nframes'], arrays['action'], arrays['pose']
    arrays['dimensions'] = np.array([[HEIGHT, WIDTH]])
    arrays['bbox'] = np.zeros((3, 0))
    label = parse(arrays)
    assert label.size == (WIDTH, HEIGHT) and len(label.bbox) == 3
    assert label.repairs == {'boxes missing': 3}


@pytest.mark.parametrize(
    'name, expected',
    [
        ('0001', {'NaN joints': 1}),
        ('0002', 'nframes must hold real numbers, but is a struct'),
        ('0003', 'nframes says .inf. frames'),
        ('0004', 'dimensions must hold real numbers, but is a cell'),
    ],
)
def test_the_case(name, expected):
    path = require_case('penn_label_silent_and_tracebacks') / f'{name}.mat'
    if isinstance(expected, dict):
        label = parse_penn_label(path.read_bytes(), str(path))
        assert label.repairs.items() >= expected.items()
        assert np.isfinite(label.keypoints).all()
        assert np.abs(label.keypoints).max() < 1000
    else:
        with pytest.raises(ValueError, match=f'^{path}: {expected}'):
            parse_penn_label(path.read_bytes(), str(path))
