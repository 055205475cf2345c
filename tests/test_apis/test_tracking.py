# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import itertools

import numpy as np
import pytest
from mmpose.registry import TASK_UTILS

from rpstn_mmpose.apis import ByteTracker, MotionTracker
from rpstn_mmpose.apis.tracking.byte_tracker import assign_with_limit
from rpstn_mmpose.apis.tracking.motion_tracker import pose_oks
from rpstn_mmpose.structures import box_iou

TRACKERS = ['MotionTracker', 'ByteTracker']


def make(kind, **options):
    if kind == 'ByteTracker':
        pytest.importorskip('mmdet', reason='MMDetection is not installed')
    return TASK_UTILS.build(dict(type=kind, **options))


def boxes_at(centres, sizes):
    centres, sizes = np.float64(centres), np.float64(sizes)
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)


def crossing(frame):
    """Four people on a 640 x 360 field, who pass each other side by side.

    Two walk towards each other on lanes of their own, whose boxes overlap
    by a third; two walk down and across. (4, 4) boxes, jittered by a pixel.
    """
    rng = np.random.default_rng(frame)
    centres = [
        (60 + 8 * frame, 120),
        (580 - 8 * frame, 180),
        (60 + 8 * frame, 270),
        (300, 60 + 4 * frame),
    ]
    sizes = [(40, 90), (42, 92), (44, 88), (38, 86)]
    return boxes_at(centres, sizes) + rng.uniform(-1, 1, (4, 4))


@pytest.mark.parametrize('kind', TRACKERS)
def test_four_people_cross(kind):
    tracker = make(kind)
    seen = [[] for _ in range(4)]
    overlaps = 0
    for frame in range(60):
        boxes = crossing(frame)
        ious = box_iou(boxes, boxes) - np.eye(4)
        overlaps += (ious > 0.1).any()
        # Detectors give boxes in any order.
        order = np.random.default_rng(frame).permutation(4)
        ids = tracker.update(boxes[order], np.full(4, 0.9))
        for place, person in zip(ids, order):
            seen[person].append(int(place))
    assert overlaps >= 5
    assert all(len(set(ids)) == 1 for ids in seen)
    assert sorted(ids[0] for ids in seen) == [0, 1, 2, 3]
    assert sorted(tracker.person_ids) == [0, 1, 2, 3]


@pytest.mark.parametrize('kind', TRACKERS)
def test_somebody_hidden_for_some_frames_is_found_where_expected(kind):
    tracker = make(kind)
    for frame in range(40):
        boxes = boxes_at([(50 + 6 * frame, 100), (400, 100)], [(40, 100)] * 2)
        rows = [1] if 15 <= frame < 23 else [0, 1]
        ids = tracker.update(boxes[rows], np.full(len(rows), 0.9))
        assert ids.tolist() == rows


def test_who_returns_within_max_lost_is_the_same_person():
    """Out of the left edge, and back in at the same place."""
    for away, same in ((30, True), (31, False)):
        tracker = MotionTracker(max_lost=30)
        inside = boxes_at([(30, 100)], [(40, 100)])
        for x in (60, 50, 40, 30):
            assert tracker.update(
                boxes_at([(x, 100)], [(40, 100)]), [1]
            ).tolist() == [0]
        for _ in range(away):
            assert tracker.update(np.zeros((0, 4)), []).tolist() == []
        assert tracker.person_ids == ([0] if same else [])
        assert tracker.update(inside, [1]).tolist() == [0 if same else 1]


def test_a_return_needs_the_place_and_the_size():
    tracker = MotionTracker()
    tracker.update(boxes_at([(100, 100)], [(40, 100)]), [1])
    tracker.update(np.zeros((0, 4)), [])
    ids = tracker.update(
        boxes_at([(300, 100), (100, 40)], [(40, 100), (15, 30)]), [1, 1]
    )
    assert ids.tolist() == [1, 2]
    # 0.8 times the root of 40 * 100 is 50.6 pixels
    for offset, found in ((50, True), (52, False)):
        tracker = MotionTracker(iou_thr=0.99)
        tracker.update(boxes_at([(100, 100)], [(40, 100)]), [1])
        ids = tracker.update(boxes_at([(100 + offset, 100)], [(40, 100)]), [1])
        assert (ids.tolist() == [0]) == found


def test_best_matches_together_not_one_after_the_other():
    """Greedily, 0 takes the box between them and 1 is left with none."""
    tracker = MotionTracker(return_distance=0)
    tracker.update(boxes_at([(100, 100), (130, 100)], [(60, 100)] * 2), [1, 1])
    ids = tracker.update(
        boxes_at([(113, 100), (66, 100)], [(60, 100)] * 2), [1, 1]
    )
    # IoU of 0 with its boxes: 47/73 = .64 and 26/94 = .28; of 1: 43/77 = .56
    # and none. One by one 0 takes the first box; together .28 + .56 win.
    assert ids.tolist() == [1, 0]


@pytest.mark.parametrize('kind', TRACKERS)
def test_memory_does_not_grow(kind):
    tracker = make(kind, max_lost=5)
    for frame in range(300):
        # One who stays, and a new one every frame, far from all others.
        boxes = boxes_at([(50, 50), (2000 + 500 * frame, 50)], [(40, 80)] * 2)
        ids = tracker.update(boxes, [0.9, 0.9])
        assert ids[0] == 0 and (ids[1] == frame + 1 or kind != TRACKERS[0])
        assert len(tracker.person_ids) <= 8
    if kind == 'ByteTracker':
        track = tracker._tracker.tracks[0]
        assert max(len(track[key]) for key in tracker._tracker.memo_items) <= 3
    tracker.reset()
    assert tracker.person_ids == []
    assert tracker.update(boxes, [0.9, 0.9])[0] == 0


def test_ious_by_hand():
    a = np.float64([[0, 0, 10, 10], [5, 5, 5, 5]])
    b = np.float64(
        [[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [5, 5, 5, 5]]
    )
    # Half of each in common: 50 / 150.
    np.testing.assert_allclose(box_iou(a, b), [[1, 1 / 3, 0, 0], [0, 0, 0, 0]])


def test_oks_by_hand():
    """exp(-d^2 / (2 s^2 k^2)) with s^2 the area, k = 2 sigma."""
    a = np.float64([[[0, 0], [10, 10]]])
    b = np.float64([[[3, 4], [10, 10]], [[0, 0], [10, 10]]])
    oks = pose_oks(a, b, np.float64([2500]), np.float64([0.05, 0.1]))
    first = np.exp(-25 / (2 * 2500 * 0.1**2))
    np.testing.assert_allclose(oks, [[(first + 1) / 2, 1]])


def test_poses_tell_people_in_the_same_box_apart():
    pose = np.float64([[[-15, -40], [15, 40]], [[15, -40], [-15, 40]]])
    box = boxes_at([(100, 100)] * 2, [(40, 100)] * 2)
    tracker = MotionTracker(oks_weight=0.5, sigmas=[0.05, 0.05])
    assert tracker.uses_keypoints and not MotionTracker().uses_keypoints
    tracker.update(box, [1, 1], pose + 100)
    ids = tracker.update(box, [1, 1], pose[::-1] + 101)
    assert ids.tolist() == [1, 0]
    with pytest.raises(ValueError, match='needs the keypoints of the frame'):
        tracker.update(box, [1, 1])


def brute_force(costs, limit):
    """Least cost over all partial matchings; unmatched pairs of sides."""
    rows, columns = costs.shape
    best = None
    for count in range(min(rows, columns) + 1):
        for chosen in itertools.combinations(range(rows), count):
            for places in itertools.permutations(range(columns), count):
                cost = sum(costs[r, c] for r, c in zip(chosen, places))
                cost += limit / 2 * (rows + columns - 2 * count)
                if best is None or cost < best[0]:
                    best = (cost, dict(zip(chosen, places)))
    return best


@pytest.mark.parametrize('seed', range(8))
def test_assignment_with_a_limit(seed):
    rng = np.random.default_rng(seed)
    costs = rng.random((rng.integers(0, 4), rng.integers(0, 5)))
    rows, columns = assign_with_limit(costs, 0.6)
    matched = {r: c for r, c in enumerate(rows) if c >= 0}
    assert matched == brute_force(costs, 0.6)[1]
    assert {c: r for c, r in enumerate(columns) if r >= 0} == {
        c: r for r, c in matched.items()
    }


def test_byte_tracker_keeps_a_person_through_low_scores():
    tracker = make('ByteTracker')
    for frame in range(12):
        score = 0.9 if frame < 4 or frame > 8 else 0.2
        boxes = boxes_at([(50 + 3 * frame, 100), (300, 100)], [(40, 100)] * 2)
        ids = tracker.update(boxes, [score, 0.2])
        # What was never sure is nobody.
        assert ids.tolist() == [0, -1]


@pytest.mark.parametrize(
    'kind, options, message',
    [
        ('MotionTracker', dict(iou_thr=2), 'iou_thr must lie in 0 to 1'),
        ('MotionTracker', dict(max_lost=-1), 'max_lost must lie in 0 to inf'),
        (
            'MotionTracker',
            dict(oks_weight=-0.1),
            'oks_weight must lie in 0 to 1',
        ),
        ('ByteTracker', dict(low_score=0.8), 'low_score <= high_score'),
    ],
)
def test_bad_options(kind, options, message):
    kinds = dict(MotionTracker=MotionTracker, ByteTracker=ByteTracker)
    with pytest.raises(ValueError, match=message):
        kinds[kind](**options)


@pytest.mark.parametrize('kind', TRACKERS)
def test_nobody_and_bad_input(kind):
    tracker = make(kind)
    for _ in range(3):
        assert tracker.update(np.zeros((0, 4)), np.zeros(0)).shape == (0,)
    with pytest.raises(ValueError, match='1 boxes but 2 scores'):
        tracker.update(np.zeros((1, 4)), [1, 1])
