# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.systems.posewarper.sparse_labels import (
    Pose,
    box_at,
    from_neighbours,
    merge_sides,
    plan_links,
)


def pose(x, labeled=(1, 1), scores=(1, 1), given=True):
    """Two joints at x and 10 pixels right of it, in a box of 20 x 20."""
    return Pose(
        bbox=np.array([x, 0.0, x + 20.0, 20.0]),
        keypoints=np.array([[x, 5.0], [x + 10.0, 5.0]]),
        labeled=np.array(labeled, bool),
        visible=np.array(labeled, bool),
        scores=np.array(scores, float),
        given=given,
    )


def steps(links, frame):
    return {(link.label, link.anchor) for link in links if link.frame == frame}


def test_every_seventh_frame_as_published():
    """Labels at 3 and 10: the nearer one, none farther than three frames."""
    links = plan_links([3, 10], 14, sides='nearest')
    taken = {link.frame: link.label for link in links}
    assert taken == {
        0: 3,
        1: 3,
        2: 3,
        4: 3,
        5: 3,
        6: 3,
        7: 10,
        8: 10,
        9: 10,
        11: 10,
        12: 10,
        13: 10,
    }
    assert all(link.anchor == link.label for link in links)


def test_of_two_equally_near_labels_the_earlier():
    links = plan_links([0, 4], 5, sides='nearest')
    assert {link.frame: link.label for link in links} == {1: 0, 2: 0, 3: 4}


def test_longer_ways_take_several_steps():
    """Seven frames away: three, three and one."""
    links = plan_links([0, 8], 9, step=3, limit=7)
    assert steps(links, 3) == {(0, 0), (8, 5)}
    assert steps(links, 4) == {(0, 3), (8, 5)}
    assert steps(links, 7) == {(0, 6), (8, 8)}
    known = {(link.label, link.frame) for link in links} | {(0, 0), (8, 8)}
    assert all((link.label, link.anchor) in known for link in links)


def test_a_gap_leaves_its_middle_alone():
    """And the ends of a video are reached by one step."""
    links = plan_links([5, 40], 60, step=3, limit=6)
    assert {link.frame for link in links} == {
        *range(2, 5),
        *range(6, 12),
        *range(34, 40),
        *range(41, 44),
    }


@pytest.mark.parametrize('sides', ['nearest', 'both'])
@pytest.mark.parametrize('labels', [[0], [0, 1], [2]])
def test_short_videos(labels, sides):
    """Nothing lies outside; neighbours have nothing between."""
    frames = {link.frame for link in plan_links(labels, 3, sides=sides)}
    assert frames == set(range(3)) - set(labels)


def test_boxes_between_are_on_the_way():
    labels = {2: pose(10.0), 6: pose(30.0)}
    assert box_at(labels, 3).tolist() == [15, 0, 35, 20]
    assert box_at(labels, 0).tolist() == [10, 0, 30, 20]
    assert box_at(labels, 9).tolist() == [30, 0, 50, 20]


@pytest.mark.parametrize(
    'method, expected',
    [('interpolate', [10, 13, 16, 19, 22]), ('repeat', [10, 10, 10, 22, 22])],
)
def test_without_pictures(method, expected):
    labels = {0: pose(10.0), 4: pose(22.0)}
    found = {**from_neighbours(labels, 5, method), **labels}
    assert [found[i].keypoints[0, 0] for i in range(5)] == expected
    assert [found[i].given for i in range(5)] == [True, 0, 0, 0, True]
    assert found[1].bbox.tolist() == [13, 0, 33, 20]


def test_a_joint_of_one_label_alone_is_not_interpolated():
    labels = {0: pose(10.0), 4: pose(22.0, labeled=(1, 0))}
    found = from_neighbours(labels, 5, 'interpolate')
    assert found[1].keypoints.tolist() == [[13, 5], [20, 5]]
    assert found[3].labeled.tolist() == [True, False]


def test_both_sides_meet():
    """One frame from a label, two from the other, equally clear: two thirds
    and one third. Two pixels apart with 20 x 20: exp(-1/2) of the score."""
    near, far = pose(12.0, scores=(0.9, 0.9)), pose(10.0, scores=(0.9, 0.9))
    merged = merge_sides([(1, near), (2, far)])
    np.testing.assert_allclose(merged.keypoints[:, 0], [34 / 3, 64 / 3])
    np.testing.assert_allclose(merged.scores, 0.9 * np.exp(-0.5))


def test_sides_that_disagree():
    """The clearer one is taken, at little trust; who says nothing of a joint
    has no say in it."""
    one = pose(10.0, scores=(0.9, 0.5))
    other = pose(16.0, scores=(0.3, 0.5), labeled=(1, 0))
    merged = merge_sides([(1, one), (1, other)])
    assert merged.keypoints.tolist() == [[10, 5], [20, 5]]
    np.testing.assert_allclose(merged.scores, [0.9 * np.exp(-4.5), 0.5])
    assert merge_sides([(3, one)]) is one
