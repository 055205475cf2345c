# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import math
import warnings

import numpy as np
import pytest
from mmpose.evaluation.functional import keypoint_pck_accuracy

from rpstn_mmpose.evaluation.functional import (
    group_pck,
    joint_groups,
    pck,
    pck_counts,
    reference_length,
)

PENN = [
    'head',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
]


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield


def test_torso_runs_from_left_shoulder_to_right_hip():
    points = np.zeros((1, 13, 2))
    points[0, 1] = (3, 10)
    points[0, 8] = (33, 50)  # 30 and 40 apart: 50
    points[0, 2], points[0, 7] = (900, 900), (-900, 7)  # the other diagonal
    labeled = np.ones((1, 13))
    assert reference_length('torso', PENN, points, labeled) == [50.0]
    order = PENN[::-1]
    assert reference_length('torso', order, points[:, ::-1], labeled) == [50.0]


def test_undefined_torso_is_nan():
    points = np.zeros((5, 13, 2), np.float32)
    points[:, 8, 0] = [20, 20, 0.999, 1, 20]
    labeled = np.ones((5, 13))
    labeled[0, 1] = 0
    labeled[4, 8] = 0
    length = reference_length('torso', PENN, points, labeled)
    assert np.isnan(length).tolist() == [True, False, True, False, True]
    assert length[1] == 20 and length[3] == 1


def test_person_is_the_longer_side():
    boxes = np.array(
        [(10, 10, 40, 90), (0, 0, 7, 5), (3, 3, 3.5, 3.5), (0, 0, np.nan, 9)]
    )
    length = reference_length(
        'person', ['x'], np.zeros((4, 1, 2)), np.ones((4, 1)), boxes
    )
    assert length[:2].tolist() == [80, 7] and np.isnan(length[2:]).all()


def test_reference_errors():
    args = (np.zeros((1, 2, 2)), np.ones((1, 2)))
    with pytest.raises(ValueError, match="needs a joint 'left_shoulder'"):
        reference_length('torso', ['neck', 'right_hip'], *args)
    with pytest.raises(ValueError, match='needs gt bboxes'):
        reference_length('person', ['a', 'b'], *args)
    with pytest.raises(ValueError, match="got 'bbox'"):
        reference_length('bbox', ['a', 'b'], *args)


def test_counts_by_hand():
    gt = np.zeros((3, 2, 2))
    pred = np.array(
        [[(6, 8), (0, 10.01)], [(0, 0), (0, 0)], [(0, 50), (np.nan, 0)]]
    )
    mask = np.array([(1, 1), (0, 1), (1, 1)])
    # Limits at 0.2 and 1.0: 10 and 50 pixels.
    correct, total = pck_counts(pred, gt, mask, np.full(3, 50.0), (0.2, 1.0))
    assert total.tolist() == [2, 3]
    assert correct.tolist() == [[1, 1], [2, 2]]


def test_the_limit_itself_is_correct():
    """A shift of exactly thr * length counts, the next float does not."""
    for shift, expected in ((10.0, 1), (np.nextafter(10.0, 11.0), 0)):
        correct, _ = pck_counts(
            np.array([[(shift, 0.0)]]),
            np.zeros((1, 1, 2)),
            np.ones((1, 1)),
            [50.0],
            0.2,
        )
        assert correct.tolist() == [[expected]]


def test_undefined_lengths_do_not_count():
    correct, total = pck_counts(
        np.zeros((2, 1, 2)),
        np.zeros((2, 1, 2)),
        np.ones((2, 1)),
        [np.nan, 10],
        0.5,
    )
    assert correct.tolist() == [[1]] and total.tolist() == [1]


def test_joints_without_instance_are_nan():
    zeros = np.zeros((2, 3, 2))
    mask = np.array([(1, 0, 0), (1, 0, 1)])
    scores = pck(zeros, zeros, mask, [10.0, np.nan], 0.2)
    assert scores[0, 0] == 1 and np.isnan(scores[0, 1:]).all()
    empty = pck(zeros[:0], zeros[:0], mask[:0], np.zeros(0), 0.2)
    assert empty.shape == (1, 3) and np.isnan(empty).all()


def _random_case(seed):
    rng = np.random.RandomState(seed)
    gt = rng.uniform(0, 100, (30, 13, 2))
    pred = gt + rng.normal(0, 8, gt.shape)
    return gt, pred, rng.rand(30, 13) > 0.3, rng.uniform(20, 80, 30)


def test_against_a_plain_loop():
    gt, pred, mask, length = _random_case(0)
    length[::7] = np.nan
    thrs = [round(0.1 * i, 1) for i in range(1, 11)]
    correct, total = pck_counts(pred, gt, mask, length, thrs)
    for m, thr in enumerate(thrs):
        for k in range(13):
            good = count = 0
            for n in range(30):
                if not mask[n][k] or math.isnan(length[n]):
                    continue
                count += 1
                good += math.dist(pred[n][k], gt[n][k]) <= thr * length[n]
            assert (correct[m, k], total[k]) == (good, count)


@pytest.mark.parametrize('thr', [0.05, 0.2, 0.5])
def test_agrees_with_mmpose_where_both_are_defined(thr):
    gt, pred, mask, length = _random_case(1)
    mask[:, 4] = False
    norm = np.stack([length, length], axis=1)
    theirs, mean, _ = keypoint_pck_accuracy(pred, gt, mask, thr, norm)
    ours = pck(pred, gt, mask, length, thr)[0]
    assert theirs[4] == -1 and np.isnan(ours[4])
    keep = np.arange(13) != 4
    np.testing.assert_allclose(ours[keep], theirs[keep], rtol=1e-12)
    correct, total = pck_counts(pred, gt, mask, length, thr)
    ours_mean = group_pck(correct[0], total, joint_groups(PENN))['Mean']
    assert ours_mean == pytest.approx(mean, rel=1e-12)


def test_groups_by_name():
    groups = joint_groups(PENN)
    assert list(groups) == [
        'Head',
        'Sho.',
        'Elb.',
        'Wri.',
        'Hip',
        'Knee',
        'Ank.',
    ]
    assert groups['Head'] == [0] and groups['Wri.'] == [5, 6]
    assert joint_groups(['nose', 'left_hip'])['Head'] == [0]
    assert joint_groups(['nose', 'top_head'])['Head'] == [1]
    assert joint_groups(['neck', 'belly'])['Head'] == []


def test_group_scores_by_hand():
    correct = np.array([1, 0, 3, 0, 5])
    total = np.array([2, 0, 4, 0, 5])
    groups = dict(A=[0, 1], B=[2, 4], C=[1, 3], D=[])
    scores = group_pck(correct, total, groups)
    assert scores['A'] == 0.5 and scores['B'] == (0.75 + 1) / 2
    assert math.isnan(scores['C']) and math.isnan(scores['D'])
    assert scores['Mean'] == (0.5 + 0.75 + 1) / 3
    nothing = group_pck(np.zeros(3), np.zeros(3), dict(A=[0]))
    assert math.isnan(nothing['A']) and math.isnan(nothing['Mean'])
