# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The figures of PoseTrack's official program, in every corner of it."""

import json

import numpy as np
import pytest

from rpstn_mmpose.evaluation import (
    load_posetrack_dir,
    posetrack_ap,
    posetrack_mot,
)
from tests.real_data import require_case, require_real_data
from tests.test_evaluation.official_posetrack import (
    joint_events,
    official_ap,
    official_mot,
    videos,
)
from tests.test_evaluation.posetrack_files import IGNORED, pair, person
from tests.test_evaluation.posetrack_random import random_contents

SEEDS = range(120)


def assert_same(result, expected):
    assert list(result) == list(expected)
    for key, values in result.items():
        assert set(values) == set(expected[key])
        for joint, value in values.items():
            assert value == pytest.approx(
                expected[key][joint], rel=0, abs=1e-9, nan_ok=True
            ), (key, joint)


@pytest.mark.parametrize('first', SEEDS[::20])
def test_random_sequences(first):
    for seed in range(first, first + 20):
        contents = random_contents(np.random.default_rng(seed))
        assert_same(posetrack_ap(*contents), official_ap(*contents))
        assert_same(posetrack_mot(*contents), official_mot(*contents))


def test_random_sequences_have_every_corner():
    """Otherwise the test above would say less than it seems to."""
    seen = dict.fromkeys(
        (
            'SWITCH',
            'ASCEND',
            'TRANSFER',
            'MIGRATE',
            'nobody predicted',
            'all ignored',
            'somebody without a joint',
            'listed twice',
            'true track twice',
            'one frame',
            'never found',
            'nowhere annotated',
            'without scores',
            'flag 0',
            'corner',
            'equal scores',
        ),
        0,
    )
    for seed in SEEDS:
        truth, pred = random_contents(np.random.default_rng(seed))
        for corner in corners(truth, pred):
            seen[corner] += 1
    assert min(seen.values()) >= 10, seen


def corners(truth, pred):
    """Of one pair of folders, each once."""
    found = set()
    for video in videos(truth, pred):
        if len(video) == 1:
            found.add('one frame')
        for people, guesses in video[:-1]:
            tracks = [person['track'] for person in people]
            found.update(
                name
                for name, there in (
                    ('all ignored', not people),
                    ('nobody predicted', people and not guesses),
                    ('true track twice', len(set(tracks)) < len(tracks)),
                    (
                        'somebody without a joint',
                        not all(p['points'] for p in people + guesses),
                    ),
                    (
                        'corner',
                        any((0, 0) in p['points'].values() for p in people),
                    ),
                )
                if there
            )
        for joint in range(15):
            found.update(
                kind
                for kind, _ in joint_events(video[:-1], joint)
                if kind in ('SWITCH', 'ASCEND', 'TRANSFER', 'MIGRATE')
            )
    for content in truth.values():
        if len({i['id'] for i in content['images']}) < len(content['images']):
            found.add('listed twice')
        if any(
            x and flag == 0
            for p in content['annotations']
            for x, flag in zip(p['keypoints'][::3], p['keypoints'][2::3])
        ):
            found.add('flag 0')
    scores = [
        score
        for content in pred.values()
        for p in content['annotations']
        for score in p.get('scores', [])
    ]
    if len(set(scores)) < len(scores):
        found.add('equal scores')
    if any(
        not p.get('scores')
        for content in pred.values()
        for p in content['annotations']
    ):
        found.add('without scores')
    figures = official_ap(truth, pred)
    if any(np.isnan(value) for value in figures['ap'].values()):
        found.add('nowhere annotated')
    if 0 in figures['rec'].values():
        found.add('never found')
    return found


@pytest.mark.parametrize(
    'kind, evaluate', [('AP', official_ap), ('MOT', official_mot)]
)
def test_the_rules_as_restated_are_the_official_ones(kind, evaluate):
    folder = require_real_data('posetrack_eval_sample')
    official = json.loads((folder / f'total_{kind}_metrics.json').read_text())
    names = official.pop('names')
    assert_same(
        evaluate(
            load_posetrack_dir(folder / 'gt'),
            load_posetrack_dir(folder / 'pred'),
        ),
        {
            key: {joint: values[int(i)] for i, joint in names.items()}
            for key, values in official.items()
        },
    )


# What the official program prints: AP, precision, recall; MOTA, MOTP,
# precision, recall. All joints are alike.
CASES = dict(
    posetrack_frame_without_predictions=(75, 100, 75, 60, 80, 80, 80),
    posetrack_frame_all_ignored=(100, 100, 100, 100 / 3, 80, 200 / 3, 200 / 3),
    posetrack_equal_scores=(25, 50, 50, 100, 80, 100, 100),
    posetrack21_truth=(100, 100, 100, 100, 100, 100, 100),
)


def figures(truth, pred):
    ap, mot = posetrack_ap(truth, pred), posetrack_mot(truth, pred)
    for values in (*ap.values(), *mot.values()):
        np.testing.assert_allclose(list(values.values()), values['total'])
    return [
        pytest.approx(values['total'])
        for values in (*ap.values(), *mot.values())
    ]


@pytest.mark.parametrize('case', CASES)
def test_cases(case):
    folder = require_case(case)
    assert list(CASES[case]) == figures(folder / 'gt', folder / 'pred')


def people(numbers, tracks=(0,), score=None, **kwargs):
    """Heads are 60 pixels: 6 pixels aside are a tenth, twice in MOTP."""
    aside = 0 if score is None else 6
    return [
        person(
            i, x=100 + 400 * track + aside, track=track, score=score, **kwargs
        )
        for i in numbers
        for track in tracks
    ]


@pytest.mark.parametrize(
    'case, truth, pred, images',
    [
        (
            'posetrack_frame_without_predictions',
            people((1, 2, 3, 4), (0, 1)),
            people((1, 3, 4), (0, 1), 1.0),
            {},
        ),
        (
            'posetrack_frame_all_ignored',
            people((1, 2, 3, 4)),
            people((1, 2, 3, 4), score=1.0),
            dict(_2=IGNORED),
        ),
        (
            'posetrack_equal_scores',
            people((1, 2)),
            people((1,), score=0.5) + [person(2, x=900, score=0.5)],
            {},
        ),
    ],
)
def test_cases_made_here(case, truth, pred, images):
    assert list(CASES[case]) == figures(*pair(truth, pred, num=4, **images))


def test_a_track_twice_in_a_frame():
    folder = require_case('posetrack_track_twice_in_frame')
    with pytest.raises(
        ValueError,
        match=r'000001_mpii_test.json: track_id .* '
        r'twice in image \d+ \(.*\.jpg',
    ) as error:
        posetrack_mot(folder / 'gt', folder / 'pred')
    assert '\n' not in str(error.value)
