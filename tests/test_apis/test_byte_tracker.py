# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Each threshold of ByteTracker on both sides.

Boxes are 40 x 100 pixels; two that lie d pixels apart in x have an IoU of
(40 - d) / (40 + d). Nobody moves before the frame in question, so that the
Kalman filter expects everybody where they were.
"""

import numpy as np
import pytest

from rpstn_mmpose.apis import ByteTracker

pytest.importorskip('mmdet', reason='MMDetection is not installed')


def see(tracker, *people):
    """Ids of a frame's boxes, each (x, score)."""
    boxes = [[x - 20, 50, x + 20, 150] for x, _ in people]
    return tracker.update(
        np.reshape(np.float64(boxes), (-1, 4)), [score for _, score in people]
    ).tolist()


def known(**options):
    """A tracker that knows person 0 at 100."""
    tracker = ByteTracker(**options)
    assert see(tracker, (100, 0.95)) == [0]
    return tracker


@pytest.mark.parametrize(
    'options, score, found',
    [
        ({}, 0.71, True),
        ({}, 0.69, False),
        (dict(new_score=0.8), 0.81, True),
        (dict(new_score=0.8), 0.79, False),
    ],
)
def test_score_of_a_new_person_where_nobody_is_known(options, score, found):
    tracker = ByteTracker(**options)
    assert see(tracker, (100, score)) == [0 if found else -1]


@pytest.mark.parametrize(
    'options, score, found',
    [
        ({}, 0.61, True),
        ({}, 0.59, False),
        (dict(high_score=0.5), 0.51, True),
        (dict(high_score=0.5), 0.49, False),
    ],
)
def test_score_of_a_new_person_beside_known_ones(options, score, found):
    tracker = known(**options)
    assert see(tracker, (100, 0.9), (400, score)) == [0, 1 if found else -1]


@pytest.mark.parametrize(
    'options, score, found',
    [
        ({}, 0.11, True),
        ({}, 0.09, False),
        (dict(low_score=0.3), 0.31, True),
        (dict(low_score=0.3), 0.29, False),
    ],
)
def test_score_of_a_known_person(options, score, found):
    assert see(known(**options), (100, score)) == [0 if found else -1]


@pytest.mark.parametrize(
    'options, shift, found',
    [
        # The IoU times a score of 0.9 is above 0.1 where d < 32.
        ({}, 31.8, True),
        ({}, 32.2, False),
        # Above 0.45 where d < 13.333.
        (dict(match_iou_thrs=(0.45, 0.5, 0.3)), 13.2, True),
        (dict(match_iou_thrs=(0.45, 0.5, 0.3)), 13.5, False),
    ],
)
def test_overlap_of_the_first_matching(options, shift, found):
    """Who is not found is a new person."""
    for sign in (1, -1):
        assert see(known(**options), (100 + sign * shift, 0.9)) == [
            0 if found else 1
        ]


@pytest.mark.parametrize(
    'options, shift, found',
    [
        # Above 0.5 where d < 13.333, whatever the score is.
        ({}, 13.2, True),
        ({}, 13.5, False),
        # Above 0.25 where d < 24.
        (dict(match_iou_thrs=(0.1, 0.25, 0.3)), 23.8, True),
        (dict(match_iou_thrs=(0.1, 0.25, 0.3)), 24.2, False),
    ],
)
def test_overlap_of_the_second_matching(options, shift, found):
    for score in (0.2, 0.5):
        assert see(known(**options), (100 + shift, score)) == [
            0 if found else -1
        ]


@pytest.mark.parametrize(
    'options, shift, found',
    [
        # The IoU times a score of 0.9 is above 0.3 where d < 20.
        ({}, 19.8, True),
        ({}, 20.2, False),
        # Above 0.45 where d < 13.333.
        (dict(match_iou_thrs=(0.1, 0.5, 0.45)), 13.2, True),
        (dict(match_iou_thrs=(0.1, 0.5, 0.45)), 13.5, False),
    ],
)
def test_overlap_of_who_was_seen_only_once(options, shift, found):
    tracker = known(**options)
    assert see(tracker, (100, 0.9), (400, 0.9)) == [0, 1]
    assert see(tracker, (100, 0.9), (400 + shift, 0.9)) == [
        0,
        1 if found else 2,
    ]


@pytest.mark.parametrize(
    'options, times, kept',
    [
        ({}, 2, False),
        ({}, 3, True),
        (dict(num_tentatives=4), 3, False),
        (dict(num_tentatives=4), 4, True),
    ],
)
def test_frames_that_confirm_a_person(options, times, kept):
    """Before, who is out of sight once is forgotten. Those of the first
    frame need no more of them."""
    tracker = known(**options)
    for _ in range(times):
        assert see(tracker, (100, 0.9), (400, 0.9)) == [0, 1]
    see(tracker, (100, 0.9))
    assert tracker.person_ids == ([0, 1] if kept else [0])
    assert see(tracker, (100, 0.9), (400, 0.9)) == [0, 1 if kept else 2]
    tracker = known(**options)
    see(tracker, (400, 0.9))
    assert 0 in tracker.person_ids


@pytest.mark.parametrize('max_lost', [None, 0, 3])
def test_frames_without_a_person(max_lost):
    options = {} if max_lost is None else dict(max_lost=max_lost)
    last = 30 if max_lost is None else max_lost
    for away, same in ((last, True), (last + 1, False)):
        tracker = known(**options)
        for _ in range(away):
            see(tracker, (400, 0.9))
        assert (0 in tracker.person_ids) == same
        ids = see(tracker, (100, 0.9))
        assert (ids == [0]) == same and ids[0] != 1


def test_a_low_score_needs_the_frame_before():
    """The second matching is for people who were there a frame ago."""
    for away, expected in ((0, [0]), (1, [-1])):
        tracker = known()
        for _ in range(away):
            see(tracker, (400, 0.9))
        assert see(tracker, (100, 0.5)) == expected


@pytest.mark.parametrize(
    'options, message',
    [
        (
            dict(match_iou_thrs=(0.1, 0.5)),
            'match_iou_thrs must be three numbers',
        ),
        (
            dict(match_iou_thrs=(0.1, 2, 0.5)),
            'three numbers from 0 to 1, but got',
        ),
        (
            dict(num_tentatives=0),
            'num_tentatives must be at least 1 and max_lost',
        ),
        (dict(max_lost=-1), 'max_lost at least 0, but got 3 and -1'),
        (
            dict(new_score=0.5),
            'low_score <= high_score <= new_score <= 1, but',
        ),
        (
            dict(high_score=float('nan')),
            'scores must be 0 <= low_score <= high',
        ),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        ByteTracker(**options)
