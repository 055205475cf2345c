# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import itertools
from functools import partial

import numpy as np
import pytest
import torch
from mmengine.dataset import worker_init_fn
from torch.utils.data import DataLoader, Dataset

from rpstn_mmpose.datasets import (
    ConsecutiveFrames,
    FramesAround,
    NearPair,
    clip_windows,
    make_window,
    offset_windows,
)
from rpstn_mmpose.datasets.clip_index import ClipIndex


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
    assert _as_lists(clip_windows(5, 2, frame_interval=2, test_mode=True)) == [
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
            for rows, mask in clip_windows(
                num, length, stride, interval, True
            ):
                assert rows.shape == mask.shape == (length,)
                assert rows.min() >= 0 and rows.max() < num
                steps = np.diff(rows)
                # A clip is evenly spaced up to where the video ends, and
                # stays on one frame, unwanted, after that.
                ends = np.flatnonzero(steps == 0)
                real = ends[0] + 1 if len(ends) else length
                assert (steps[: real - 1] == interval).all()
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


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(num_frames=0),
        dict(clip_length=0),
        dict(stride=0),
        dict(frame_interval=-1),
        dict(clip_length=2.5),
        dict(clip_length=True),
    ],
)
def test_numbers_below_one_are_refused(kwargs):
    with pytest.raises(ValueError, match='must be an integer of at least 1'):
        clip_windows(**{**dict(num_frames=5, clip_length=2), **kwargs})


def test_offset_windows_clamp_at_the_borders():
    assert _as_lists(offset_windows(3, (-2, 0, 1))) == [
        ([0, 0, 1], [0, 1, 0]),
        ([0, 1, 2], [0, 1, 0]),
        ([0, 2, 2], [0, 1, 0]),
    ]
    assert [w.rows[1] for w in offset_windows(7, (-1, 0, 1), stride=3)] == [
        0,
        3,
        6,
    ]


def test_offset_windows_refuse_what_they_cannot_do():
    for offsets in ((-1, 1), (0, 0), ()):
        with pytest.raises(ValueError, match='0 exactly once'):
            offset_windows(5, offsets)
    with pytest.raises(ValueError, match='would leave frames out'):
        offset_windows(5, (-1, 0, 1), stride=2, test_mode=True)


def test_a_million_windows_cost_a_few_bytes_each():
    """Seven subjects' 1.5 million frames, each with the 242 around it."""
    window = FramesAround(range(-121, 122))
    places = [window.places(n) for n in [1500] * 1000]
    index = ClipIndex(np.repeat(np.arange(1000), 1500), np.concatenate(places))
    assert len(index) == 1500000
    assert sum(array.nbytes for array in index.arrays) <= 12 * len(index)
    clip = index[1500 * 7 + 3]
    assert clip == dict(id=1500 * 7 + 3, track=7, place=[3])
    rows, mask = window.clip(clip['place'], 1500)
    assert rows.tolist() == [0] * 118 + list(range(125))
    assert np.flatnonzero(mask).tolist() == [121]


def test_index_of_some_clips():
    index = ClipIndex(np.array([0, 0, 4]), np.array([[5, 1], [6, 2], [7, 3]]))
    some = index[[2, 0]]
    assert list(some) == [
        dict(id=2, track=4, place=[7, 3]),
        dict(id=0, track=0, place=[5, 1]),
    ]
    assert [clip['id'] for clip in index[1:]] == [1, 2]
    assert index[-1]['id'] == 2 and len(index[[]]) == 0


def test_places_want_labelled_frames_only():
    annotated = np.array([0, 0, 0, 1, 1, 0, 0, 0], bool)
    window = ConsecutiveFrames(3)
    places = window.places(8, annotated, test_mode=True).tolist()
    clips = [window.clip(place, 8, annotated) for place in places]
    # The windows are 0-2, 3-5, 5-7, of which the second one wants something.
    assert _as_lists(clips) == [([3, 4, 5], [1, 1, 0])]


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (
            dict(
                window=dict(type='NearPair', clip_offsets=(1,)), clip_length=2
            ),
            'clip_length=2 does not go with window=',
        ),
        (
            dict(
                window=dict(type='NearPair', clip_offsets=(1,)),
                frame_interval=2,
            ),
            'frame_interval=2 does not go with window=',
        ),
        (dict(window=dict(type='LoadClip')), 'must be .*NearPair'),
        (dict(window=5), 'must be .*NearPair'),
        (dict(window=dict(type='NearPair', clip_offsets=())), 'whole numbers'),
        (
            dict(window=dict(type='NearPair', clip_offsets=(0.5,))),
            'whole numbers',
        ),
        (
            dict(window=dict(type='FramesAround', clip_offsets=(1, 2))),
            '0 exactly once',
        ),
    ],
)
def test_options_that_make_no_window(kwargs, message):
    with pytest.raises(ValueError, match=message) as error:
        make_window(**kwargs)
    assert '\n' not in str(error.value)


def test_options_make_windows():
    assert make_window().length == 5
    assert make_window(clip_length=3, frame_interval=2).span == 5
    around = make_window(clip_offsets=(-3, 0, 1))
    assert (around.length, around.before, around.after) == (3, 3, 1)
    pair = make_window(dict(type='NearPair', clip_offsets=(-2, 2)))
    assert (pair.length, pair.before, pair.after) == (2, 2, 2)
    assert make_window(pair) is pair


def test_pairs_are_near_and_equally_likely():
    window = NearPair((-2, 0, 1))
    annotated = np.array([0, 1, 0, 0, 1], bool)
    assert window.places(5, annotated).tolist() == [[1], [4]]
    with pytest.raises(ValueError, match='for training only'):
        window.places(5, test_mode=True)
    np.random.seed(0)
    draws = [window.clip([4], 9, annotated) for _ in range(3000)]
    assert all(w.mask.tolist() == [True, False] for w in draws)
    assert all(w.rows[0] == 4 for w in draws)
    frames, counts = np.unique([w.rows[1] for w in draws], return_counts=True)
    assert frames.tolist() == [2, 4, 5]
    # 1000 each; the standard deviation is 26.
    assert (np.abs(counts - 1000) < 130).all()
    # At the ends the first or last frame is taken.
    ends = {window.clip([1], 2).rows[1] for _ in range(50)}
    assert ends == {0, 1}


class _Draws(Dataset):
    """The near frame of frame 50, again and again."""

    def __init__(self):
        self.window = NearPair(range(-50, 50))

    def __len__(self):
        return 24

    def __getitem__(self, index):
        return int(self.window.clip([50], 100).rows[1])


def _epochs(seed, persistent, workers=2, epochs=3):
    """Draws of the epochs, with workers seeded as MMEngine does."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    loader = DataLoader(
        _Draws(),
        batch_size=4,
        num_workers=workers,
        persistent_workers=persistent and workers > 0,
        worker_init_fn=partial(
            worker_init_fn, num_workers=workers, rank=0, seed=seed
        ),
    )
    return [[int(i) for batch in loader for i in batch] for _ in range(epochs)]


@pytest.mark.parametrize(
    'persistent, workers', [(False, 2), (True, 2), (False, 0)]
)
def test_draws_are_fresh_and_reproducible(persistent, workers):
    first = _epochs(3, persistent, workers)
    assert _epochs(3, persistent, workers) == first
    assert _epochs(4, persistent, workers) != first
    # No epoch repeats another, and no worker the other one.
    assert first[0] != first[1] != first[2] != first[0]
    for epoch in first:
        assert len(set(epoch)) > 12
        assert epoch[:4] != epoch[4:8]
