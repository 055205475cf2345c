# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import dataclasses

import numpy as np
import pytest

from rpstn_mmpose.synthetic.difficulty import PRESETS, get_difficulty
from rpstn_mmpose.synthetic.occluders import Occluder
from rpstn_mmpose.synthetic.render import behind_own_torso
from rpstn_mmpose.synthetic.sampling import sample_actor, sample_scene
from rpstn_mmpose.synthetic.scene import (
    BY_ITSELF,
    BY_OCCLUDER,
    BY_PERSON,
    OUTSIDE,
    VISIBLE,
)
from rpstn_mmpose.synthetic.skeleton import POINT_INDEX, POINTS, Body

ONE_PERSON = dataclasses.replace(PRESETS['default'], distractor=0.0)


def without(scene, **changes):
    """The same scene less some things and the camera's noise."""
    return dataclasses.replace(
        scene, grain=0 * scene.grain, gains=1 + 0 * scene.gains, **changes
    )


def pixels_at(picture, keypoints):
    where = np.rint(keypoints).astype(int)
    return picture[where[:, 1], where[:, 0]].astype(float)


def test_joints_lie_on_the_drawn_person():
    for video in range(12):
        scene, _ = sample_scene(3, video=video, difficulty=ONE_PERSON)
        scene = without(scene, occluders=[])
        empty = without(scene, actors=[])
        for (picture, (truth,)), (floor, _) in zip(
            scene.frames(), empty.frames()
        ):
            inside = truth['hidden_by'] != OUTSIDE
            where = np.rint(truth['keypoints'][inside]).astype(int)
            mask = truth['mask']
            near = [
                mask[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].any()
                for x, y in where
            ]
            assert all(near)
            # The person's own pixels are what changed in the picture.
            changed = np.abs(picture.astype(int) - floor).max(axis=2) > 12
            assert changed[mask].mean() > 0.9
            assert changed[~mask].mean() < 0.06


def test_occluded_joints_are_painted_over_and_visible_ones_are_not():
    """Compare with the same video without people, and without occluders."""
    covered, free = [], []
    for video in range(12):
        scene, _ = sample_scene(4, video=video, difficulty=ONE_PERSON)
        # Standing still: a rim blurred by motion is half person, half thing.
        still = [
            dataclasses.replace(thing, velocity=np.zeros(2))
            for thing in scene.occluders
        ]
        scene = without(scene, occluders=still)
        full = without(scene).frames()
        nobody = without(scene, actors=[]).frames()
        nothing = without(scene, occluders=[]).frames()
        for (seen, (truth,)), (bare, _), (clear, _) in zip(
            full, nobody, nothing
        ):
            points = truth['keypoints']
            for reason, other, into in (
                (BY_OCCLUDER, bare, covered),
                (VISIBLE, clear, free),
            ):
                chosen = points[truth['hidden_by'] == reason]
                change = pixels_at(seen, chosen) - pixels_at(other, chosen)
                into.extend(np.abs(change).max(axis=1))
    assert len(covered) > 50 and len(free) > 200
    # Only joints under the anti-aliased rim show a bit of both.
    assert np.mean(np.array(covered) <= 2) > 0.9
    assert np.mean(np.array(free) <= 2) > 0.95


def test_an_occluder_in_front_of_everything_hides_all_joints():
    scene, _ = sample_scene(2, difficulty=ONE_PERSON)
    half = (300.0, 300.0)
    wall = Occluder(
        kind='board',
        moment=0.0,
        anchor=np.array([96.0, 72.0]),
        velocity=np.zeros(2),
        angle=0.0,
        spin=0.0,
        outline=np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half[0],
        half=half,
        texture=np.full((4, 4, 3), 99, np.float32),
    )
    scene = without(scene, occluders=[wall])
    for picture, (truth,) in scene.frames():
        assert set(truth['hidden_by']) <= {BY_OCCLUDER, OUTSIDE}
        assert truth['visible'].sum() == 0 and not truth['mask'].any()
        assert np.abs(picture.astype(int) - 99).max() <= 1


def test_the_nearer_of_two_people_hides_the_other():
    easy = get_difficulty('easy')
    scene, _ = sample_scene(2, difficulty=easy)
    far = sample_actor((0, 'demo', 0), 0, 2, scene.size, easy)
    near = sample_actor((0, 'demo', 0), 0, 2, scene.size, easy)
    scene = without(scene, actors=[far, near], occluders=[])
    for _, (behind, front) in scene.frames():
        inside = behind['hidden_by'] != OUTSIDE
        assert (behind['hidden_by'][inside] == BY_PERSON).mean() > 0.9
        assert BY_PERSON not in front['hidden_by']
        assert not (behind['mask'] & front['mask']).any()


def standing_points():
    """Facing the camera, hand-made: torso 40 x 60 pixels, depth 0."""
    points = np.zeros((len(POINTS), 3))
    for name, place in dict(
        left_shoulder=(120, 50, 0),
        right_shoulder=(80, 50, 0),
        left_hip=(115, 110, 0),
        right_hip=(85, 110, 0),
    ).items():
        points[POINT_INDEX[name]] = place
    return points


@pytest.mark.parametrize(
    'wrist, hidden',
    [
        ((100, 80, 30), True),  # behind the back
        ((100, 80, -30), False),  # in front of the belly
        ((160, 80, 30), False),  # behind, but beside the torso
    ],
)
def test_the_own_torso_hides_what_is_behind_it(wrist, hidden):
    points = standing_points()
    for name in ('left_elbow', 'right_elbow', 'right_wrist'):
        points[POINT_INDEX[name]] = (0, 0, 0)
    points[POINT_INDEX['left_wrist']] = wrist
    result = behind_own_torso(points, Body(), 200.0)
    assert result[POINT_INDEX['left_wrist']] == hidden
    assert result.sum() == hidden


def test_a_hand_behind_the_back_is_labelled_hidden_by_itself():
    reasons = set()
    for video in range(30):
        scene, _ = sample_scene(1, video=video, difficulty='easy')
        for _, (truth,) in without(scene, occluders=[]).frames(draw=False):
            reasons |= set(truth['hidden_by'])
    assert BY_ITSELF in reasons and BY_OCCLUDER not in reasons


def test_truth_is_the_same_with_and_without_pictures():
    scene, _ = sample_scene(5, video=3)
    for (picture, drawn), (nothing, counted) in zip(
        scene.frames(), scene.frames(draw=False)
    ):
        assert picture.shape == (144, 192, 3) and picture.dtype == np.uint8
        assert nothing is None
        for one, other in zip(drawn, counted):
            for key, value in one.items():
                np.testing.assert_array_equal(value, other[key])
