# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.evaluation.functional.hieve_ap import (
    PredictedPeople,
    TruePeople,
    crowd_index,
    frame_weight,
    held_counts,
    hieve_ap,
    reference_lengths,
)
from rpstn_mmpose.evaluation.functional.pose_pairing import pair_people

LEFT, RIGHT = [5, 6, 7, 11, 12, 13], [2, 3, 4, 8, 9, 10]
SIZE = 10.0


def pose(x=0.0):
    """14 joints, each 20 or more from all others; sizes are 10."""
    points = np.stack([np.arange(14) % 3 * 30.0 + x, np.arange(14) * 20.0], 1)
    return points.astype(float)


def swapped(points):
    """12 of 14 joints at the place of the other side's."""
    points = points.copy()
    points[LEFT + RIGHT] = points[RIGHT + LEFT]
    return points


def moved(points, number, by=500.0):
    """The last joints somewhere else."""
    points = points.copy()
    points[len(points) - number :, 0] += by
    return points


def truth(*people, visible=None):
    points = np.reshape(people, (-1, 14, 2))
    seen = np.ones(points.shape[:2], bool)
    if visible is not None:
        seen &= visible
    sizes = np.full(len(points), SIZE)
    return TruePeople(points, seen, sizes, np.full(len(points), 1000.0))


def guess(*people, scores=None):
    points = np.reshape(people, (-1, 14, 2))
    scores = np.array(
        np.ones(len(points)) if scores is None else scores, float
    )
    return PredictedPeople(points, np.tile(scores[:, None], 14), scores)


NOBODY = np.zeros((0, 14, 2))
A, B = pose(), pose(1000.0)


def ap(frames, threshold=0.5, **kwargs):
    return hieve_ap(frames, thresholds=(threshold,), **kwargs)


def test_two_people_one_swapped():
    """B's sides are swapped: 2 of 14 joints are right. Where B ranks first,
    the right one comes second of two: precision 1/2 at recall 1/2."""
    for scores, expected in (((0.6, 0.9), 25), ((0.9, 0.6), 50)):
        frames = [(truth(A, B), guess(A, swapped(B), scores=scores))]
        result = hieve_ap(frames)
        assert list(result) == ['AP@avg', 'AP@0.5', 'AP@0.75', 'AP@0.9']
        assert list(result.values()) == pytest.approx([expected] * 4)
    assert ap(frames, 2 / 14)['AP@0.142857'] == pytest.approx(100)
    # Each is the other: both are found, whatever their order.
    frames = [(truth(A, B), guess(B, A, scores=(0.6, 0.9)))]
    assert hieve_ap(frames)['AP@avg'] == pytest.approx(100)


def test_the_part_of_right_joints_falls_as_published_tables_do():
    """14, 13, 12 and 7 of 14 joints: 1, 0.929, 0.857 and 0.5."""
    people = [pose(1000.0 * i) for i in range(4)]
    guesses = [moved(p, n) for p, n in zip(people, (0, 1, 2, 7))]
    frames = [(truth(*people), guess(*guesses, scores=(4, 3, 2, 1)))]
    result = hieve_ap(frames)
    assert result['AP@0.5'] == pytest.approx(100)
    assert result['AP@0.75'] == pytest.approx(75)
    assert result['AP@0.9'] == pytest.approx(50)
    assert result['AP@avg'] == pytest.approx(75)


def test_only_visible_joints_count():
    """5 of 10 visible joints are right; the hidden 4, all wrong, say
    nothing. A person without a visible joint is nobody to be found."""
    visible = np.ones((2, 14), bool)
    visible[0, 10:] = False
    visible[1] = False
    people = truth(A, B, visible=visible)
    frames = [(people, guess(moved(A, 9)))]
    assert ap(frames)['AP@0.5'] == pytest.approx(100)
    assert ap(frames, 0.51)['AP@0.51'] == 0
    # but whoever is predicted there is false, and ranks behind here
    frames = [(people, guess(A, B, scores=(2, 1)))]
    assert ap(frames)['AP@0.5'] == pytest.approx(100)
    frames = [(people, guess(A, B, scores=(1, 2)))]
    assert ap(frames)['AP@0.5'] == pytest.approx(50)


def test_one_guess_for_each_person():
    """The second of two guesses of A is false, as is one in a frame of
    nobody: right, false, false, of 2 true people."""
    frames = [
        (truth(A, B), guess(A, moved(A, 3), scores=(0.9, 0.8))),
        (truth(NOBODY), guess(A, scores=[0.7])),
    ]
    assert ap(frames)['AP@0.5'] == pytest.approx(50)
    assert np.isnan(ap(frames[1:])['AP@0.5'])
    frames = [(truth(A), guess(NOBODY))]
    assert ap(frames)['AP@0.5'] == 0


def test_unit_weights_give_ap():
    random = np.random.RandomState(0)
    frames = []
    for _ in range(20):
        people = [pose(1000.0 * i) for i in range(random.randint(4))]
        guesses = [moved(p, random.randint(14)) for p in people]
        guesses += [pose(-1000.0)] * random.randint(2)
        pair = truth(*people) if people else truth(NOBODY)
        frames.append(
            (
                pair,
                guess(
                    *(guesses or [NOBODY]), scores=random.rand(len(guesses))
                ),
            )
        )
    for definition in ('pckh-part', 'joint-distance', 'oks'):
        result = hieve_ap(
            frames, definition, weights=np.ones(20), sigmas=np.full(14, 0.1)
        )
        assert len(result) == 8 and 0 < result['AP@avg'] < 100
        for name in ('avg', '0.5', '0.75', '0.9'):
            assert result[f'w-AP@{name}'] == pytest.approx(
                result[f'AP@{name}'], abs=1e-9
            )


def test_one_crowded_frame():
    """Weight 3: A, found. Weight 1: B, missed by a guess that ranks first.
    By weight 3 of 4 people are found, at precision 3/4."""
    frames = [
        (truth(A), guess(A, scores=[0.6])),
        (truth(B), guess(moved(B, 12), scores=[0.9])),
    ]
    result = ap(frames, weights=[3, 1])
    assert result['AP@0.5'] == pytest.approx(25)
    assert result['w-AP@0.5'] == pytest.approx(100 * 0.75 * 0.75)
    # a weight is as many equal frames
    expected = ap([frames[0]] * 3 + [frames[1]])
    assert result['w-AP@0.5'] == pytest.approx(expected['AP@0.5'])
    result = ap(frames, weights=[1, 0])
    assert result['w-AP@0.5'] == pytest.approx(100)


def test_joint_distance():
    """Joints 6 pixels beside: 0.6 lengths. It rises with the threshold."""
    frames = [(truth(A, B), guess(A, B + [6.0, 0], scores=(0.5, 0.9)))]
    result = hieve_ap(frames, 'joint-distance')
    # of each kind, the false one ranks first: 1/2 of 1/2
    assert result['AP@0.5'] == pytest.approx(25)
    assert result['AP@0.75'] == result['AP@0.9'] == pytest.approx(100)
    # Joints of paired people that are not visible do not count; joints that
    # are not predicted are missed.
    visible = np.ones((1, 14), bool)
    visible[0, 7:] = False
    frames = [(truth(A, visible=visible), guess(moved(A, 7)))]
    result = ap(frames, definition='joint-distance')
    assert result['AP@0.5'] == pytest.approx(100)
    points = A.copy()
    points[0] = np.nan
    frames = [(truth(A), guess(points))]
    assert ap(frames, definition='joint-distance')['AP@0.5'] == pytest.approx(
        100 * 13 / 14
    )


def test_oks():
    """All joints d pixels beside: exp(-d^2 / (2 * 0.53 area * (2 s)^2))."""
    sigmas = np.full(14, 0.1)
    for similarity in (0.76, 0.74):
        distance = np.sqrt(
            -np.log(similarity) * 2 * 0.53 * 1000 * (2 * 0.1) ** 2
        )
        frames = [(truth(A), guess(A + [0, distance]))]
        result = ap(frames, 0.75, definition='oks', sigmas=sigmas)
        assert result['AP@0.75'] == (100 if similarity > 0.75 else 0)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(definition='pck'), "definition must be one of .* got 'pck'"),
        (dict(definition='oks'), "'oks' needs sigmas"),
        (dict(weights=[1, 2]), 'each of 1 frames'),
        (dict(weights=[-1]), 'a number of 0 or above'),
        (dict(weights=[np.nan]), 'a number of 0 or above'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        hieve_ap([(truth(A), guess(A))], **options)


def test_crowd_index_by_hand():
    """Boxes 0-10 and 8-20 wide. Of person 1's joints at x = 9, 12, 18 one is
    in box 0; of person 0's at 1 and 8.5 one in box 1, and one that is not
    labelled. A third person has a box alone: (1/2 + 1/3) / 2."""
    keypoints = np.zeros((3, 3, 2))
    keypoints[0, :, 0] = 1, 8.5, 9
    keypoints[1, :, 0] = 9, 12, 18
    labeled = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 0]], bool)
    boxes = np.array([[0, -5, 10, 5], [8, -5, 20, 5], [0, -5, 20, 5.0]])
    assert crowd_index(keypoints, labeled, boxes) == pytest.approx(5 / 12)
    assert crowd_index(keypoints[:1], labeled[:1], boxes[:1]) == 0
    assert crowd_index(keypoints, labeled & False, boxes) == 0
    assert crowd_index(keypoints[:0], labeled[:0], boxes[:0]) == 0


def test_frame_weights_by_hand():
    assert frame_weight(0, 0) == pytest.approx(3)
    assert frame_weight(np.log(2), 1) == pytest.approx(2 * 2 + np.e)
    assert frame_weight(0, 0, 'linear') == pytest.approx(3)
    assert frame_weight(0.25, 3, 'linear') == pytest.approx(2.5 + 4)
    with pytest.raises(ValueError, match="form must be one of .* 'square'"):
        frame_weight(0, 0, 'square')


def test_actions_hold_until_the_next_label():
    actions = {20: {'fighting', 'riding'}, 40: set(), 60: {'fighting', 'fall'}}
    counts = held_counts(actions, [0, 19, 20, 39, 40, 60, 61], ['fighting'])
    assert counts == [0, 0, 1, 1, 0, 1, 1]
    assert held_counts(actions, [70], ['fighting', 'fall']) == [2]
    assert held_counts({}, [0, 5], ['fighting']) == [0, 0]


def test_reference_lengths_by_hand():
    """Nose to chest 3-4-5; where one is not labelled, or both are in one
    place, 0.3 of the box's diagonal, 30-40-50."""
    keypoints = np.zeros((3, 3, 2))
    keypoints[:2, 2] = 3, 4
    labeled = np.array([[1, 0, 1], [1, 1, 0], [1, 1, 1]], bool)
    boxes = np.tile([10.0, 10, 40, 50], (3, 1))
    for reference, expected in (
        ('nose-chest', [5, 15, 15]),
        ('box', [15, 15, 15]),
    ):
        found = reference_lengths(keypoints, labeled, boxes, (0, 2), reference)
        assert found.tolist() == pytest.approx(expected)
    with pytest.raises(ValueError, match="one of .* got 'head'"):
        reference_lengths(keypoints, labeled, boxes, (0, 2), 'head')


def test_pairs():
    """The first of equal ones; nobody where nothing fits."""
    part = np.array([[0.5, 0.5], [0.5, 0.4], [0.1, 0.6], [0, 0]])
    assert pair_people(part).tolist() == [0, -1, 1, -1]
    assert pair_people(np.zeros((2, 0))).tolist() == [-1, -1]
