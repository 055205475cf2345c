# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
from scipy.io import loadmat

from rpstn_mmpose.datasets.jhmdb_label import (
    make_jhmdb_label,
    parse_joint_positions,
    parse_puppet_mask,
)
from tests.real_data import require_case, require_real_data
from tests.test_datasets.jhmdb_files import (
    HEIGHT,
    WIDTH,
    mat_bytes,
    part_mask,
    positions,
)

SIZE = (WIDTH, HEIGHT)


def parse_positions(array):
    return parse_joint_positions(mat_bytes(pos_img=array), 'v/joints.mat')


def parse_mask(array):
    return parse_puppet_mask(mat_bytes(part_mask=array), 'v/mask.mat')


def test_positions_become_0_based_rows_of_frames():
    array = np.arange(60.0).reshape(2, 15, 2)
    got = parse_positions(array)
    assert got.shape == (2, 15, 2)
    # By hand: joint 3 in frame 1 is entry 3 * 2 + 1 of x, and 30 + that of y.
    assert got[1, 3].tolist() == [6, 36]
    assert got[0, 0].tolist() == [-1, 29]


def test_unsigned_positions_do_not_wrap():
    got = parse_positions(np.zeros((2, 15, 1), np.uint8))
    assert (got == -1).all()


def test_a_single_frame_has_lost_its_axis():
    assert parse_positions(np.ones((2, 15))).shape == (1, 15, 2)
    assert parse_mask(np.ones((6, 5), np.uint8)).shape == (1, 6, 5)


def test_real_file():
    path = require_real_data(
        'jhmdb/joint_positions/catch/Goal_Keeping_Tips_'
        'catch_f_cm_np1_fr_med_2/joint_positions.mat'
    )
    got = parse_joint_positions(path.read_bytes(), str(path))
    assert got.shape == (40, 15, 2)
    # pos_world is (pos_img - (160, 120)) / 108 in this file.
    world = loadmat(path)['pos_world'].transpose(2, 1, 0)
    np.testing.assert_allclose(got, world * 108 + [160, 120] - 1, atol=1e-9)
    # The goalkeeper faces the camera: sides are anatomical.
    assert (got[:, 4, 0] > got[:, 3, 0]).all()


def test_tight_boxes():
    label = make_jhmdb_label(
        parse_positions(positions(3)), SIZE, parse_mask(part_mask(3))
    )
    assert label.bbox.tolist() == [
        [10, 5, 60, 65],
        [11, 5, 60, 65],
        [12, 5, 60, 65],
    ]
    assert label.visible.all() and label.labeled.all() and not label.repairs


def test_mask_values_other_than_1_and_bool():
    for array in (
        part_mask(1) * 255,
        part_mask(1) > 0,
        part_mask(1).astype(float) * 0.5,
    ):
        assert parse_mask(array)[0, 5, 10] and not parse_mask(array)[0, 4, 10]


def test_boxes_of_joints():
    points = np.full((2, 15, 2), 40.0)
    points[0, :2] = (20, 30), (40, 70)
    # 40 high: 4 pixels more on each side, cut at the border (71).
    points[1, :2] = (-10, 30), (50, 40)
    label = make_jhmdb_label(points, SIZE)
    np.testing.assert_allclose(label.bbox, [[16, 26, 44, 71], [0, 24, 56, 46]])


def test_joints_outside_the_picture_are_labelled_but_not_visible():
    points = np.full((1, 15, 2), 30.0)
    points[0, :6] = [
        (-0.1, 30),
        (0, 0),
        (95, 71),
        (95.1, 30),
        (30, 71.5),
        (200, -40),
    ]
    label = make_jhmdb_label(points, SIZE)
    assert label.labeled.all()
    assert label.visible[0, :7].tolist() == [
        False,
        True,
        True,
        False,
        False,
        False,
        True,
    ]
    np.testing.assert_array_equal(label.keypoints, points.astype(np.float32))
    assert label.repairs == {'joints outside the picture': 4}


def test_nan_joints_are_unlabelled_and_finite():
    points = parse_positions(positions(2))
    points[0, 4, 0], points[0, 5, 1], points[1] = np.nan, np.inf, np.nan
    label = make_jhmdb_label(points, SIZE, parse_mask(part_mask(2)))
    assert label.labeled.sum(axis=1).tolist() == [13, 0]
    assert not (label.visible & ~label.labeled).any()
    # The centre of the frame's box.
    assert label.keypoints[0, 4:6].tolist() == [[35, 35], [35, 35]]
    assert label.keypoints[1, 0].tolist() == [35.5, 35]
    assert label.repairs == {
        'NaN joints': 17,
        'frames without visible joint': 1,
    }


def test_irregular_masks_are_counted_by_kind():
    points = np.full((5, 15, 2), 40.0)
    points[:, 0], points[:, 1] = (20, 30), (30, 60)  # 30 high: 3 more
    masks = parse_mask(part_mask(4))
    masks[1] = False
    masks[2] = False
    masks[2, 8, 9] = True
    label = make_jhmdb_label(points, SIZE, masks)
    of_joints = [17, 27, 43, 63]
    assert label.bbox.tolist() == [
        [10, 5, 60, 65],
        of_joints,
        of_joints,
        [13, 5, 60, 65],
        of_joints,
    ]
    assert label.repairs == {
        'masks missing': 1,
        'empty masks': 1,
        'masks under one pixel': 1,
    }
    label = make_jhmdb_label(points[:1], SIZE, masks)
    assert label.repairs == {'masks beyond the last frame': 3}
    assert len(label.bbox) == 1


def test_boxes_from_the_nearest_frame_else_the_whole_picture():
    nothing = np.full((4, 15, 2), np.nan)
    label = make_jhmdb_label(nothing, SIZE)
    assert label.bbox.tolist() == [[0, 0, 95, 71]] * 4
    assert label.repairs['frames without box of their own'] == 4
    nothing[3] = 500.0  # labelled, but not in the picture
    masks = np.zeros((4, HEIGHT, WIDTH), bool)
    masks[2, 5:66, 10:61] = True
    label = make_jhmdb_label(nothing, SIZE, masks)
    assert label.bbox.tolist() == [[10, 5, 60, 65]] * 4
    assert label.repairs['frames without box of their own'] == 3
    assert np.isfinite(label.keypoints).all()


@pytest.mark.parametrize(
    'array',
    [
        np.ones((2, 13, 4)),
        np.ones((15, 2, 4)),
        np.ones((2, 15, 0)),
        np.ones((3, 15, 4)),
        np.ones((2, 15, 4, 2)),
        np.ones(30),
    ],
)
def test_positions_of_another_shape(array):
    with pytest.raises(ValueError, match='pos_img must be 2 x 15') as error:
        parse_positions(array)
    assert str(error.value).startswith('v/joints.mat: ')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'array', [np.ones((4, 1, 3)), np.ones((4, 4, 3, 2)), np.ones((0, 0))]
)
def test_masks_of_another_shape(array):
    with pytest.raises(ValueError, match='part_mask must be height') as error:
        parse_mask(array)
    assert str(error.value).startswith('v/mask.mat: ')


def test_other_variables_and_kinds():
    with pytest.raises(ValueError, match="needs the variable 'pos_img'"):
        parse_joint_positions(mat_bytes(x=1), 'v/joints.mat')
    with pytest.raises(ValueError, match="needs the variable 'part_mask'"):
        parse_puppet_mask(mat_bytes(x=1), 'v/mask.mat')
    for array in (
        'text',
        np.array([['a', 1]], object),
        np.ones(3) * 1j,
        dict(a=1),
    ):
        with pytest.raises(
            ValueError, match='v/joints.mat: .* must hold real numbers'
        ):
            parse_positions(array)


@pytest.mark.parametrize('keep', [0, 50, 200, 400])
def test_cut_off_files(keep):
    data = mat_bytes(pos_img=positions(4), part_mask=part_mask(4))
    for parse in (parse_joint_positions, parse_puppet_mask):
        with pytest.raises(ValueError, match='^v/x.mat: .*again') as error:
            parse(data[:keep], 'v/x.mat')
        assert '\n' not in str(error.value)


def test_other_formats():
    for data in (
        b'\x89HDF\r\n\x1a\n' + bytes(600),
        b'PK\x03\x04' * 200,
        b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM' + bytes(400),
    ):
        with pytest.raises(ValueError, match='^v/x.mat: not a readable'):
            parse_joint_positions(data, 'v/x.mat')


@pytest.mark.parametrize('value', [1e31, -1e39, 1e300, 70000.0])
def test_numbers_that_are_no_places_are_unlabelled(value):
    array = positions(2)
    array[0, 4, 0], array[1, 5, 0] = value, value
    for masks in (parse_mask(part_mask(2)), None):
        label = make_jhmdb_label(parse_positions(array), SIZE, masks)
        assert label.repairs == {'NaN joints': 2}
        assert label.labeled.sum(axis=1).tolist() == [13, 15]
        centre = (label.bbox[0, :2] + label.bbox[0, 2:]) / 2
        np.testing.assert_allclose(
            label.keypoints[0, 4:6], [centre, centre], rtol=1e-6
        )
        assert label.size == SIZE


def test_the_case():
    """Bytes overwritten: cut into pieces that are no variables."""
    folder = require_case('penn_label_silent_and_tracebacks')
    path = folder / 'joint_positions.mat'
    try:
        points = parse_joint_positions(path.read_bytes(), str(path))
    except ValueError as error:
        assert str(error).startswith(f'{path}: ')
        assert '\n' not in str(error)
    else:
        label = make_jhmdb_label(points, (320, 240))
        assert np.isfinite(label.keypoints).all()
