# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
from mmpose.registry import TRANSFORMS


def clip(mask=(False, True)):
    """Twelve joints; the upper half at x of 0 to 50, y of 0 to 10 in the
    second frame, the lower one 100 below."""
    points = np.zeros((2, 12, 2), np.float32)
    points[1, :, 0] = np.tile(10.0 * np.arange(6), 2)
    points[1, :6, 1] = [0, 10] * 3
    points[1, 6:, 1] = [100, 110] * 3
    return dict(
        keypoints=points,
        keypoints_visible=np.ones((2, 12), np.float32),
        upper_body_ids=list(range(6)),
        lower_body_ids=list(range(6, 12)),
        bbox_center=np.full((2, 2), 50, np.float32),
        bbox_scale=np.full((2, 2), 200, np.float32),
        frame_mask=np.array(mask),
    )


def half_body(**options):
    return TRANSFORMS.build(dict(type='ClipHalfBody', **options))


@pytest.mark.parametrize('prefer, y', [(1.0, 5), (0.0, 105)])
def test_both_frames_show_half_of_the_wanted_one(prefer, y):
    """1.5 times the joints' extent, about their mean."""
    found = half_body(prob=1.0, upper_prioritized_prob=prefer)(clip())
    assert found['bbox_center'].tolist() == [[25, y]] * 2
    assert found['bbox_scale'].tolist() == [[75, 15]] * 2


def test_too_few_joints_in_the_wanted_frame():
    """However many the other one has."""
    sample = clip()
    sample['keypoints_visible'][1, 5:] = 0
    found = half_body(prob=1.0)(sample)
    assert found['bbox_center'].tolist() == [[50, 50]] * 2
    assert found['bbox_scale'].tolist() == [[200, 200]] * 2


def test_sometimes():
    np.random.seed(0)
    transform = half_body(prob=0.3)
    halves = [transform(clip())['bbox_scale'][0, 0] == 75 for _ in range(1000)]
    assert 250 < sum(halves) < 350


@pytest.mark.parametrize('mask', [(True, True), (False, False)])
def test_clips_that_want_another_number(mask):
    with pytest.raises(ValueError, match='of which one frame is wanted'):
        half_body()(clip(mask))
