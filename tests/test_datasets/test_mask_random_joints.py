# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import copy

import numpy as np
import pytest
from mmpose.registry import TRANSFORMS

from rpstn_mmpose.datasets.transforms import MaskRandomJoints, PackClipInputs


def clip(frames=4, joints=6, start=10, video='0001'):
    """Joints 20 pixels apart in a row; the box's longer side is 100."""
    x = 10.0 + 20.0 * np.arange(joints)
    points = np.stack([x, np.full(joints, 30.0)], axis=1)
    return dict(
        img=[np.full((60, 130, 3), 200, np.uint8) for _ in range(frames)],
        bbox=np.tile([10.0, 5.0, 110.0, 55.0], (frames, 1)),
        keypoints=np.tile(points, (frames, 1, 1)),
        keypoints_visible=np.ones((frames, joints), np.float32),
        keypoints_labeled=np.ones((frames, joints), np.float32),
        video_id=video,
        frame_ids=list(range(start, start + frames)),
    )


def test_patch_by_hand():
    """All joints masked: squares of 0.1 x 100 = 10 pixels around them."""
    results = MaskRandomJoints(prob=1, patch_size=0.1, color=(1, 2, 3))(
        clip(1, 2)
    )
    expected = np.full((60, 130, 3), 200, np.uint8)
    # centre 10: pixels 6 to 15, the nearest ten (centre 10.5 in between)
    expected[26:36, 6:16] = (1, 2, 3)
    expected[26:36, 26:36] = (1, 2, 3)
    assert np.array_equal(results['img'][0], expected)
    assert results['joints_masked'].all()
    assert not results['keypoints_visible'].any()
    assert results['keypoints_labeled'].all()


def test_input_stays_as_it_was():
    before = clip()
    images, visible = before['img'], before['keypoints_visible']
    MaskRandomJoints(prob=1)(dict(before, img=list(images)))
    assert all((image == 200).all() for image in images) and visible.all()


def test_number_of_joints():
    results = MaskRandomJoints(num_joints=2)(clip(40))
    assert (results['joints_masked'].sum(axis=1) == 2).all()
    # not the same joints in every frame, and all of them some time
    assert results['joints_masked'].any(axis=0).all()
    more = MaskRandomJoints(num_joints=9)(clip(2))
    assert more['joints_masked'].all()


def test_probability():
    results = MaskRandomJoints(prob=0.3)(clip(400))
    # 2,400 draws: three standard deviations are 0.028
    assert abs(results['joints_masked'].mean() - 0.3) < 0.028


def test_choice_does_not_depend_on_the_window():
    transform = MaskRandomJoints(prob=0.4)
    whole = transform(clip(6))['joints_masked']
    late = MaskRandomJoints(prob=0.4)(clip(3, start=13))['joints_masked']
    assert np.array_equal(whole[3:], late)
    assert np.array_equal(whole, transform(clip(6))['joints_masked'])
    for other in (
        MaskRandomJoints(prob=0.4, seed=1)(clip(6)),
        transform(clip(6, video='0002')),
        transform(dict(clip(6), track_id=3)),
    ):
        assert not np.array_equal(whole, other['joints_masked'])


def test_duration():
    masked = MaskRandomJoints(num_joints=2, duration=4)(clip(12, start=8))[
        'joints_masked'
    ]
    blocks = masked.reshape(3, 4, -1)
    assert (blocks == blocks[:, :1]).all()
    assert (blocks[0, 0] != blocks[1, 0]).any() or (
        blocks[1, 0] != blocks[2, 0]
    ).any()


def test_rows():
    masked = MaskRandomJoints(prob=1, frames=(1, -1))(clip(4))['joints_masked']
    assert masked.all(axis=1).tolist() == [False, True, False, True]
    with pytest.raises(ValueError, match='names row 4, but clips have 4'):
        MaskRandomJoints(prob=1, frames=(4,))(clip(4))


def test_neighbours_under_a_patch_are_masked_too():
    """Two joints 2 pixels apart: whichever is chosen, both are hidden."""
    results = clip(20, 3)
    results['keypoints'][:, 1] = results['keypoints'][:, 0] + (2, 0)
    masked = MaskRandomJoints(num_joints=1)(results)['joints_masked']
    assert (masked[:, 0] == masked[:, 1]).all()
    assert set(masked.sum(axis=1)) == {1, 2}


def test_invisible_joints_get_no_patch():
    results = clip(1, 3)
    results['keypoints_visible'][0] = (0, 1, 0)
    results['keypoints'][0, 2] = results['keypoints'][0, 1]
    out = MaskRandomJoints(prob=1, patch_size=0.05)(results)
    # neither on its own, nor one under the patch of another
    assert out['joints_masked'].tolist() == [[False, True, False]]
    assert (out['img'][0] != 200).any(axis=2).sum() == 25


def test_patch_at_the_border_and_outside():
    results = clip(1, 2)
    results['keypoints'][0] = [(0, 0), (-50, -50)]
    out = MaskRandomJoints(prob=1, patch_size=0.05)(results)
    assert (out['img'][0] != 200).any(axis=2).sum() == 9
    assert (out['img'][0][:3, :3] != 200).all()


def test_single_frame():
    """MMPose's own samples have one array; visibility may have a third
    axis."""
    results = clip(1)
    results['img'] = results['img'][0]
    results['keypoints_visible'] = np.ones((1, 6, 2), np.float32)
    out = MaskRandomJoints(prob=1)(results)
    assert out['img'].shape == (60, 130, 3) and (out['img'] != 200).any()
    assert not out['keypoints_visible'].any()


def test_in_a_pipeline_and_metainfo():
    keys = (*PackClipInputs.META_KEYS, 'joints_masked')
    steps = [
        dict(type='MaskRandomJoints', num_joints=2),
        dict(type='GetBBoxCenterScale'),
        dict(
            type='ForEachFrame',
            transforms=[dict(type='TopdownAffine', input_size=(32, 32))],
        ),
        dict(type='PackClipInputs', meta_keys=keys),
    ]
    results = dict(
        clip(3),
        instance_mapping_table=dict(
            bbox='bboxes', keypoints_visible='keypoints_visible'
        ),
    )
    expected = MaskRandomJoints(num_joints=2)(copy.deepcopy(results))
    for step in steps:
        results = TRANSFORMS.build(step)(results)
    sample = results['data_samples']
    assert np.array_equal(
        sample.metainfo['joints_masked'], expected['joints_masked']
    )
    visible = sample.gt_instances.keypoints_visible
    assert np.array_equal(visible == 0, expected['joints_masked'])


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(), 'give either num_joints or prob'),
        (dict(num_joints=1, prob=0.1), 'give either num_joints or prob'),
        (dict(num_joints=0), 'num_joints must be at least 1'),
        (dict(prob=0), 'prob must be above 0'),
        (dict(prob=1.1), 'at most 1'),
        (dict(prob=0.1, patch_size=0), 'patch_size must be above 0'),
        (dict(prob=0.1, duration=0), 'duration must be at least 1'),
        (dict(prob=0.1, seed=-1), 'seed at least 0'),
    ],
)
def test_bad_options(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MaskRandomJoints(**kwargs)
