# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import itertools

import numpy as np
import pytest

from rpstn_mmpose.datasets import clip_windows, offset_windows


def _as_lists(windows):
    return [(w.rows.tolist(), w.mask.astype(int).tolist()) for w in windows]


def test_windows_without_overlap_shift_the_last_one_back():
    assert _as_lists(clip_windows(7, 3, test_mode=True)) == [
        ([0, 1, 2], [1, 1, 1]),
        ([3, 4, 5], [1, 1, 1]),
        ([4, 5, 6], [0, 0, 1]),
    ]
    # In training the shifted window's repeats are supervised like others.
    assert _as_lists(clip_windows(7, 3))[-1] == ([4, 5, 6], [1, 1, 1])


def test_short_video_repeats_its_last_frame_unwanted():
    expected = [([0, 1, 1, 1], [1, 1, 0, 0])]
    assert _as_lists(clip_windows(2, 4, test_mode=True)) == expected
    assert _as_lists(clip_windows(2, 4)) == expected


def test_interval_covers_the_frames_in_between():
    assert _as_lists(clip_windows(5, 2, frame_interval=2,
                                  test_mode=True)) == [
                                      ([0, 2], [1, 1]),
                                      ([1, 3], [1, 1]),
                                      ([2, 4], [0, 1]),
                                  ]


def test_training_stride_is_the_distance_between_starts():
    windows = clip_windows(10, 2, stride=3, frame_interval=2)
    assert [w.rows[0] for w in windows] == [0, 3, 6, 7]


@pytest.mark.parametrize('interval', [1, 2, 3])
def test_evaluation_wants_every_frame_exactly_once(interval):
    for num, length in itertools.product(range(1, 24), range(1, 7)):
        for stride in [None, *range(1, length * interval + 1)]:
            wanted = np.zeros(num, int)
            for rows, mask in clip_windows(num, length, stride, interval,
                                           True):
                assert rows.shape == mask.shape == (length, )
                assert rows.min() >= 0 and rows.max() < num
                steps = np.diff(rows)
                # A clip is evenly spaced up to where the video ends, and
                # stays on one frame, unwanted, after that.
                ends = np.flatnonzero(steps == 0)
                real = ends[0] + 1 if len(ends) else length
                assert (steps[:real - 1] == interval).all()
                assert (rows[real:] == rows[real - 1]).all()
                assert not mask[real:].any()
                for row in rows[mask]:
                    wanted[row] += 1
            assert (wanted == 1).all(), (num, length, stride)


@pytest.mark.parametrize('interval', [1, 2, 3])
def test_training_without_stride_leaves_no_frame_out(interval):
    for num, length in itertools.product(range(1, 24), range(1, 7)):
        windows = clip_windows(num, length, None, interval)
        seen = {row for rows, mask in windows for row in rows[mask]}
        assert seen == set(range(num))
        starts = [w.rows[0] for w in windows]
        assert len(set(starts)) == len(starts)


def test_stride_that_leaves_frames_out_of_an_evaluation():
    assert len(clip_windows(20, 3, stride=7)) == 3
    with pytest.raises(ValueError, match='clip_stride=7 would leave frames'):
        clip_windows(20, 3, stride=7, test_mode=True)
    with pytest.raises(ValueError, match='clip_stride=7 would leave frames'):
        clip_windows(20, 3, stride=7, frame_interval=2, test_mode=True)


@pytest.mark.parametrize('kwargs', [
    dict(num_frames=0),
    dict(clip_length=0),
    dict(stride=0),
    dict(frame_interval=-1),
    dict(clip_length=2.5),
    dict(clip_length=True),
])
def test_numbers_below_one_are_refused(kwargs):
    with pytest.raises(ValueError, match='must be an integer of at least 1'):
        clip_windows(**{**dict(num_frames=5, clip_length=2), **kwargs})


def test_offset_windows_clamp_at_the_borders():
    assert _as_lists(offset_windows(3, (-2, 0, 1))) == [
        ([0, 0, 1], [0, 1, 0]),
        ([0, 1, 2], [0, 1, 0]),
        ([0, 2, 2], [0, 1, 0]),
    ]
    assert [w.rows[1] for w in offset_windows(7, (-1, 0, 1), stride=3)
            ] == [0, 3, 6]


def test_offset_windows_refuse_what_they_cannot_do():
    for offsets in ((-1, 1), (0, 0), ()):
        with pytest.raises(ValueError, match='0 exactly once'):
            offset_windows(5, offsets)
    with pytest.raises(ValueError, match='would leave frames out'):
        offset_windows(5, (-1, 0, 1), stride=2, test_mode=True)
