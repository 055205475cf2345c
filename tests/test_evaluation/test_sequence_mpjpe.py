# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Frames, sequences and actions of the published tables."""

import numpy as np
import pytest

from rpstn_mmpose.evaluation import SequenceMPJPE


def sample(video, frames, off, action='Walking', **more):
    """Poses of two joints, each off by so many millimetres along x."""
    off = np.broadcast_to(off, len(frames))
    true = np.zeros((len(frames), 2, 3))
    true[:, 1, 1] = 1
    found = true.copy()
    found[..., 0] += off[:, None] / 1000
    return dict(
        pred_instances=dict(keypoints=found),
        gt_instances=dict(lifting_target=true),
        video_id=video,
        frame_ids=list(frames),
        action=action,
        **more,
    )


def scores(*samples, **kwargs):
    metric = SequenceMPJPE(**kwargs)
    metric.dataset_meta = dict(skeleton_links=[(0, 1)])
    for one in samples:
        metric.process(None, [one])
    return metric.compute_metrics(metric.results)


def test_frames_are_weighted_in_an_action_and_actions_are_not():
    """Walking: 3 frames of 10 and 1 of 50, mean 20; Eating: one of 60."""
    found = scores(
        sample('a', range(3), 10),
        sample('b', range(1), 50),
        sample('c', range(1), 60, action='Eating'),
        per_action=True,
    )
    assert found['MPJPE'] == pytest.approx((20 + 60) / 2)
    assert found['MPJPE/Walking'] == pytest.approx(20)
    assert found['MPJPE/Eating'] == pytest.approx(60)
    # Moved as a whole.
    assert found['P-MPJPE'] == pytest.approx(0, abs=1e-9)
    assert found['MPJVE'] == pytest.approx(0, abs=1e-9)
    assert found['bone_spread'] == pytest.approx(0, abs=1e-9)


def test_a_frame_that_comes_twice_counts_once():
    found = scores(sample('a', [0, 1], 10), sample('a', [1, 2], [10, 40]))
    assert found['MPJPE'] == pytest.approx(20)
    # 0, then 30.
    assert found['MPJVE'] == pytest.approx(15)


def test_velocities_are_of_neighbours():
    """Windows of one frame in any order; a jump between frames 1 and 7 is
    none."""
    found = scores(
        *(
            sample('a', [frame], off)
            for frame, off in ((8, 90), (0, 10), (7, 60), (1, 14))
        )
    )
    assert found['MPJVE'] == pytest.approx((4 + 30) / 2)


def test_single_frames_have_no_velocity():
    found = scores(sample('a', [0], 10))
    assert 'MPJVE' not in found
    assert found['MPJPE'] == pytest.approx(10)


def test_refused():
    with pytest.raises(ValueError, match='a pose found in a is no number'):
        scores(sample('a', [0, 1], np.nan))
    wrong = sample('a', [0, 1], 1)
    wrong['frame_ids'] = [0]
    with pytest.raises(ValueError, match='a has 1 frames, found poses'):
        scores(wrong)
