# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.datasets.transforms import ClipBBox

BOXES = np.array([(10, 20, 30, 60), (0, 30, 20, 70)], np.float32)


def test_per_frame():
    results = ClipBBox(padding=1.5)(dict(bbox=BOXES.copy()))
    assert results['bbox_center'].tolist() == [[20, 40], [10, 50]]
    assert results['bbox_scale'].tolist() == [[30, 60], [30, 60]]


def test_union_leaves_the_own_boxes_for_scoring():
    results = ClipBBox(mode='union', padding=2.0)(dict(bbox=BOXES.copy()))
    # The union is 0 20 30 70: 30 x 50 around (15, 45).
    assert results['bbox_center'].tolist() == [[15, 45]] * 2
    assert results['bbox_scale'].tolist() == [[60, 100]] * 2
    assert np.array_equal(results['bbox'], BOXES)


def test_bad_input():
    with pytest.raises(ValueError, match="mode must be .* got 'clip'"):
        ClipBBox(mode='clip')
    boxes = BOXES.copy()
    boxes[1, 2] = 0
    for mode in ('per_frame', 'union', 'wanted'):
        with pytest.raises(ValueError, match='ClipBBox: .* video v, frame 7'):
            ClipBBox(mode=mode)(
                dict(bbox=boxes, video_id='v', frame_ids=[3, 7])
            )


def test_the_box_of_the_wanted_frame():
    boxes = np.array([[0, 0, 10, 20], [5, 5, 9, 9]], np.float32)
    results = ClipBBox(mode='wanted', padding=1.5)(
        dict(bbox=boxes.copy(), frame_mask=np.array([False, True]))
    )
    assert results['bbox_center'].tolist() == [[7, 7], [7, 7]]
    assert results['bbox_scale'].tolist() == [[6, 6], [6, 6]]
    assert np.array_equal(results['bbox'], boxes)
    one = ClipBBox(mode='wanted', padding=1.0)(dict(bbox=boxes[:1].copy()))
    assert one['bbox_scale'].tolist() == [[10, 20]]


@pytest.mark.parametrize('mask, count', [([1, 1], 2), ([0, 0], 0)])
def test_one_frame_must_be_wanted(mask, count):
    with pytest.raises(ValueError, match=f'of this one {count} are') as error:
        ClipBBox(mode='wanted')(
            dict(bbox=np.array([[0, 0, 1, 1.0]] * 2), frame_mask=mask)
        )
    assert '\n' not in str(error.value)
