# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import numpy as np
import pytest

from rpstn_mmpose.evaluation import posetrack_mot
from rpstn_mmpose.evaluation.functional.posetrack_mot import JointTrackCounts
from tests.real_data import require_real_data
from tests.test_evaluation.posetrack_files import (
    EVALUATED,
    IGNORED,
    pair,
    person,
)

NAN = float('nan')


def totals(*args, **kwargs):
    """MOTA, MOTP, precision and recall of all joints, which are alike."""
    result = posetrack_mot(*pair(*args, **kwargs))
    for values in result.values():
        np.testing.assert_allclose(list(values.values()), values['total'])
    return [
        pytest.approx(result[key]['total'], nan_ok=True)
        for key in ('mota', 'motp', 'pre', 'rec')
    ]


def frames(numbers, tracks=(0,), score=None):
    """A person at x = 100, 500, ... for each track, in each frame."""
    return [
        person(i, x=100 + 400 * n, track=track, score=score)
        for i in numbers
        for n, track in enumerate(tracks)
    ]


def test_official_program():
    folder = require_real_data('posetrack_eval_sample')
    official = json.loads((folder / 'total_MOT_metrics.json').read_text())
    result = posetrack_mot(folder / 'gt', folder / 'pred')
    assert list(result) == ['mota', 'motp', 'pre', 'rec']
    for key, values in result.items():
        assert set(values) == set(official['names'].values())
        for number, joint in official['names'].items():
            assert values[joint] == pytest.approx(
                official[key][int(number)], abs=1e-3
            ), (key, joint)


def test_perfect_and_empty():
    truth = frames((1, 2, 3), (0, 1))
    assert totals(truth, frames((1, 2, 3), (7, 5), 1.0), 3) == [100] * 4
    # Two frames count, each as one missed and one false joint.
    assert totals(truth, [], 3) == [-100, 0, 0, 0]


def test_a_frame_with_nobody_on_one_side_is_one_miss_and_one_false_joint():
    """Of every joint, whoever and whatever is on the other side."""
    few = ['nose']
    truth = [
        person(i, x=100 + 400 * n, track=n, joints=few if n else EVALUATED)
        for i in (1, 2, 3)
        for n in range(3)
    ]
    pred = [dict(p, scores=[1.0] * 17) for p in truth]
    result = posetrack_mot(*pair(truth, pred[:3] + pred[6:], num=3))
    # Nose: 3 of 4 found, 1 missed, 1 false. Others: 1 of 2, 1 and 1.
    for key, nose, others in (
        ('mota', 50, 0),
        ('motp', 100, 100),
        ('pre', 75, 50),
        ('rec', 75, 50),
    ):
        values = result[key]
        assert values.pop('nose') == pytest.approx(nose)
        assert values.pop('total') == pytest.approx((nose + 14 * others) / 15)
        assert list(values.values()) == [pytest.approx(others)] * 14
    # The same where the truth is ignored as a whole.
    result = posetrack_mot(*pair(truth, pred, num=3, _2=IGNORED))
    assert result['mota']['nose'] == pytest.approx(50)
    assert result['pre']['neck'] == pytest.approx(50)
    # Also with two predictions of everything beside the region.
    region = dict(
        ignore_regions_x=[[50, 950, 950, 50]],
        ignore_regions_y=[[50, 50, 1800, 1800]],
    )
    beside = [person(2, x=1500 + n, track=n, score=1.0) for n in range(2)]
    result = posetrack_mot(
        *pair(truth, pred[:3] + beside + pred[6:], num=3, _2=region)
    )
    assert result['mota']['nose'] == pytest.approx(50)
    assert result['pre']['neck'] == pytest.approx(50)
    # People without a joint are people: the joints are missed one by one.
    empty = person(2, joints=(), score=1.0)
    result = posetrack_mot(*pair(truth, pred[:3] + [empty] + pred[6:], num=3))
    assert result['mota']['nose'] == result['mota']['neck'] == 50
    assert result['pre']['nose'] == 100
    # But not beside an ignore region.
    corner = dict(ignore_regions_x=[[0, 1, 1]], ignore_regions_y=[[0, 0, 1]])
    result = posetrack_mot(
        *pair(truth, pred[:3] + [empty] + pred[6:], num=3, _2=corner)
    )
    assert result['pre']['nose'] == 75


def test_the_last_evaluated_frame_of_each_sequence_does_not_count():
    # Frame 4 is not labelled: 3 is the last.
    truth = frames((1, 2, 3))
    pred = frames((1, 2), score=1.0) + frames((3, 4), (8, 9), 1.0)
    assert totals(truth, pred, 4) == [100] * 4
    # Two true joints a class; one is missed, and one false for nobody.
    assert totals(truth, frames((1, 3, 4), score=1.0), 4) == [0, 100, 50, 50]
    assert totals(frames((1,)), frames((1,), score=1.0)) == [NAN] * 4


def test_people_who_swap_numbers():
    # Six true joints a class in frames 1 to 3, two switches in frame 2.
    truth = frames((1, 2, 3, 4), (0, 1))
    pred = frames((1,), (0, 1), 1.0) + frames((2, 3, 4), (1, 0), 1.0)
    assert totals(truth, pred, 4) == [100 * (1 - 2 / 6), 100, 100, 100]


def test_motp_counts_matched_distances_twice():
    # 15 pixels are a quarter of a head: 100 (1 - 2 / 4).
    truth = frames((1, 2))
    pred = [person(i, x=115, score=1.0) for i in (1, 2)]
    assert totals(truth, pred, 2) == [100, 50, 100, 100]
    # Another prediction within reach, at 24 pixels (0.4), is false, and its
    # distance counts once: 100 (1 - (0.25 + 0.25 + 0.4)).
    pred.append(person(1, x=76, track=1, score=1.0))
    assert totals(truth, pred, 2) == [0, pytest.approx(10), 50, 100]


def test_tracks_of_different_sequences_do_not_meet():
    truth, pred = pair(frames((1, 2)), frames((1, 2), (5,), 1.0), num=2)
    truth['b.json'] = truth['a.json']
    pred['b.json'] = pair([], frames((1, 2), (6,), 1.0), num=2)[1]['a.json']
    assert posetrack_mot(truth, pred)['mota']['total'] == 100


def test_joints_that_are_annotated_nowhere():
    joints = [j for j in EVALUATED if 'ankle' not in j]
    truth = [person(i, joints=joints) for i in (1, 2)]
    result = posetrack_mot(*pair(truth, frames((1, 2), score=1.0), num=2))
    for key, missing, total in (
        ('mota', NAN, 100),
        ('motp', 0, 1300 / 15),
        ('pre', 0, 1300 / 15),
        ('rec', NAN, 100),
    ):
        assert result[key]['left_ankle'] == pytest.approx(missing, nan_ok=True)
        assert result[key]['total'] == pytest.approx(total)
    # Neither annotated nor predicted: no precision, but a MOTP of 0.
    pred = [person(i, joints=joints, score=1.0) for i in (1, 2)]
    result = posetrack_mot(*pair(truth, pred, num=2))
    assert np.isnan(result['pre']['left_ankle'])
    assert result['pre']['total'] == pytest.approx(100)
    assert result['motp']['total'] == pytest.approx(1300 / 15)


@pytest.mark.parametrize('side', ['true', 'predicted'])
def test_people_without_track_id(side):
    truth, pred = frames((1, 2)), frames((1, 2), score=1.0)
    del (truth if side == 'true' else pred)[1]['track_id']
    with pytest.raises(ValueError) as error:
        posetrack_mot(*pair(truth, pred, num=2))
    assert str(error.value).startswith(f'a.json: a {side} person has no')


def counts(*updates):
    joint = JointTrackCounts()
    for truth, pred, distances in updates:
        joint.update(
            truth, pred, np.array(distances, float).reshape(len(pred), -1)
        )
    return joint


def test_as_many_as_possible_are_matched():
    # The nearest pair, 0.1, would leave the other two alone.
    joint = counts(([0, 1], [5, 6], [[0.1, 0.3], [0.2, NAN]]))
    assert (joint.matches, joint.switches) == (2, 0)
    assert joint.distance == pytest.approx(0.5)
    assert joint.candidates == pytest.approx(0.6)
    # Of two ways to match both, the shorter.
    joint = counts(([0, 1], [5, 6], [[0.1, 0.3], [0.2, 0.1]]))
    assert joint.distance == pytest.approx(0.2)


def test_a_match_is_kept_while_it_is_near_enough():
    start = ([0], [5], [[0.1]])
    joint = counts(start, ([0], [6, 5], [[0], [0.4]]))
    assert (joint.matches, joint.switches) == (2, 0)
    assert joint.distance == pytest.approx(0.5)
    joint = counts(start, ([0], [6, 5], [[0], [NAN]]))
    assert (joint.matches, joint.switches) == (2, 1)
    assert joint.distance == pytest.approx(0.1)


def test_matches_outlive_gaps():
    start, gap = ([0], [5], [[0.1]]), ([], [5, 6], np.zeros((2, 0)))
    assert counts(start, gap, ([0], [5], [[0.1]])).switches == 0
    assert counts(start, gap, ([0], [6], [[0.1]])).switches == 1
    # Also when the prediction has been somebody else's in between.
    joint = counts(start, ([1], [5], [[0.1]]), ([0], [5], [[0.1]]))
    assert (joint.matches, joint.switches) == (3, 0)


def test_switching_back_is_a_switch():
    joint = counts(
        ([0], [5], [[0.1]]), ([0], [6], [[0.1]]), ([0], [5], [[0.1]])
    )
    assert (joint.matches, joint.switches) == (3, 2)


def test_one_number_for_two_true_people():
    # It happens; the second is another match of the first. 5 goes on in the
    # second frame, and 6 is a switch again.
    joint = counts(
        ([0, 0], [5, 6], [[0.1, NAN], [NAN, 0.1]]),
        ([0, 0], [6, 5], [[0.1, NAN], [NAN, 0.1]]),
    )
    assert (joint.matches, joint.switches) == (4, 2)


@pytest.mark.parametrize(
    'updates, further',
    [
        # Another track that nobody has had: once more.
        ([([0], [5], [[0.1]]), ([0], [6], [[0.2]])], 0.2),
        # A track that somebody else had last, an own one before: once more.
        (
            [
                ([0, 1], [5, 6], [[0.1, NAN], [NAN, 0.1]]),
                ([0, 1], [6], [[0.2, NAN]]),
            ],
            0.2,
        ),
        # For the first track of a person it is twice more.
        ([([0], [5], [[0.1]]), ([1], [5], [[0.2]])], 0.4),
        # Who goes on with a track does not take it back: it stays person 1's.
        (
            [
                ([0], [5], [[0.1]]),
                ([1], [5], [[0.2]]),
                ([0], [5], [[0.3]]),
                ([1], [6], [[0.1]]),
                ([1], [5], [[0.3]]),
            ],
            0.4 + 0.1,
        ),
        # Back to an own track that nobody else had: not the .3.
        ([([0], [5], [[0.1]]), ([0], [6], [[0.2]]), ([0], [5], [[0.3]])], 0.2),
    ],
)
def test_distances_that_count_for_further_events(updates, further):
    assert counts(*updates).handovers == pytest.approx(further)


def test_scores_by_hand():
    # 3 true, 4 predicted, 2 matched, 1 of them a switch: 1 miss, 2 false.
    joint = counts(
        ([0], [5], [[0.1]]),
        ([0, 1], [6, 7, 8], [[0.2, NAN], [NAN, NAN], [NAN, NAN]]),
    )
    assert joint.scores() == (
        pytest.approx(1 - 4 / 3),
        pytest.approx(1 - 0.8 / 2),
        2 / 4,
        2 / 3,
    )
    assert counts(([], [5], np.zeros((1, 0)))).scores() == (
        pytest.approx(NAN, nan_ok=True),
        0,
        0,
        pytest.approx(NAN, nan_ok=True),
    )
    assert np.isnan(JointTrackCounts().scores()).all()
