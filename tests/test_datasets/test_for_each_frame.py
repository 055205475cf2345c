# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import copy
import gc
import pickle

import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import avoid_cache_randomness
from mmpose.datasets.transforms import (
    GetBBoxCenterScale,
    PhotometricDistortion,
    RandomBBoxTransform,
    TopdownAffine,
)

from rpstn_mmpose.datasets.transforms import ForEachFrame, PackClipInputs
from rpstn_mmpose.structures import split_clip

JITTER = dict(
    type='RandomBBoxTransform', shift_prob=1.0, scale_prob=1.0, rotate_prob=1.0
)


def clip(num=3, same=True):
    rng = np.random.RandomState(0)
    frames = [rng.randint(0, 255, (20, 30, 3), np.uint8) for _ in range(num)]
    if same:
        frames = [frames[0].copy() for _ in range(num)]
    return dict(
        img=frames,
        img_paths=[f'{i}.jpg' for i in range(num)],
        img_path='0.jpg',
        bbox_center=np.full((num, 2), 12, np.float32),
        bbox_scale=np.full((num, 2), 16, np.float32),
        keypoints=rng.uniform(5, 15, (num, 4, 2)).astype(np.float32),
        keypoints_visible=np.ones((num, 4), np.float32),
        keypoints_labeled=np.ones((num, 4), np.float32),
    )


def same_rows(array):
    return bool((array == array[:1]).all())


def test_one_draw_a_clip():
    transform = ForEachFrame([JITTER])
    draws = [transform(clip()) for _ in range(8)]
    for key in ('bbox_center', 'bbox_scale', 'bbox_rotation'):
        assert all(same_rows(draw[key]) for draw in draws)
        assert len({float(draw[key].ravel()[0]) for draw in draws}) == 8
    alone = ForEachFrame([JITTER], share_random=False)(clip())
    assert not same_rows(alone['bbox_rotation'])


def test_one_photometric_draw_a_clip():
    shared = ForEachFrame([dict(type='PhotometricDistortion')])
    alone = ForEachFrame(
        [dict(type='PhotometricDistortion')], share_random=False
    )
    differ = dict(shared=0, alone=0, clips=0)
    previous = None
    for _ in range(10):
        for name, transform in (('shared', shared), ('alone', alone)):
            frames = transform(clip())['img']
            differ[name] += any(
                not np.array_equal(frames[0], f) for f in frames[1:]
            )
            if name == 'shared':
                differ['clips'] += previous is not None and (
                    not np.array_equal(frames[0], previous)
                )
                previous = frames[0]
    assert differ['shared'] == 0
    assert differ['alone'] >= 8 and differ['clips'] >= 7


def test_one_draw_for_transforms_inside_of_wrappers():
    wrapped = dict(type='RandomApply', transforms=[JITTER], prob=0.5)
    transform = ForEachFrame([wrapped])
    applied = []
    for _ in range(40):
        results = transform(clip())
        applied.append('bbox_rotation' in results)
        if applied[-1]:
            assert same_rows(results['bbox_rotation'])
    assert 5 < sum(applied) < 35


def test_transforms_survive_use_as_they_were():
    jitter, colour = RandomBBoxTransform(), PhotometricDistortion()
    before = [dict(jitter.__dict__), dict(colour.__dict__)]
    transform = ForEachFrame([jitter, colour])
    transform(clip())
    assert [jitter.__dict__, colour.__dict__] == before
    copies = [pickle.loads(pickle.dumps(transform)), copy.deepcopy(transform)]
    # A copy must not draw through its original, which is gone by now.
    del transform, jitter, colour
    gc.collect()
    for again in copies:
        assert same_rows(again(clip())['bbox_rotation'])


def test_state_is_restored_after_an_error():
    jitter = RandomBBoxTransform()
    before = dict(jitter.__dict__)

    def fail(results):
        raise KeyError('inside')

    with pytest.raises(KeyError, match='inside'):
        ForEachFrame([jitter, fail])(clip())
    assert jitter.__dict__ == before


def test_rows_equal_those_of_the_stock_transform():
    results = clip(same=False)
    stock = []
    for row in range(3):
        frame = dict(results, img=results['img'][row])
        for key in (
            'bbox_center',
            'bbox_scale',
            'keypoints',
            'keypoints_visible',
        ):
            frame[key] = results[key][row : row + 1]
        stock.append(TopdownAffine(input_size=(12, 8))(frame))
    out = ForEachFrame([dict(type='TopdownAffine', input_size=(12, 8))])(
        clip(same=False)
    )
    for row, frame in enumerate(stock):
        assert np.array_equal(out['img'][row], frame['img'])
        assert np.array_equal(
            out['transformed_keypoints'][row],
            frame['transformed_keypoints'][0],
        )
        assert np.array_equal(out['bbox_scale'][row], frame['bbox_scale'][0])
        assert np.array_equal(out['input_scale'][row, 0], frame['input_scale'])
    assert out['input_center'].shape == out['input_scale'].shape == (3, 1, 2)
    assert out['input_size'] == (12, 8)
    assert out['keypoints'].shape == (3, 4, 2)
    assert out['img_path'] == '0.jpg' and len(out['img_paths']) == 3


def unlabelled_clip(num=3):
    """What inference has: frames and boxes."""
    frames = clip(num, same=False)['img']
    boxes = np.array([[2 + i, 3, 20 + i, 17] for i in range(num)], np.float32)
    return dict(img=frames, bbox=boxes, id=7)


def test_clips_without_keypoints():
    results = GetBBoxCenterScale(padding=1.0)(unlabelled_clip())
    results = ForEachFrame([dict(type='TopdownAffine', input_size=(12, 8))])(
        results
    )
    assert 'transformed_keypoints' not in results
    assert 'keypoints_visible' not in results
    # by hand: centres 11 + i, 10; 18 x 14 grows to 21 x 14
    np.testing.assert_allclose(
        results['input_center'], [[[11 + i, 10]] for i in range(3)]
    )
    np.testing.assert_allclose(results['input_scale'], [[[21, 14]]] * 3)
    packed = PackClipInputs()(results)
    assert packed['inputs'].shape == (3, 3, 8, 12)
    sample = packed['data_samples']
    assert sorted(sample.gt_instances.keys()) == ['bbox_scales', 'bboxes']
    for row in range(3):
        frame = dict(
            unlabelled_clip(),
            img=unlabelled_clip()['img'][row],
            bbox=unlabelled_clip()['bbox'][row : row + 1],
        )
        stock = TopdownAffine(input_size=(12, 8))(
            GetBBoxCenterScale(padding=1.0)(frame)
        )
        assert np.array_equal(results['img'][row], stock['img'])
    frames = split_clip(sample)
    assert [f.metainfo['input_center'][0] for f in frames] == [11, 12, 13]
    assert all('raw_ann_info' not in f.metainfo for f in frames)


def test_clip_whose_keypoints_are_none():
    results = dict(GetBBoxCenterScale()(unlabelled_clip()), keypoints=None)
    results = ForEachFrame(
        [JITTER, dict(type='TopdownAffine', input_size=(12, 8))]
    )(results)
    assert results['keypoints'] is None
    assert 'transformed_keypoints' not in results


def test_images_are_not_copied_on_the_way():
    seen = []

    def look(results):
        seen.append(results['img'])
        return results

    results = clip()
    ForEachFrame([look])(results)
    assert all(a is b for a, b in zip(seen, results['img']))


def test_each_frame_has_its_own_path():
    paths = []

    def look(results):
        paths.append(results['img_path'])
        return results

    ForEachFrame([look])(clip())
    assert paths == ['0.jpg', '1.jpg', '2.jpg']


def test_a_frame_given_up_gives_up_the_clip():
    assert ForEachFrame([lambda results: None])(clip()) is None


@avoid_cache_randomness
class Unshareable(BaseTransform):
    def transform(self, results):
        results['bbox_center'] = results['bbox_center'] + np.random.rand()
        return results


def test_transforms_that_cannot_share_are_refused():
    with pytest.raises(ValueError, match='Unshareable cannot repeat') as error:
        ForEachFrame([Unshareable()])
    assert '\n' not in str(error.value)
    with pytest.raises(ValueError, match='Unshareable cannot repeat'):
        ForEachFrame(
            [dict(type='RandomApply', transforms=[Unshareable()], prob=0.5)]
        )
    results = ForEachFrame([Unshareable()], share_random=False)(clip())
    assert not same_rows(results['bbox_center'])


def test_keys_that_differ_between_frames_are_refused():
    counter = iter(range(9))

    def number(results):
        results['number'] = next(counter)
        return results

    with pytest.raises(ValueError, match="'number' differs between frames"):
        ForEachFrame([number])(clip())

    def constant(results):
        results['factor'] = np.ones(2)
        return results

    assert ForEachFrame([constant])(clip())['factor'].tolist() == [1, 1]
