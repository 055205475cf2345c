# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.synthetic.canvas import Canvas
from rpstn_mmpose.synthetic.occluders import KINDS, Occluder, sample_occluders


def draw(seed, frames=10, rate=0.2):
    targets = np.full((frames, 13, 2), 70.0)
    rng = np.random.default_rng(seed)
    return sample_occluders(rng, targets, stature=100.0, rate=rate)


def test_arrivals_grow_with_rate_and_length():
    short = np.mean([len(draw(seed)) for seed in range(50)])
    long = np.mean([len(draw(seed, frames=98)) for seed in range(50)])
    # rate * (frames + 2 * 6), see sample_occluders.
    assert abs(short - 0.2 * 22) < 0.9
    assert abs(long - 0.2 * 110) < 2.1
    assert draw(0, rate=0.0) == []


def test_all_kinds_appear_and_all_move():
    things = [thing for seed in range(25) for thing in draw(seed)]
    assert {thing.kind for thing in things} == set(KINDS)
    speed = np.array([np.linalg.norm(thing.velocity) for thing in things])
    # 0.16 to 0.4 own sizes of 14 to 30 pixels.
    assert speed.min() >= 0.16 * 14 and speed.max() <= 0.4 * 30
    assert len({thing.paint_seed for thing in things}) == len(things)
    canvas = Canvas((140, 140), np.zeros((140, 140, 3), np.float32))
    for thing in things[:20]:
        thing.draw(canvas, round(thing.moment), np.zeros(1), 1)
    textures = {thing.texture.tobytes() for thing in things[:20]}
    assert len(textures) == 20


def test_place_and_blur():
    """A board 10 x 6 that moves 16 pixels a frame to the right."""
    board = Occluder(
        kind='board',
        moment=2.0,
        anchor=np.array([12.0, 30.0]),
        velocity=np.array([16.0, 0.0]),
        angle=0.0,
        spin=0.0,
        outline=np.array([[-5.0, -3], [5, -3], [5, 3], [-5, 3]]),
        half=(5.0, 3.0),
        texture=np.full((24, 24, 3), 100, np.float32),
    )
    canvas = Canvas((80, 60), np.zeros((60, 80, 3), np.float32))
    board.draw(canvas, 3, np.array([-0.25, 0.0, 0.25]), 9)
    # Centre at 28; 23 to 33, blurred by 4 pixels on both sides.
    rows, columns = np.nonzero(canvas.owner == 9)
    assert 26 <= rows.min() <= 27 and 33 <= rows.max() <= 34
    assert 22 <= columns.min() <= 24 and 32 <= columns.max() <= 34
    assert canvas.image[30, 28, 0] == pytest.approx(100, abs=0.1)
    assert canvas.image[30, 35, 0] == pytest.approx(33.3, abs=1)
    assert canvas.image[30, 39].max() == canvas.image[20, 28].max() == 0


def test_quarter_turn_swaps_the_sides_of_the_texture():
    texture = np.zeros((24, 24, 3), np.float32)
    texture[:, 12:] = 200
    board = Occluder(
        kind='board',
        moment=0.0,
        anchor=np.array([30.0, 30.0]),
        velocity=np.zeros(2),
        angle=np.pi / 2,
        spin=0.0,
        outline=np.array([[-9.0, -9], [9, -9], [9, 9], [-9, 9]]),
        half=(9.0, 9.0),
        texture=texture,
    )
    canvas = Canvas((60, 60), np.zeros((60, 60, 3), np.float32))
    board.draw(canvas, 0, np.zeros(1), 1)
    # x to the right turns to y downwards: the bright half lies below.
    assert canvas.image[36, 30, 0] > 190 and canvas.image[24, 30, 0] < 10
