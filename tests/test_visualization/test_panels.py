# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.visualization import (
    compose_panels,
    draw_legend,
    fit_frame,
    stack_rows,
)
from rpstn_mmpose.visualization.panels import BACKGROUND, text_bar


def solid(height, width, value):
    return np.full((height, width, 3), value, np.uint8)


def test_fit_frame_enlarges_and_centres():
    canvas, place = fit_frame(solid(10, 20, 200), (100, 90))
    assert canvas.shape == (90, 100, 3)
    assert place.scale == 5
    assert place.offset.tolist() == [0, 20]
    assert (canvas[20:70] == 200).all()
    assert (canvas[:20] == BACKGROUND).all()
    assert (canvas[70:] == BACKGROUND).all()


def test_fit_frame_points_follow_the_picture():
    frame = solid(24, 32, 0)
    frame[5, 7] = 255
    canvas, place = fit_frame(frame, (32 * 3, 24 * 3 + 8))
    # by hand: pixel 7 covers 21, 22, 23; pixel 5 covers 15..17, 4 further
    assert place.apply(np.array([7.0, 5.0])).tolist() == [22.0, 20.0]
    y, x = np.unravel_index(canvas[4:-4, :, 0].argmax(), (72, 96))
    assert (x, y + 4) == (22, 20)


def test_fit_frame_reduces():
    canvas, place = fit_frame(solid(400, 400, 90), (100, 50))
    assert place.scale == 0.125
    assert (canvas[:, 25:75] == 90).all()
    assert (canvas[:, :25] == BACKGROUND).all()


def test_compose_panels_layout():
    image = compose_panels(
        [solid(40, 60, 10), solid(40, 60, 250)],
        ['left', 'right'],
        'header',
        gap=6,
    )
    assert image.shape == (36 + 30 + 40, 60 + 6 + 60, 3)
    assert (image[66:, :60] == 10).all()
    assert (image[66:, 66:] == 250).all()
    assert (image[36:, 60:66] == BACKGROUND).all()
    # something is written above each panel, and in the header
    for part in (image[:36], image[36:66, :60], image[36:66, 66:]):
        assert part.max() > 200
    bare = compose_panels([solid(4, 6, 10)])
    assert bare.shape == (4, 6, 3)


def test_compose_panels_that_do_not_fit():
    with pytest.raises(ValueError, match='must be of one shape'):
        compose_panels([solid(4, 6, 1), solid(4, 7, 1)])
    with pytest.raises(ValueError, match='with a caption each'):
        compose_panels([solid(4, 6, 1)], ['a', 'b'])


@pytest.mark.parametrize('text', ['RPSTN', 'x' * 200, 'Gel\u00e4nde \u2192'])
def test_text_stays_inside_its_bar(text):
    bar = text_bar(text, 240, 30)
    assert bar.shape == (30, 240, 3)
    written = (bar != BACKGROUND).any(axis=2)
    columns = np.flatnonzero(written.any(axis=0))
    rows = np.flatnonzero(written.any(axis=1))
    assert 5 <= columns.min() and columns.max() <= 234
    assert 1 <= rows.min() and rows.max() <= 28


def test_stack_rows_pads_to_the_widest():
    image = stack_rows([solid(4, 10, 9), solid(5, 6, 7)], gap=2)
    assert image.shape == (11, 10, 3)
    assert (image[6:, :6] == 7).all()
    assert (image[6:, 6:] == BACKGROUND).all()


def test_legend_is_of_the_width_asked_for():
    wide, narrow = (
        draw_legend(w, 'wrong (over 0.2 torso)') for w in (900, 200)
    )
    assert wide.shape == (34, 900, 3)
    assert narrow.shape == (34, 200, 3)
    red = (wide[..., 2].astype(int) - wide[..., 1]) > 150
    assert red.any()
