# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
from mmpose.datasets.transforms import TopdownAffine

from rpstn_mmpose.datasets import TopdownStretch


def results_of(center, scale, rotation=0.0, keypoints=((30.0, 20.0),)):
    image = np.zeros((60, 100, 3), np.uint8)
    image[10:30, 20:60] = 200  # the box, 40 x 20
    return dict(
        img=image,
        bbox_center=np.float32([center]),
        bbox_scale=np.float32([scale]),
        bbox_rotation=np.float32([rotation]),
        keypoints=np.float32([keypoints]),
    )


def test_box_fills_the_input():
    """A box of 40 x 20 at (20, 10) becomes 64 x 64: x * 1.6, y * 3.2."""
    out = TopdownStretch(input_size=(64, 64))(
        results_of(
            (40, 20), (40, 20), keypoints=[(20, 10), (60, 30), (30, 25)]
        )
    )
    np.testing.assert_allclose(
        out['transformed_keypoints'], [[[0, 0], [64, 64], [16, 48]]], atol=1e-4
    )
    assert out['img'].shape == (64, 64, 3)
    assert (out['img'][4:60, 4:60] == 200).all()
    np.testing.assert_array_equal(out['bbox_scale'], [[40, 20]])
    # MMPose's way back from input pixels to the image
    back = (
        out['transformed_keypoints'][0] / 64 * out['input_scale']
        + out['input_center']
        - 0.5 * out['input_scale']
    )
    np.testing.assert_allclose(back, out['keypoints'][0], atol=1e-4)


@pytest.mark.parametrize('rotation', [0.0, 25.0, -90.0])
def test_square_box_is_as_topdown_affine(rotation):
    ours = TopdownStretch(input_size=(64, 64))(
        results_of((40, 20), (30, 30), rotation)
    )
    theirs = TopdownAffine(input_size=(64, 64))(
        results_of((40, 20), (30, 30), rotation)
    )
    np.testing.assert_allclose(
        ours['transformed_keypoints'],
        theirs['transformed_keypoints'],
        atol=1e-3,
    )
    difference = ours['img'].astype(int) - theirs['img']
    assert np.abs(difference).mean() < 1


def test_without_keypoints():
    given = results_of((40, 20), (40, 20))
    del given['keypoints'], given['bbox_rotation']
    out = TopdownStretch(input_size=(64, 32))(given)
    assert out['img'].shape == (32, 64, 3)
    assert 'transformed_keypoints' not in out


@pytest.mark.parametrize('scale', [(0, 20), (-1, 5), (float('nan'), 3)])
def test_box_of_no_size(scale):
    with pytest.raises(ValueError, match='TopdownStretch takes one box'):
        TopdownStretch(input_size=(64, 64))(results_of((40, 20), scale))
