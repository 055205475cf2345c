# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np

from rpstn_mmpose.apis import draw_people
from rpstn_mmpose.apis.people_drawing import id_color

META = dict(
    keypoint_colors=[[0, 255, 0], [255, 0, 0]],
    skeleton_links=[(0, 1)],
    skeleton_link_colors=[[1, 2, 3]],
)


def person(**others):
    return dict(
        dict(
            keypoints=[[20, 40], [80, 40]],
            keypoint_scores=[0.9, 0.9],
            bbox=([10.0, 20.0, 90.0, 60.0],),
            track_id=2,
        ),
        **others,
    )


def test_links_and_box_have_the_colour_of_the_id():
    black = np.zeros((80, 120, 3), np.uint8)
    image = draw_people(black, [person()], META, thickness=4)
    assert not black.any()
    color = np.array(id_color(2))
    assert (image[40, 50] == color).all() and (image[59:62, 50] == color).all(
        axis=1
    ).any()
    # joints in their own, BGR
    assert (image[40, 20] == (0, 255, 0)).all()
    assert (image[40, 80] == (0, 0, 255)).all()
    plain = draw_people(black, [person()], META, thickness=4, draw_bbox=False)
    assert not plain[60].any() and (plain[40, 50] == color).all()


def test_low_scores_are_left_out():
    black = np.zeros((80, 120, 3), np.uint8)
    image = draw_people(
        black, [person(keypoint_scores=[0.9, 0.2])], META, draw_bbox=False
    )
    assert (image[40, 20] == (0, 255, 0)).all()
    assert not image[40, 50:].any()


def test_ids_have_colours_that_differ():
    colors = np.array([id_color(key) for key in range(12)])
    for row in range(12):
        others = np.delete(colors, row, axis=0)
        assert abs(others - colors[row]).sum(axis=1).min() > 30
    assert id_color(-1) == (160, 160, 160)


def test_what_lies_outside_and_what_is_not_finite():
    black = np.zeros((80, 120, 3), np.uint8)
    far = person(
        keypoints=[[np.nan, 4], [-500, 9e9]], bbox=[-50.0, -50.0, 5e4, 500.0]
    )
    draw_people(black, [far, person(bbox=[np.nan] * 4)], META, note='note')
    noted = draw_people(black, [], META, note='note')
    assert noted[:20, :40].any() and not noted[40:].any()


def test_ellipses_of_one_sigma():
    """20 pixels wide and 10 high, about the joint; not of hidden joints."""
    black = np.zeros((80, 120, 3), np.uint8)
    sigmas = [[20.0, 10.0], [5.0, 5.0]]
    plain = draw_people(black, [person()], META, thickness=2, draw_bbox=False)
    image = draw_people(
        black,
        [person(keypoint_sigmas=sigmas, keypoint_scores=[0.9, 0.1])],
        META,
        thickness=2,
        draw_bbox=False,
    )
    color = np.array(id_color(2))
    for x, y in ((40, 40), (20, 30), (20, 50)):
        assert abs(image[y, x].astype(int) - color).max() < 60
    assert not plain[30, 20].any() and not image[45, 80].any()
    assert not image[27:29].any() and not image[52:54].any()
    odd = [[np.nan, 4.0], [0.0, 9e9]]
    draw_people(black, [person(keypoint_sigmas=odd)], META)
    far = person(keypoints=[[np.nan, 4], [-500, 9e9]], keypoint_sigmas=sigmas)
    draw_people(black, [far], META)


def test_hidden_joints_are_hollow():
    """A ring leaves its middle as it is; the other joint is filled."""
    black = np.zeros((80, 120, 3), np.uint8)
    drawn = draw_people(
        black,
        [person(keypoints_hidden=[True, False])],
        dict(META, skeleton_links=[]),
        thickness=4,
        draw_bbox=False,
    )
    (x, y), (u, v) = np.int64(person()['keypoints'])
    assert not drawn[y, x].any() and drawn[v, u].any()
    assert drawn[y - 8 : y + 9, x - 8 : x + 9].any()
