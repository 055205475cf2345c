# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import math

import numpy as np
import pytest

from rpstn_mmpose.apis import OneEuroFilter


def alpha(cutoff, seconds):
    """1 / (1 + tau / T) with tau = 1 / (2 pi f), as in the paper."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff) / seconds)


def one_euro(path, fps, sizes, min_cutoff=1.7, beta=6.0, derivative=1.0):
    """The paper's filter of a point's path (T, 2), number by number.

    One cutoff for both coordinates, by the speed in the plane in sizes (T,)
    of the person a second.
    """
    x, y = map(float, path[0])
    vx = vy = 0.0
    out = [(x, y)]
    for (new_x, new_y), size in zip(path[1:], sizes[1:]):
        weight = alpha(derivative, 1 / fps)
        vx = weight * (new_x - x) * fps + (1 - weight) * vx
        vy = weight * (new_y - y) * fps + (1 - weight) * vy
        cutoff = min_cutoff + beta * math.sqrt(vx * vx + vy * vy) / size
        weight = alpha(cutoff, 1 / fps)
        x = weight * new_x + (1 - weight) * x
        y = weight * new_y + (1 - weight) * y
        out.append((x, y))
    return np.array(out)


def points(*values):
    """One person, one joint at (value, 0) in each frame."""
    return [np.float64([[[value, 0]]]) for value in values]


def test_two_steps_by_hand():
    """10 frames a second, min_cutoff 1, beta 0.01, 0 then 10 then 10 px.

    Step 1: speed a(1, .1) * 100 = .385870 * 100 = 38.587, cutoff 1.38587,
    weight .465461, so 4.65461. Step 2: derivative 53.4539, speed 38.587 +
    .38587 * 14.8669 = 44.3237, cutoff 1.443237, weight .475565.
    """
    smooth = OneEuroFilter(min_cutoff=1, beta=0.01, derivative_cutoff=1)
    first, second, third = (
        smooth([3], value, fps=10)[0, 0] for value in points(0, 10, 10)
    )
    assert first.tolist() == [0, 0]
    np.testing.assert_allclose(second, [4.65461, 0], atol=2e-4)
    np.testing.assert_allclose(
        third, [4.65461 + 0.475565 * 5.34539, 0], atol=5e-4
    )
    # The same numbers from the paper's formulas.
    speed = alpha(1, 0.1) * 100
    expected = alpha(1 + 0.01 * speed, 0.1) * 10
    np.testing.assert_allclose(second[0], expected, rtol=1e-9)
    speed += alpha(1, 0.1) * ((10 - expected) / 0.1 - speed)
    expected += alpha(1 + 0.01 * speed, 0.1) * (10 - expected)
    np.testing.assert_allclose(third[0], expected, rtol=1e-9)


def test_a_diagonal_step_by_hand():
    """10 frames a second, cutoffs 1, beta 0.01, size 2, from (0, 0) to
    (30, -40): speed a(1, .1) * 500 / 2 = .385870 * 250 = 96.4674, cutoff
    1.964674, weight 1.234441 / 2.234441 = .552461; the same for x and y, in
    which the joint is 3 and -4 parts of 5 of the way.
    """
    smooth = OneEuroFilter(min_cutoff=1, beta=0.01, derivative_cutoff=1)
    smooth([0], np.zeros((1, 1, 2)), fps=10, sizes=[2])
    second = smooth([0], np.float64([[[30, -40]]]), fps=10, sizes=[2])
    np.testing.assert_allclose(
        second[0, 0], [30 * 0.552461, -40 * 0.552461], atol=1e-3
    )


@pytest.mark.parametrize(
    'speed', [(9, 2), (2, 9), (-7, 0), (0, -7), (5, 5), (40, -3)]
)
def test_diagonal_moves(speed):
    """x and y of different speeds, with noise of their own, and a person
    who grows; then a turn at a right angle."""
    rng = np.random.default_rng(3)
    path = np.concatenate(
        [
            np.arange(12)[:, None] * speed,
            np.multiply(11, speed)
            + np.arange(1, 8)[:, None] * np.float64(speed[::-1]) * (1, -1),
        ]
    ) + rng.normal(0, 1, (19, 2)) * (2, 0.5)
    sizes = np.linspace(60, 90, 19)
    options = dict(min_cutoff=0.8, beta=4.0, derivative_cutoff=1.5)
    for settings, kwargs in (
        (options, dict(min_cutoff=0.8, beta=4.0, derivative=1.5)),
        ({}, {}),
    ):
        smooth = OneEuroFilter(**settings)
        found = np.stack(
            [
                smooth([4], point[None, None], 25, [size])[0, 0]
                for point, size in zip(path, sizes)
            ]
        )
        np.testing.assert_allclose(
            found, one_euro(path, 25, sizes, **kwargs), rtol=1e-9
        )


def test_frame_rate_and_gaps_are_one_thing():
    """Every second frame at 20 frames a second is 10 frames a second."""
    slow, fast = OneEuroFilter(max_gap=1), OneEuroFilter(max_gap=1)
    for value in points(0, 7, 9, -3):
        expected = slow([1], value, fps=10)
        np.testing.assert_allclose(fast([1], value, fps=20), expected)
        fast.skip_frame()


def test_a_long_gap_begins_anew():
    a, b = points(0, 10)
    for options, gap, fresh in (
        (dict(max_gap=2), 2, False),
        (dict(max_gap=2), 3, True),
        (dict(max_gap=0), 0, False),
        (dict(max_gap=0), 1, True),
        ({}, 5, False),
        ({}, 6, True),
    ):
        smooth = OneEuroFilter(**options)
        smooth([1], a, fps=25)
        for _ in range(gap):
            smooth.skip_frame()
        assert (smooth([1], b, fps=25)[0, 0, 0] == 10) == fresh


def test_still_joints_calm_down_and_fast_ones_do_not_lag():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (100, 1, 1, 2))
    smooth = OneEuroFilter()
    still = np.stack(
        [smooth([0], 50 + n, 25, np.float64([100])) for n in noise]
    )
    assert still[20:].std() < 0.6 * noise[20:].std()
    smooth.reset()
    # A size a second: the lag stays below a twentieth of the size.
    line = np.arange(100)[:, None, None, None] * np.float64([4, 0])
    fast = np.stack([smooth([0], p, 25, np.float64([100])) for p in line])
    assert 0 < (line - fast)[50:, ..., 0].max() < 5


def test_people_and_joints_are_apart_and_sizes_scale():
    smooth = OneEuroFilter(beta=3)
    rng = np.random.default_rng(1)
    frames = rng.random((6, 3, 4, 2)) * 100
    sizes = np.float64([50, 80, 120])
    together = np.stack(
        [smooth([0, 1, 2], frame, 25, sizes) for frame in frames]
    )
    for person in range(3):
        for joint in range(4):
            alone = OneEuroFilter(beta=3)
            for row, frame in enumerate(frames):
                # Twice as large in twice the resolution is the same.
                value = alone(
                    [9],
                    2 * frame[None, person, None, joint],
                    25,
                    2 * sizes[person : person + 1],
                )
                np.testing.assert_allclose(
                    value[0, 0], 2 * together[row, person, joint]
                )


def test_points_that_are_not_finite_leave_no_trace():
    smooth = OneEuroFilter()
    a, hole, b = points(0, np.nan, 10)
    smooth([0], a, 25)
    assert np.isnan(smooth([0], hole, 25)[0, 0, 0])
    assert 0 < smooth([0], b, 25)[0, 0, 0] < 10
    fresh = OneEuroFilter()
    fresh([0], hole, 25)
    assert fresh([0], b, 25)[0, 0, 0] == 10


def test_nobody_and_dtype():
    smooth = OneEuroFilter()
    assert smooth([], np.zeros((0, 5, 2)), 25).shape == (0, 5, 2)
    assert smooth([1], np.zeros((1, 5, 2), np.float32), 25).dtype == np.float32


@pytest.mark.parametrize(
    'options',
    [
        dict(min_cutoff=0),
        dict(beta=-1),
        dict(derivative_cutoff=0),
        dict(max_gap=-1),
        dict(min_cutoff=math.nan),
        dict(beta=math.nan),
        dict(derivative_cutoff=math.nan),
    ],
)
def test_bad_options(options):
    with pytest.raises(ValueError, match='cutoffs must be above 0'):
        OneEuroFilter(**options)


def test_a_cutoff_of_a_speed_that_does_not_count():
    OneEuroFilter(beta=0)
    with pytest.raises(
        ValueError,
        match='derivative_cutoff=2 does nothing '
        'with beta=0; set beta, or leave it out',
    ):
        OneEuroFilter(beta=0, derivative_cutoff=2)


def test_uneven_times():
    """The distance in time is that of the frames, not one over the rate.

    From 0 to 10 in 0.2 s: weight 0.2 / (0.2 + 1 / (2 pi)) of the derivative,
    by hand 0.556897 * 50 = 27.8449 a second, cutoff 1 + 0.01 * 27.8449.
    """
    smooth = OneEuroFilter(min_cutoff=1, beta=0.01)
    first, second = points(0, 10)
    smooth([3], first, fps=25, time=4.0)
    found = smooth([3], second, fps=25, time=4.2)[0, 0, 0]
    weight = alpha(1.278449, 0.2)
    assert found == pytest.approx(10 * weight, rel=1e-5)
    # The same as at a constant rate of that distance.
    other = OneEuroFilter(min_cutoff=1, beta=0.01)
    other([3], first, fps=5)
    assert found == pytest.approx(other([3], second, fps=5)[0, 0, 0])


def test_times_with_people_away():
    """Seen at 0, 0.2 and, after a frame away, at 1.0 s."""
    smooth = OneEuroFilter(max_gap=3)
    reference = OneEuroFilter(max_gap=30)
    a, b, c = points(0, 4, 9)
    for value, time in ((a, 0.0), (b, 0.2)):
        smooth([1], value, 25, time=time)
    smooth.skip_frame()
    found = smooth([1], c, 25, time=1.0)
    # A fifth of a second a frame, and three frames between.
    reference([1], a, fps=5)
    reference([1], b, fps=5)
    for _ in range(3):
        reference.skip_frame()
    np.testing.assert_allclose(found, reference([1], c, fps=5))
