# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Each number of the motion model, each threshold on both sides.

People are boxes of 40 x 100 pixels unless another size is said. Two of them
that lie d pixels apart in x have an IoU of (40 - d) / (40 + d).
"""

import copy
import math

import numpy as np
import pytest

from rpstn_mmpose.apis import MotionTracker
from rpstn_mmpose.apis.tracking.motion_tracker import pose_oks

SIZE = (40.0, 100.0)


def box(x, y=100.0, size=SIZE):
    return [x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2]


def see(tracker, *boxes, poses=None):
    """The ids of a frame."""
    return tracker.update(
        np.reshape(np.float64(boxes), (-1, 4)), np.ones(len(boxes)), poses
    ).tolist()


def follow(path, **options):
    """A tracker that has seen one person along a path; None: not seen."""
    tracker = MotionTracker(**options)
    for place in path:
        ids = see(tracker, *([] if place is None else [box(*place)]))
        assert ids == [] if place is None else [0]
    return tracker


def expects(tracker, x, y=100.0, size=SIZE):
    """Whether the next frame's box of person 0 is this one, to a thousandth
    of its sides: 0.12 % off, the IoU is below 0.998."""
    tracker = copy.deepcopy(tracker)
    tracker.iou_thr, tracker.return_distance = 0.998, 0

    def found(dx, dy):
        return see(copy.deepcopy(tracker), box(x + dx, y + dy, size)) == [0]

    right, down = 0.0012 * np.float64(size)
    return found(0, 0) and not any(
        found(*step)
        for step in ((right, 0), (-right, 0), (0, down), (0, -down))
    )


def test_nobody_is_expected_to_move_at_first():
    assert expects(follow([(100, 100)]), 100)


def test_the_first_step_is_the_first_velocity():
    """All of it, in x and y, whatever the momentum is."""
    for momentum in (0, 0.5, 0.9):
        tracker = follow([(100, 100), (112, 95)], velocity_momentum=momentum)
        assert expects(tracker, 124, 90)


@pytest.mark.parametrize(
    'momentum, velocity',
    [(None, (8, 2)), (0.5, (8, 2)), (0.25, (6, 4)), (0, (4, 6))],
)
def test_later_steps_are_mixed_by_the_momentum(momentum, velocity):
    """Steps of (12, -2) and (4, 6); the momentum is the old one's part."""
    options = {} if momentum is None else dict(velocity_momentum=momentum)
    tracker = follow([(100, 100), (112, 98), (116, 104)], **options)
    assert expects(tracker, 116 + velocity[0], 104 + velocity[1])


def test_the_velocity_forgets_by_halves():
    """Steps 16, 8, 0: velocities 16, 12, 6."""
    tracker = follow([(100, 100), (116, 100), (124, 100), (124, 100)])
    assert expects(tracker, 130)


@pytest.mark.parametrize('gap', [1, 2, 5])
def test_who_is_not_seen_moves_on(gap):
    tracker = follow([(100, 100), (110, 96)] + [None] * gap)
    assert expects(tracker, 110 + 10 * (gap + 1), 96 - 4 * (gap + 1))


@pytest.mark.parametrize('gap', [1, 2, 5])
def test_a_step_over_frames_out_of_sight_is_divided_by_them(gap):
    """9 pixels a frame, then 12 pixels a frame until seen again: half of
    each. The return is by the distance where the overlap is too small."""
    x = 109 + 12 * (gap + 1)
    tracker = follow([(100, 100), (109, 100)] + [None] * gap + [(x, 100)])
    assert expects(tracker, x + 10.5)


def test_a_person_is_where_the_box_was_not_where_it_was_expected():
    """A velocity of 10 and then of 5 + 10: seen at 130, not at 120."""
    tracker = follow([(100, 100), (110, 100), (130, 100)])
    assert expects(tracker, 145)


def test_the_size_is_that_of_the_last_box():
    tracker = follow([(100, 100), (104, 100)])
    see(tracker, box(108, 100, (50, 90)))
    assert expects(tracker, 112, 100, (50, 90))
    see(tracker)
    assert expects(tracker, 116, 100, (50, 90))


def test_each_person_has_a_velocity_and_a_size_of_their_own():
    tracker = MotionTracker()
    for frame in range(3):
        assert see(
            tracker,
            box(100 + 6 * frame, 100),
            box(400, 100 - 9 * frame, (60, 80)),
        ) == [0, 1]
    assert expects(tracker, 118)
    ids = see(tracker, box(400, 73, (60, 80)))
    assert ids == [1] and expects(tracker, 124)


@pytest.mark.parametrize(
    'options, shift, found',
    [
        # (40 - d) / (40 + d) > 0.2 where d < 26.667
        ({}, 26.6, True),
        ({}, 26.7, False),
        # > 0.5 where d < 13.333
        (dict(iou_thr=0.5), 13.3, True),
        (dict(iou_thr=0.5), 13.4, False),
        # 60 wide, 40 apart, 20 of 100 in common: 0.2 is not above 0.2.
        (dict(size=(60, 100)), 40, False),
        (dict(size=(60, 100)), 39.9, True),
        (dict(iou_thr=0), 39.9, True),
        (dict(iou_thr=0), 40, False),
    ],
)
def test_overlap_of_a_match_on_both_sides(options, shift, found):
    options = dict(options)
    size = options.pop('size', SIZE)
    for sign in (1, -1):
        tracker = MotionTracker(return_distance=0, **options)
        see(tracker, box(100, 100, size))
        assert see(tracker, box(100 + sign * shift, 100, size)) == [
            0 if found else 1
        ]


@pytest.mark.parametrize(
    'options, dx, dy, found',
    [
        # 0.8 times the root of 40 * 100 is 50.596.
        ({}, 50.5, 0, True),
        ({}, 50.7, 0, False),
        ({}, 0, -50.5, True),
        ({}, 0, -50.7, False),
        # In the plane: (30, 40) is 50 long, (31, 41) is 51.4.
        ({}, 30, 40, True),
        ({}, 31, 41, False),
        # 0.5 times it is 31.623
        (dict(return_distance=0.5), 31.6, 0, True),
        (dict(return_distance=0.5), 31.7, 0, False),
        (dict(return_distance=0), 0.5, 0, False),
    ],
)
def test_distance_of_a_return_on_both_sides(options, dx, dy, found):
    tracker = MotionTracker(iou_thr=0.999, **options)
    see(tracker, box(100))
    assert see(tracker, box(100 + dx, 100 + dy)) == [0 if found else 1]


@pytest.mark.parametrize('shift, found', [(56.5, True), (56.6, False)])
def test_the_unit_of_a_return_lies_between_both_sizes(shift, found):
    """Areas 40 * 100 and 50 * 125: 0.8 * (4000 * 6250)^(1/4) = 56.569."""
    for first, second in ((SIZE, (50, 125)), ((50, 125), SIZE)):
        tracker = MotionTracker(iou_thr=0.999)
        see(tracker, box(100, 100, first))
        assert see(tracker, box(100 + shift, 100, second)) == [
            0 if found else 1
        ]


@pytest.mark.parametrize(
    'size, found',
    [
        ((79, 100), True),
        ((81, 100), False),
        ((21, 100), True),
        ((19, 100), False),
        ((40, 199), True),
        ((40, 201), False),
        ((40, 51), True),
        ((40, 49), False),
        ((79, 51), True),
    ],
)
def test_sizes_of_a_return_on_both_sides(size, found):
    """Width and height may differ by a factor of two, each by itself."""
    tracker = MotionTracker(iou_thr=0.999)
    see(tracker, box(100))
    assert see(tracker, box(101, 100, size)) == [0 if found else 1]


@pytest.mark.parametrize(
    'x, found',
    [
        (59, False),
        (60, True),
        (160, True),
        (161, False),
        (185, False),
        (209, False),
        (210, True),
        (310, True),
        (311, False),
    ],
)
def test_a_return_is_to_the_expected_or_to_the_last_seen_place(x, found):
    """Seen at 110, expected at 110 + 15 * 10 = 260: each may be 50.6 pixels
    off; not what is between them."""
    tracker = follow([(100, 100), (110, 100)] + [None] * 14)
    tracker.iou_thr = 0.999
    assert see(tracker, box(x)) == [0 if found else 1]


def test_who_is_nearer_returns():
    """Two people are out of sight; one comes back, nearer to the second."""
    for x, who in ((104, 0), (126, 1)):
        tracker = MotionTracker(iou_thr=0.999)
        see(tracker, box(100), box(130))
        see(tracker)
        assert see(tracker, box(x)) == [who]


@pytest.mark.parametrize('max_lost', [None, 0, 4])
def test_frames_without_a_person_on_both_sides(max_lost):
    options = {} if max_lost is None else dict(max_lost=max_lost)
    last = 30 if max_lost is None else max_lost
    for away, same in ((last, True), (last + 1, False)):
        tracker = follow([(100, 100)] + [None] * away, **options)
        assert tracker.person_ids == ([0] if same else [])
        assert see(tracker, box(100)) == [0 if same else 1]


def test_pairs_out_of_reach_do_not_part_a_pair_within_reach():
    """In widths of 100: person 0 at 0, person 1 at 121.9; boxes at 53.8 and
    -68.1. The IoU of person 0 and the first box is 0.3; 0.19 are those of
    the two other ways, together more, but each below 0.2."""
    size = (100, 100)
    tracker = MotionTracker(return_distance=0)
    see(tracker, box(0, 0, size), box(121.9, 0, size))
    assert see(tracker, box(53.8, 0, size), box(-68.1, 0, size)) == [0, 2]


def test_a_second_box_of_a_person_is_somebody_else():
    """Although it is within reach of a return."""
    for x in (101, 110, 130):
        tracker = follow([(100, 100)])
        assert see(tracker, box(100), box(x)) == [0, 1]
        assert see(tracker, box(x), box(100)) == [1, 0]


def test_ids_are_never_given_twice():
    tracker = MotionTracker(max_lost=0)
    assert see(tracker, box(100), box(300)) == [0, 1]
    assert see(tracker, box(500)) == [2]
    assert see(tracker, box(100), box(500), box(900)) == [3, 2, 4]
    tracker.reset()
    assert see(tracker, box(100)) == [0]


POSE = np.float64([[[-10, -40], [10, 40]]])


def pose_at(x, offset=0.0):
    return POSE + (x, 100) + (0, offset)


def test_oks_by_the_published_constants():
    """One joint of s^2 = 4000, k = 2 * 0.08, 16.85 pixels off: 283.9 over
    2 * 4000 * 0.0256 = 204.8, so exp(-1.3864) = 0.25."""
    a, b = np.float64([[[0, 0]]]), np.float64([[[0, 16.85]]])
    assert pose_oks(a, b, np.float64([4000]), np.float64([0.08]))[
        0, 0
    ] == pytest.approx(0.25, abs=1e-4)


@pytest.mark.parametrize(
    'sigmas, offset, found',
    [
        # similarity = 0.75 * IoU + 0.25 * OKS > 0.5, with an IoU of 0.6 (10
        # pixels apart): OKS > 0.2, so the square of the joints' distance is
        # below -ln(0.2) * 2 * 4000 * (2 * sigma)^2.
        (None, 18.1, True),  # sigma 0.08: 18.155 pixels
        (None, 18.2, False),
        ([0.04, 0.04], 9.0, True),  # 9.078 pixels
        ([0.04, 0.04], 9.1, False),
    ],
)
def test_similarity_of_poses_on_both_sides(sigmas, offset, found):
    assert math.sqrt(-math.log(0.2) * 8000 * 0.16**2) == pytest.approx(
        18.155, abs=1e-3
    )
    tracker = MotionTracker(
        iou_thr=0.5, return_distance=0, oks_weight=0.25, sigmas=sigmas
    )
    see(tracker, box(100), poses=pose_at(100))
    assert see(tracker, box(110), poses=pose_at(100, offset)) == [
        0 if found else 1
    ]


@pytest.mark.parametrize('weight, found', [(0.24, True), (0.26, False)])
def test_weight_of_the_poses_on_both_sides(weight, found):
    """IoU 0.6 and an OKS of 0: (1 - w) * 0.6 > 0.45 where w < 0.25."""
    tracker = MotionTracker(iou_thr=0.45, return_distance=0, oks_weight=weight)
    see(tracker, box(100), poses=pose_at(100))
    assert see(tracker, box(110), poses=pose_at(900)) == [0 if found else 1]


@pytest.mark.parametrize('offset, found', [(0, True), (14, False)])
def test_poses_move_on_with_their_person(offset, found):
    """By the velocity of the box, and further while nobody sees them; poses
    alone count."""
    tracker = MotionTracker(
        iou_thr=0.9, return_distance=0, oks_weight=1, sigmas=[0.03, 0.03]
    )
    tracker.iou_thr = 0
    see(tracker, box(100), poses=pose_at(100))
    see(tracker, box(114), poses=pose_at(114))
    see(tracker, poses=np.zeros((0, 2, 2)))
    tracker.iou_thr = 0.9
    assert see(tracker, box(142), poses=pose_at(142 - offset)) == [
        0 if found else 1
    ]


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(iou_thr=1), 'iou_thr and velocity_momentum must be below 1, at'),
        (
            dict(velocity_momentum=1),
            'velocity_momentum must be below 1, at wh',
        ),
        (
            dict(sigmas=[0.1]),
            'sigmas do nothing with oks_weight=0; set a weig',
        ),
        (dict(iou_thr=-0.1), 'iou_thr must lie in 0 to 1, but got -0.1'),
        (
            dict(return_distance=-1),
            'return_distance must lie in 0 to inf, but',
        ),
        (
            dict(velocity_momentum=1.5),
            'velocity_momentum must lie in 0 to 1, ',
        ),
        (dict(oks_weight=1.1), 'oks_weight must lie in 0 to 1, but got 1.1'),
        (
            dict(max_lost=math.nan),
            'max_lost must lie in 0 to inf, but got nan',
        ),
    ],
)
def test_options_out_of_range_or_without_effect(options, message):
    with pytest.raises(ValueError, match=message):
        MotionTracker(**options)
