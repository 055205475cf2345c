# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.synthetic.appearance import Appearance, direction_bins
from rpstn_mmpose.synthetic.render import DRAWN_PARTS, camera_angle


@pytest.mark.parametrize(
    'forward, angle',
    [
        ((0, 0, -1), 0),  # faces the camera
        ((0, 0, 1), np.pi),
        ((-1, 0, 0), np.pi / 2),  # faces left: shows its left side
        ((1, 0, 0), -np.pi / 2),
    ],
)
def test_camera_angle_of_an_upright_part(forward, angle):
    down = np.array([0.0, 1.0, 0.0])
    measured = camera_angle(down, np.array(forward, float))
    assert np.cos(measured - angle) == pytest.approx(1)


@pytest.mark.parametrize('part', ['head', 'torso'])
def test_front_and_back_differ_for_everybody(part):
    front, back = direction_bins(np.array([0.0, np.pi]))
    for seed in range(20):
        person = Appearance(np.random.default_rng(seed))
        difference = np.abs(
            person.view(part, int(front)) - person.view(part, int(back))
        )
        assert (difference.max(axis=2) > 25).mean() > 0.06


def test_people_wear_different_clothes():
    shirts = [
        Appearance(np.random.default_rng(seed)).view('torso', 0).mean((0, 1))
        for seed in range(30)
    ]
    distance = np.abs(np.array(shirts)[:, None] - np.array(shirts)).sum(-1)
    distance += 1e3 * np.eye(30)
    assert np.median(distance.min(axis=1)) > 5


def test_all_parts_have_textures():
    person = Appearance(np.random.default_rng(0))
    for part in DRAWN_PARTS:
        texture = person.view(part, 5)
        assert texture.min() >= 0 and texture.max() <= 255
