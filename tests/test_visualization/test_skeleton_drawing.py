# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.visualization import draw_pose
from rpstn_mmpose.visualization.skeleton_drawing import (
    WRONG,
    draw_segment,
    line_thickness,
)

# A chain of three joints; colours are RGB.
META = dict(
    keypoint_colors=np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250]]),
    skeleton_links=[(0, 1), (1, 2)],
    skeleton_link_colors=np.array([[200, 100, 0], [0, 100, 200]]),
)
POINTS = np.array([[30.0, 50.0], [100.0, 50.0], [170.0, 50.0]])
GREY = np.full((100, 200, 3), 128, np.uint8)


def pixel(image, x, y):
    return image[y, x].tolist()


def test_visible_joints_are_filled_in_their_colours():
    image = draw_pose(GREY, POINTS, META, thickness=3)
    assert pixel(image, 30, 50) == [0, 0, 250]  # red in BGR
    assert pixel(image, 100, 50) == [0, 250, 0]
    assert pixel(image, 170, 50) == [250, 0, 0]
    # links between them, and nothing elsewhere
    assert pixel(image, 65, 50) == [0, 100, 200]
    assert pixel(image, 135, 50) == [200, 100, 0]
    changed = np.flatnonzero((image != GREY).any(axis=(1, 2)))
    # radius 4, outline 1
    assert 44 <= changed.min() < 50 < changed.max() <= 56
    assert (GREY == 128).all()


def test_occluded_joints_are_hollow_and_their_links_dashed():
    image = draw_pose(GREY, POINTS, META, visible=[1, 0, 1], thickness=2)
    assert pixel(image, 100, 50) == [128] * 3
    # radius 3, ring 1.4 times as large
    ring = image[50, 102:107].astype(int)
    assert ([0, 250, 0] == ring).all(axis=1).any()
    for start in (36, 108):
        line = image[50, start : start + 56].astype(int)
        gaps = (line == 128).all(axis=1)
        assert 0.25 < gaps.mean() < 0.75
    solid = draw_pose(GREY, POINTS, META, thickness=2)[50, 36:92]
    assert not (solid == 128).all(axis=1).any()


def test_shown_selects_joints_and_their_links():
    image = draw_pose(GREY, POINTS, META, shown=[1, 1, 0], thickness=3)
    assert pixel(image, 65, 50) == [0, 100, 200]
    assert (image[:, 110:] == 128).all()


def test_wrong_joints_get_a_red_ring():
    wrong = draw_pose(GREY, POINTS, META, wrong=[0, 0, 1], thickness=2)
    right = draw_pose(GREY, POINTS, META, thickness=2)
    # radius 3, ring 2.4 times as large
    assert pixel(wrong, 177, 50) == list(WRONG)
    assert pixel(wrong, 170, 57) == list(WRONG)
    assert pixel(right, 177, 50) == [128] * 3
    assert (wrong[:, :150] == right[:, :150]).all()


@pytest.mark.parametrize(
    'bad',
    [
        (np.nan, 50.0),
        (50.0, np.nan),
        (np.inf, 0.0),
        (-np.inf, 3.0),
        (1e9, 1e9),
    ],
)
def test_a_joint_that_is_nowhere_is_left_out(bad):
    points = POINTS.copy()
    points[2] = bad
    image = draw_pose(GREY, points, META, visible=[1, 1, 0], wrong=[1, 1, 1])
    expected = draw_pose(GREY, points, META, shown=[1, 1, 0], wrong=[1, 1, 0])
    assert (image == expected).all()
    assert pixel(image, 100, 50) == [0, 250, 0]


def test_a_joint_outside_is_cut_off():
    points = np.array([[30.0, 50.0], [100.0, 50.0], [400.0, 50.0]])
    image = draw_pose(GREY, points, META, wrong=[0, 0, 1], thickness=3)
    assert pixel(image, 199, 50) == [200, 100, 0]


def test_coinciding_joints():
    points = np.full((3, 2), 50.0)
    image = draw_pose(GREY, points, META, visible=[0, 0, 0])
    assert pixel(image, 50, 50) != [0, 0, 0]
    assert (image != GREY).any()


@pytest.mark.parametrize('shift', [0, 0.25, 0.5, 0.75])
def test_subpixel_positions(shift):
    """The centre of mass of a disc follows its joint."""
    points = POINTS + [shift, shift]
    image = draw_pose(GREY, points, META, shown=[1, 0, 0], thickness=3)
    mass = (128.0 - image[..., 0]) / 128
    y, x = np.indices(mass.shape)
    assert (mass * x).sum() / mass.sum() == pytest.approx(30 + shift, abs=0.3)
    assert (mass * y).sum() / mass.sum() == pytest.approx(50 + shift, abs=0.3)


def test_thickness_grows_with_the_picture():
    assert line_thickness(10, 10) == 1
    assert line_thickness(432, 576) == 3
    assert line_thickness(1080, 1920) == 7
    rows = []
    for thickness in (3, 7):
        image = GREY.copy()
        draw_segment(image, POINTS[0], POINTS[1], (0, 0, 0), thickness)
        rows.append((image[:, 65] < 64).all(axis=1).sum())
    # OpenCV's anti-aliased lines are some pixel wider than asked for.
    assert rows[1] - rows[0] == 4 and 3 <= rows[0] <= 5


def test_arrays_that_do_not_fit():
    with pytest.raises(ValueError, match='keypoints must be 3 x 2'):
        draw_pose(GREY, POINTS[:2], META)
    with pytest.raises(ValueError, match='visible must have 3 entries'):
        draw_pose(GREY, POINTS, META, visible=[1, 1])
