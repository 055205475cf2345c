# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a lifter is given of people who come, go and are missed."""

from types import SimpleNamespace

import numpy as np
import pytest

from rpstn_mmpose.streams import LifterStream, lifter_stream

SIZE = (100, 100)


class Lifter:
    """Takes windows, answers with nothing."""

    def __init__(self, before, after):
        self.before, self.after = before, after

    def test_step(self, batch):
        poses = SimpleNamespace(keypoints=np.zeros((1, 1, 3)))
        return [SimpleNamespace(pred_instances=poses) for _ in batch['inputs']]


def windows(places, before, after=0):
    """The windows (x, score, frame of each row) that a person's frames have;
    one joint, at x in the frames of ``places`` and missed in the others.
    """
    made = []

    def pipeline(info):
        assert info['keypoints'].shape == (before + 1 + after, 1, 2)
        assert info['keypoints'].dtype == np.float32
        assert (info['keypoints'][..., 1] == 7).all()
        made.append(
            (
                info['keypoints'][:, 0, 0].tolist(),
                info['keypoints_visible'][:, 0].tolist(),
                info['frame_ids'],
            )
        )
        return dict(inputs=0, data_samples=SimpleNamespace())

    stream = LifterStream(Lifter(before, after), pipeline)
    done = []
    for frame in range(max(places) + 1):
        there = frame in places
        done += stream.push(
            np.float32([[[places[frame], 7]]] if there else []).reshape(
                -1, 1, 2
            ),
            np.full((int(there), 1), 0.5, np.float32),
            [3] if there else [],
            SIZE,
        )
    done += stream.flush()
    assert [poses.frame for poses in done] == list(range(max(places) + 1))
    assert [len(poses.person_ids) for poses in done] == [
        int(frame in places) for frame in range(max(places) + 1)
    ]
    return made


def test_gaps_are_bridged_evenly():
    """From 10 to 70 in three frames, two of which nobody saw."""
    *_, last = windows({0: 0, 1: 10, 4: 70}, before=3)
    assert last == ([10, 30, 50, 70], [0.5, 0, 0, 0.5], [1, -1, -1, 4])


def test_before_and_behind():
    """The window of the frame in the middle, with a gap at both sides."""
    made = windows({0: 5, 2: 10, 3: 20, 5: 30}, before=3, after=3)
    assert made[2] == (
        [5, 7.5, 10, 20, 25, 30, 30],
        [0.5, 0, 0.5, 0.5, 0, 0.5, 0.5],
        [0, -1, 2, 3, -1, 5, 5],
    )


def test_ends_are_repeated():
    made = windows({0: 5, 1: 10}, before=2, after=1)
    assert made == [
        ([5, 5, 5, 10], [0.5] * 4, [0, 0, 0, 1]),
        ([5, 5, 10, 10], [0.5] * 4, [0, 0, 1, 1]),
    ]


@pytest.mark.parametrize('gap, before', [(2, [10, 30, 50]), (1, [70] * 3)])
def test_after_a_long_gap_all_is_new(gap, before, monkeypatch):
    monkeypatch.setattr(lifter_stream, 'MAX_GAP', gap)
    *_, last = windows({0: 0, 1: 10, 4: 70}, before=3)
    assert last[0] == [*before, 70]
    if gap == 1:
        assert last[1:] == ([0.5] * 4, [4] * 4)


def test_what_lies_before_a_long_gap_is_not_seen(monkeypatch):
    """Of a lifter that sees the future: nor what lies behind it."""
    monkeypatch.setattr(lifter_stream, 'MAX_GAP', 0)
    made = windows({0: 1, 1: 2, 3: 3}, before=3, after=3)
    assert [row[0] for row in made] == [
        [1, 1, 1, 1, 2, 2, 2],
        [1, 1, 1, 2, 2, 2, 2],
        [3, 3, 3, 3, 3, 3, 3],
    ]
