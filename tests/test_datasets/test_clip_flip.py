# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.datasets.transforms import ClipRandomFlip


def clip():
    """Two 10 x 8 frames, three joints of which the last two are a pair."""
    frames = [
        np.arange(80, dtype=np.uint8).reshape(8, 10) + i for i in range(2)
    ]
    return dict(
        img=frames,
        img_shape=(8, 10),
        flip_indices=[0, 2, 1],
        bbox=np.array([(1, 2, 4, 6)] * 2, np.float32),
        keypoints=np.array([[(0, 0), (2, 3), (9, 5)]] * 2, np.float32),
        keypoints_visible=np.array([(1, 1, 0), (1, 0, 1)], np.float32),
        keypoints_labeled=np.array([(0, 1, 0), (1, 0, 1)], np.float32),
    )


def test_flip_swaps_left_and_right_of_every_frame():
    results = ClipRandomFlip(prob=1.0)(clip())
    assert results['flip'] is True or results['flip'] == 1
    for before, after in zip(clip()['img'], results['img']):
        assert np.array_equal(after, before[:, ::-1])
    # x becomes 9 - x, and joints 1 and 2 change places.
    assert results['keypoints'].tolist() == [[[9, 0], [0, 5], [7, 3]]] * 2
    assert results['keypoints_visible'].tolist() == [[1, 0, 1], [1, 1, 0]]
    assert results['keypoints_labeled'].tolist() == [[0, 0, 1], [1, 1, 0]]
    assert results['bbox'].tolist() == [[5, 2, 8, 6]] * 2


def test_no_flip_leaves_the_clip_alone():
    results = ClipRandomFlip(prob=0.0)(clip())
    assert not results['flip']
    for key, value in clip().items():
        assert np.array_equal(results[key], value)


@pytest.mark.parametrize(
    'direction, swapped', [('vertical', True), ('diagonal', False)]
)
def test_labeled_follows_visible(direction, swapped):
    before = clip()
    before['keypoints_visible'] = before['keypoints_labeled'].copy()
    results = ClipRandomFlip(prob=1.0, direction=direction)(before)
    assert np.array_equal(
        results['keypoints_visible'], results['keypoints_labeled']
    )
    assert (results['keypoints_labeled'][0].tolist() == [0, 0, 1]) == swapped


def test_without_labeled():
    before = clip()
    del before['keypoints_labeled']
    assert 'keypoints_labeled' not in ClipRandomFlip(prob=1.0)(before)
