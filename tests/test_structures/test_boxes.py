# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.structures import box_iou, check_boxes


def test_iou_by_hand():
    iou = box_iou(
        [[0, 0, 10, 10], [0, 0, 0, 0]],
        [[5, 0, 15, 10], [20, 0, 30, 10], [0, 0, 10, 10]],
    )
    assert np.allclose(iou, [[50 / 150, 0, 1], [0, 0, 0]])
    assert box_iou([], [[0, 0, 1, 1]]).shape == (0, 1)


def test_boxes_get_scores():
    np.testing.assert_array_equal(
        check_boxes([[1, 2, 3, 4]], 'x'), [[1, 2, 3, 4, 1]]
    )
    assert check_boxes([], 'x').shape == (0, 5)


@pytest.mark.parametrize(
    'boxes, message',
    [
        ([[1, 2, 1, 4]], 'frame 3: the box .* x1 < x2'),
        ([[1, 2, 3]], 'frame 3: boxes must be N x 4'),
        ([[1, 2, float('nan'), 4]], 'must be finite'),
        ([[1, 2], [3]], 'boxes must be rows of 4 or 5 numbers'),
    ],
)
def test_boxes_that_are_none(boxes, message):
    with pytest.raises(ValueError, match=message):
        check_boxes(boxes, 'frame 3')
