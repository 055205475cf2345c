# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.synthetic.canvas import (
    Canvas,
    fixed_point,
    hull,
    texture_maps,
)

WHITE = np.full((4, 4, 3), 200, np.float32)


def square(left, top, size):
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    return corners * size + (left, top)


def identity():
    return np.array([[1.0, 0, 0], [0, 1.0, 0]])


def blank():
    return Canvas((20, 16), np.zeros((16, 20, 3), np.float32))


def test_paint_fills_the_polygon_and_owns_it():
    canvas = blank()
    outline = fixed_point(square(4, 5, 6))[None]
    canvas.paint(outline, (4, 5, 10, 11), WHITE, identity(), 7)
    np.testing.assert_allclose(canvas.image[6:10, 5:9], 200, atol=0.01)
    assert canvas.image[3, 7].max() == canvas.image[8, 13].max() == 0
    assert set(np.unique(canvas.owner)) == {0, 7}
    assert (canvas.owner[6:10, 5:9] == 7).all()
    assert canvas.owner[3].max() == 0


def test_motion_blur_is_the_mean_over_the_moments():
    canvas = blank()
    outlines = fixed_point(np.stack([square(2, 2, 4), square(10, 2, 4)]))
    canvas.paint(outlines, (2, 2, 14, 6), WHITE, identity(), 1)
    assert canvas.image[4, 4] == pytest.approx(100, abs=1)
    assert canvas.image[4, 12] == pytest.approx(100, abs=1)
    assert canvas.image[4, 8].max() == 0
    # Covered for half of the exposure is not covered.
    assert canvas.owner.max() == 0


@pytest.mark.parametrize('corner', [(-9, 3), (30, 3), (3, -9), (3, 30)])
def test_shapes_outside_change_nothing(corner):
    canvas = blank()
    box = (*corner, corner[0] + 4, corner[1] + 4)
    outline = fixed_point(square(*corner, 4))[None]
    canvas.paint(outline, box, WHITE, identity(), 1)
    assert canvas.image.max() == 0 and canvas.owner.max() == 0


def test_without_a_picture_only_owners_are_kept():
    canvas = Canvas((20, 16))
    outline = fixed_point(square(-3, -3, 8))[None]
    canvas.paint(outline, (-3, -3, 5, 5), None, None, 3)
    assert canvas.image is None
    assert (canvas.owner[:4, :4] == 3).all()


def test_texture_rows_follow_the_limb():
    """A limb from (5, 5) to (5, 15), 4 wide: texture 11 rows, 5 columns."""
    matrix = texture_maps(
        np.array([5.0, 5.0]), np.array([5.0, 15.0]), np.array(2.0), (11, 5)
    )
    for column, row, expected in (
        (2, 0, (5, 5)),
        (2, 10, (5, 15)),
        (0, 0, (3, 5)),
        (4, 10, (7, 15)),
    ):
        np.testing.assert_allclose(matrix @ (column, row, 1), expected)


def test_limb_that_points_at_the_camera_has_an_invertible_map():
    point = np.array([5.0, 5.0])
    matrix = texture_maps(point, point, np.array(2.0), (11, 5))
    assert abs(np.linalg.det(matrix[:, :2])) > 1e-3


def test_hull_holds_all_discs():
    centers = np.array([[0.0, 0.0], [10.0, 0.0]])
    outline = hull(centers, np.array([1.0, 2.0]))
    np.testing.assert_allclose(outline.max(axis=0), (12, 2))
    np.testing.assert_allclose(outline.min(axis=0), (-1, -2))
