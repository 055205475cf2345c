# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import copy
import json

import numpy as np
import pytest

from rpstn_mmpose.evaluation import (
    POSETRACK_JOINTS,
    load_posetrack_dir,
    posetrack_ap,
    posetrack_columns,
    posetrack_table,
)
from tests.real_data import require_real_data
from tests.test_evaluation.posetrack_files import (
    EVALUATED,
    IGNORED,
    pair,
    person,
)


def totals(*args, **kwargs):
    """AP, precision and recall of all joints; all joints are alike."""
    result = posetrack_ap(*pair(*args, **kwargs))
    for values in result.values():
        assert len(values) == 16
        np.testing.assert_allclose(list(values.values()), values['total'])
    return [pytest.approx(result[k]['total']) for k in ('ap', 'pre', 'rec')]


def test_official_program():
    folder = require_real_data('posetrack_eval_sample')
    official = json.loads((folder / 'total_AP_metrics.json').read_text())
    result = posetrack_ap(folder / 'gt', folder / 'pred')
    assert list(result) == ['ap', 'pre', 'rec']
    for key, values in result.items():
        assert set(values) == set(official['names'].values())
        for number, joint in official['names'].items():
            assert values[joint] == pytest.approx(
                official[key][int(number)], abs=1e-3
            ), (key, joint)


def real_annotations():
    return load_posetrack_dir(
        require_real_data('mmpose_samples')
        / 'posetrack18'
        / 'annotations'
        / 'val'
    )


def test_perfect_predictions_of_real_annotations():
    truth = real_annotations()
    assert len(truth) == 3
    result = posetrack_ap(truth, copy.deepcopy(truth))
    for values in result.values():
        np.testing.assert_allclose(list(values.values()), 100)


def test_no_predictions_for_real_annotations():
    truth = real_annotations()
    empty = {name: dict(c, annotations=[]) for name, c in truth.items()}
    for values in posetrack_ap(truth, empty).values():
        assert set(values.values()) == {0.0}


def test_a_joint_at_the_threshold_is_right():
    assert totals([person(1)], [person(1, x=130, score=1.0)]) == [100] * 3
    assert totals([person(1)], [person(1, x=130.01, score=1.0)]) == [0] * 3


def test_average_precision_by_hand():
    # Right, wrong, right, in the order of the scores: precision 1, 1/2, 2/3
    # at recall 1/3, 1/3, 2/3.
    truth = [person(i) for i in (1, 2, 3)]
    pred = [
        person(1, score=0.9),
        person(2, x=500, score=0.8),
        person(3, score=0.7),
    ]
    third = 100 / 3
    assert totals(truth, pred, num=3) == [
        third * (1 + 2 / 3),
        2 * third,
        2 * third,
    ]


def test_precision_is_made_monotonic():
    # Wrong, right, right: precision 0, 1/2, 2/3 at recall 0, 1/2, 1. As it
    # is, it would be 7/12.
    pred = [
        person(1, x=500, score=0.9),
        person(1, score=0.8),
        person(2, score=0.7),
    ]
    third = 100 / 3
    assert totals([person(1), person(2)], pred, num=2) == [
        2 * third,
        2 * third,
        100,
    ]
    # The best one behind, not the next: right, 3 wrong, right, right.
    pred = [person(1, score=0.9), person(2, score=0.5), person(3, score=0.4)]
    pred += [person(i, x=500, score=0.8, track=1) for i in (1, 2, 3)]
    assert totals([person(i) for i in (1, 2, 3)], pred, num=3) == [
        pytest.approx(third * (1 + 1 / 2 + 1 / 2)),
        50,
        100,
    ]


def test_of_equal_scores_the_later_one_ranks_first():
    truth = [person(1), person(2)]
    for score in (0.5, 0.0, None):
        right, wrong = person(1, score=1.0), person(2, x=500, score=1.0)
        for pred in (right, wrong):
            pred['scores'] = [] if score is None else [score] * 17
        # Wrong, right: precision 0, 1/2 at recall 0, 1/2.
        assert totals(truth, [right, wrong], num=2) == [25, 50, 50]
        # By image, not by place in the file.
        assert totals(truth, [wrong, right], num=2) == [25, 50, 50]
    # In one image by place in the file.
    pred = [person(1, score=0.5), person(1, x=500, score=0.5)]
    assert totals(truth[:1], pred) == [50, 50, 100]
    assert totals(truth[:1], pred[::-1]) == [100, 50, 100]


def test_people_in_another_order():
    truth = [person(1, x=100, track=0), person(1, x=500, track=1)]
    pred = [person(1, x=500, score=0.5), person(1, x=100, score=0.5)]
    assert totals(truth, pred) == [100] * 3


def test_duplicates_are_false():
    # The better one is listed first: it wins, with equal parts, and the
    # other ranks behind it.
    pred = [person(1, score=0.9), person(1, x=110, score=0.8)]
    assert totals([person(1)], pred) == [100, 50, 100]
    # The winner's scores are lower here: wrong, right.
    pred = [person(1, score=0.7), person(1, x=110, score=0.8)]
    assert totals([person(1)], pred) == [50, 50, 100]


def test_a_prediction_belongs_to_one_person_only():
    # The prediction fits both of A's joints, and 15 of B's 15: of equal
    # parts, the first. It is B's no more.
    few = ['nose', 'head_top']
    truth = [person(1, joints=few), person(1, x=120, track=1)]
    result = posetrack_ap(*pair(truth, [person(1, score=1.0)]))
    assert result['rec']['nose'] == 50 and result['rec']['neck'] == 0
    assert result['pre']['nose'] == 100 and result['pre']['neck'] == 0
    # One of A's joints less, and B has the larger part.
    pred = person(1, score=1.0, joints=[j for j in EVALUATED if j != 'nose'])
    result = posetrack_ap(*pair(truth, [pred]))
    assert result['rec']['nose'] == 0 and result['rec']['neck'] == 100


def test_joints_are_judged_one_by_one():
    pred = person(1, score=1.0)
    pred['keypoints'][0] += 31  # the nose
    result = posetrack_ap(*pair([person(1)], [pred]))
    assert result['ap'].pop('nose') == 0
    assert result['ap'].pop('total') == pytest.approx(1400 / 15)
    assert set(result['ap'].values()) == {100.0}


SQUARE = dict(
    ignore_regions_x=[[400, 600, 600, 400]],
    ignore_regions_y=[[0, 0, 3000, 3000]],
)


def test_ignore_regions_free_predictions_and_truth():
    pred = [person(1, score=0.5), person(1, x=500, score=0.9)]
    assert totals([person(1)], pred) == [50, 50, 100]
    assert totals([person(1)], pred, _1=SQUARE) == [100] * 3
    # The person in it does not have to be found.
    truth = [person(1), person(1, x=500)]
    assert totals(truth, pred[:1], _1=SQUARE) == [100] * 3


@pytest.mark.parametrize('step', [1, -1])
@pytest.mark.parametrize(
    'x, y, inside',
    [
        (400, 100, False),
        (600, 100, False),
        (500, 0, False),
        (500, 3000, False),
        (400, 0, False),
        (600, 3000, False),
        (500, 1, True),
        (401, 100, True),
    ],
)
def test_the_border_of_an_ignore_region_is_not_inside(x, y, inside, step):
    region = {key: [value[0][::step]] for key, value in SQUARE.items()}
    pred = person(1, score=1.0)
    pred['keypoints'][:2] = [x, y]
    result = posetrack_ap(
        *pair(
            [person(1), person(2)],
            [pred, person(2, score=1.0)],
            num=2,
            _1=region,
        )
    )
    # Frame 1's nose is missed in any case, and false only outside.
    assert result['rec']['nose'] == 50
    assert result['pre']['nose'] == (100 if inside else 50)


def test_ignore_regions_with_notches():
    # A U: the notch between 450 and 550 is outside, whoever draws it.
    shape = [
        [400, 450, 450, 550, 550, 600, 600, 400],
        [0, 0, 2500, 2500, 0, 0, 3000, 3000],
    ]
    for step in (1, -1):
        region = dict(
            ignore_regions_x=[shape[0][::step]],
            ignore_regions_y=[shape[1][::step]],
        )
        for x, inside in ((425, True), (500, False), (575, True)):
            pred = [person(1, score=0.5), person(1, x=x, score=0.9)]
            assert totals([person(1)], pred, _1=region) == [
                100 if inside else 50,
                100 if inside else 50,
                100,
            ]


def test_a_frame_that_is_all_ignored_still_has_false_predictions():
    # The official program drops frames without people first, ignore regions
    # after that.
    truth = [person(1), person(2, x=500)]
    pred = [person(1, score=0.5), person(2, x=700, score=0.9)]
    assert totals(truth, pred, num=2, _2=SQUARE) == [50, 50, 100]


def test_unlabelled_frames_do_not_count():
    pred = [person(1, score=0.5), person(2, score=0.9)]
    assert totals([person(1)], pred, num=2) == [100] * 3
    assert totals([person(1), person(2, x=700)], pred, num=2) == [25, 50, 50]


def test_frames_without_predictions_are_misses():
    assert totals([person(1), person(2)], [person(1, score=1.0)], num=2) == [
        50,
        100,
        50,
    ]


def test_people_with_an_empty_head_box_are_not_found():
    truth = dict(person(1), bbox_head=[10, 10, 0, 0])
    assert totals(
        [truth, person(2)], [person(1, score=0.5), person(2, score=0.9)], num=2
    ) == [50, 50, 50]
    # Not empty: 80 pixels high, so that the head's size is 48.
    truth['bbox_head'] = [10, 10, 0, 80]
    assert totals([truth], [person(1, x=124, score=0.5)]) == [100] * 3
    assert totals([truth], [person(1, x=125, score=0.5)]) == [0] * 3


@pytest.mark.parametrize('head', [None, [], 'left out'])
def test_people_without_a_head_box_are_one_line(head):
    truth = dict(person(1), bbox_head=head)
    if head == 'left out':
        del truth['bbox_head']
    for pred in ([person(1, score=1.0)], []):
        with pytest.raises(
            ValueError,
            match="^gt/a.json: a person of image 1 has no 'bbox_head'",
        ):
            posetrack_ap(*pair([truth], pred))
    # Of whom nothing is compared it is not asked.
    pred = [person(1, score=1.0), person(2, score=1.0)]
    truth = [truth, person(2)]
    assert totals(truth, pred, num=2, _1=IGNORED) == [100] * 3
    truth[0]['keypoints'] = [0] * 51
    assert totals(truth, pred, num=2) == [100, 50, 100]


def test_joints_that_are_annotated_nowhere():
    legs = [j for j in EVALUATED if 'ankle' not in j]
    result = posetrack_ap(
        *pair([person(1, joints=legs)], [person(1, score=1.0)])
    )
    for key in ('ap', 'rec'):
        assert np.isnan(result[key]['left_ankle'])
        assert result[key]['total'] == pytest.approx(100)
    # Two of 15 joints have predictions, all of them false.
    assert result['pre']['total'] == pytest.approx(1300 / 15)
    columns = posetrack_columns(result['ap'])
    assert list(columns) == [
        'Head',
        'Shou',
        'Elb',
        'Wri',
        'Hip',
        'Knee',
        'Ankl',
        'Total',
    ]
    assert np.isnan(columns.pop('Ankl'))
    np.testing.assert_allclose(list(columns.values()), 100)
    # Nor predicted: 0, which counts in the total.
    result = posetrack_ap(
        *pair([person(1, joints=legs)], [person(1, joints=legs, score=1.0)])
    )
    for values in result.values():
        assert values['left_ankle'] == 0
        assert values['total'] == pytest.approx(1300 / 15)


def test_columns_are_means_of_their_joints():
    values = {joint: float(i) for i, joint in enumerate(POSETRACK_JOINTS)}
    # In the official order: ankles 0 and 5, knees 1 and 4, hips 2 and 3,
    # wrists 6 and 11, elbows 7 and 10, shoulders 8 and 9, head 12 to 14.
    assert posetrack_columns(dict(values, total=7.0)) == dict(
        Head=13.0,
        Shou=8.5,
        Elb=8.5,
        Wri=8.5,
        Hip=2.5,
        Knee=2.5,
        Ankl=2.5,
        Total=7.0,
    )
    # The official table has none where one of the joints has none.
    values.update(left_hip=np.nan, total=7.0)
    assert np.isnan(posetrack_columns(values)['Hip'])


def test_table():
    values = dict.fromkeys(POSETRACK_JOINTS, 100.0)
    values.update(left_hip=50.0, left_knee=np.nan, total=9)
    assert posetrack_table(dict(AP=values)).splitlines() == [
        '     Head   Shou    Elb    Wri   Hip  Knee   Ankl  Total',
        'AP  100.0  100.0  100.0  100.0  75.0     -  100.0    9.0',
    ]
