# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A data set with fields of its own, which no other file knows."""

import numpy as np
import pytest
import torch
from mmpose.registry import DATASETS
from mmpose.structures import PoseDataSample

from rpstn_mmpose.datasets import (
    BaseClipDataset,
    BaseSequenceDataset,
    ClipKeypointConverter,
    ClipRandomFlip,
    ForEachFrame,
    PackClipInputs,
    ReducedTopdownAffine,
    TopdownStretch,
    Track,
    TrackStore,
)
from rpstn_mmpose.structures import narrow, split_clip
from rpstn_mmpose.structures.columns import Column
from tests.test_datasets.test_tracks import make_track

PENN = 'configs/_base_/datasets/penn_action.py'
# Penn Action: head, then left and right of six joints.
SWAPPED = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11]
WIDTH, HEIGHT, NUM = 200, 100, 4


def points(scale, channels):
    """Joint k of frame t lies at scale * (k, t, 2) + (1, 2, 3)."""
    joints, frames = np.meshgrid(np.arange(13), np.arange(NUM))
    values = np.stack([joints, frames, np.full_like(joints, 2)], axis=-1)
    return (scale * values + [1, 2, 3])[..., :channels].astype(np.float32)


class Fields(BaseClipDataset):
    METAINFO = dict(from_file=PENN)
    COLUMNS = (
        Column('input_keypoints', 'points'),
        Column('keypoints_3d', 'points_3d'),
        Column('keypoint_scores', 'score'),
        Column('blurred', 'flag'),
        Column('head_box', 'box'),
        Column('camera_ids', 'index'),
        Column('mask_paths', 'path'),
        Column('camera', 'value', of_track=True),
        Column('note', 'value', packed=False),
    )

    def load_tracks(self):
        frames = np.arange(NUM)
        return [
            make_track(
                'a',
                NUM,
                num_joints=13,
                input_keypoints=points(5, 2),
                keypoints_3d=points(1, 3),
                keypoint_scores=np.arange(13 * NUM).reshape(NUM, 13) / 64,
                blurred=[0, 1, 0, 1],
                head_box=np.tile([10, 20, 30, 50], (NUM, 1)),
                camera_ids=frames + 70,
                mask_paths=[f'é{i // 2}.png' for i in frames],
                camera=[1145.0, 512.5],
                note=frames,
            )
        ]


def sample(**kwargs):
    dataset = Fields(data_root='', split='train', clip_length=3, **kwargs)
    info = dataset.get_data_info(1)
    images = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 3
    return dict(
        info, img=images, img_shape=(HEIGHT, WIDTH), ori_shape=(HEIGHT, WIDTH)
    )


def test_rows_of_declared_columns():
    clip = sample()  # frames 1 to 3
    assert clip['camera_ids'] == [71, 72, 73]
    assert clip['mask_paths'] == ['é0.png', 'é1.png', 'é1.png']
    assert clip['camera'].tolist() == [1145, 512.5]
    assert clip['blurred'].tolist() == [1, 0, 1]
    assert clip['note'].tolist() == [1, 2, 3]
    assert clip['input_keypoints'].dtype == np.float32
    assert clip['input_keypoints'][2, 12].tolist() == [61, 17]
    assert clip['keypoint_scores'][0, 3] == 16 / 64


@pytest.mark.parametrize(
    'direction, place, mirrored',
    [
        ('horizontal', [199 - 61, 17], [-13, 5, 5]),
        ('vertical', [61, 99 - 17], [13, -5, 5]),
    ],
)
def test_flips_by_kind(direction, place, mirrored):
    before, clip = sample(), sample()
    flipped = ClipRandomFlip(prob=1.0, direction=direction)(clip)
    # Joint 11 of the mirrored person is joint 12 of the other one.
    assert flipped['input_keypoints'][2, 11].tolist() == place
    assert flipped['keypoints_3d'][2, 11].tolist() == mirrored
    scores = before['keypoint_scores'][:, SWAPPED]
    assert np.array_equal(flipped['keypoint_scores'], scores)
    box = [169, 20, 189, 50] if direction == 'horizontal' else [10, 49, 30, 79]
    assert flipped['head_box'][0].tolist() == box
    for name in ('blurred', 'camera', 'camera_ids', 'mask_paths', 'note'):
        assert np.array_equal(flipped[name], before[name])


def test_a_diagonal_flip_keeps_left_and_right():
    flipped = ClipRandomFlip(prob=1.0, direction='diagonal')(sample())
    assert flipped['keypoints_3d'][2, 12].tolist() == [-13, -5, 5]
    assert flipped['keypoint_scores'][0, 3] == 16 / 64


def test_sides_of_points_of_another_skeleton():
    column = Column('three', 'points', flip_indices=(2, 1, 0))
    clip = dict(
        sample(), columns=(column,), three=np.tile([[0.0, 1], [5, 1], [9, 1]],
                                                   (3, 1, 1))
    )  # fmt: skip
    flipped = ClipRandomFlip(prob=1.0)(clip)
    assert flipped['three'][1, :, 0].tolist() == [190, 194, 199]


def test_flips_of_a_sequence_without_images():
    clip = sample()
    del clip['img']
    flipped = ClipRandomFlip(prob=1.0)(clip)
    assert 'img' not in flipped
    assert flipped['keypoints_3d'][2, 11].tolist() == [-13, 5, 5]


def test_joints_of_another_data_set():
    converter = ClipKeypointConverter(
        source=PENN,
        target='configs/_base_/datasets/jhmdb.py',
        mapping=dict(neck=('left_shoulder', 'right_shoulder')),
    )
    clip = converter(sample())
    assert clip['input_keypoints'].shape == (3, 15, 2)
    # JHMDB: neck, belly, head, right shoulder, left shoulder, ...
    neck, belly, _, right = clip['input_keypoints'][0, :4].tolist()
    assert neck == [8.5, 7] and belly == [0, 0] and right == [11, 7]
    assert clip['keypoints_3d'][0, 0].tolist() == [2.5, 3, 5]
    # Of the middle of two, the score of the worse one: 14 / 64 and 15 / 64.
    assert clip['keypoint_scores'][0, 0] == 14 / 64
    assert clip['keypoint_scores'].shape == (3, 15)
    assert clip['blurred'].shape == (3,)


def crops():
    affine = dict(type='TopdownAffine', input_size=(20, 20))
    reduced = dict(affine, type='ReducedTopdownAffine')
    return dict(
        affine=ForEachFrame([affine]),
        udp=ForEachFrame([dict(affine, use_udp=True)]),
        stretch=ForEachFrame([TopdownStretch(input_size=(20, 20))]),
        reduced=ForEachFrame([reduced]),
        clip=ReducedTopdownAffine(input_size=(20, 20)),
    )


@pytest.mark.parametrize('kind', list(crops()))
def test_points_are_cropped_as_keypoints_are(kind):
    clip = sample()
    clip['bbox_center'] = np.array([[50, 40], [60, 40], [70, 40]], np.float32)
    clip['bbox_scale'] = np.full((3, 2), 40, np.float32)
    clip['keypoints'] = clip['input_keypoints'][:, :5] + 3
    clip['keypoints_visible'] = clip['keypoints_visible'][:, :5]
    cropped = crops()[kind](clip)
    found = cropped['transformed_input_keypoints']
    assert found.shape == (3, 13, 2)
    # Half the size, with the box's centre in the middle of the crop (UDP: 19
    # pixels from the first to the last one for 40 of them).
    step = 19 / 40 if kind == 'udp' else 0.5
    middle = 9.5 if kind == 'udp' else 10
    places = points(5, 2)[1:]
    expected = (places - clip['bbox_center'][:, None]) * step + middle
    np.testing.assert_allclose(found, expected, atol=1e-4)
    shift = cropped['transformed_keypoints'] - found[:, :5]
    np.testing.assert_allclose(shift, 3 * step, atol=1e-4)
    assert cropped['keypoint_scores'].shape == (3, 13)
    assert cropped['camera'].tolist() == [1145, 512.5]


def packed():
    return PackClipInputs()(sample())['data_samples']


def test_packed_by_kind():
    data = packed()
    truth = data.gt_instances
    assert truth.input_keypoints.shape == (3, 13, 2)
    assert truth.keypoints_3d.shape == (3, 13, 3)
    assert truth.blurred.tolist() == [1, 0, 1]
    assert truth.head_box.shape == (3, 4) and truth.bboxes.shape == (3, 4)
    assert 'note' not in truth and 'note' not in data.metainfo
    assert data.metainfo['camera_ids'] == [71, 72, 73]
    assert data.metainfo['camera'].tolist() == [1145, 512.5]


@pytest.mark.parametrize('as_dict', [False, True])
def test_narrowed_by_kind(as_dict):
    data = packed().to_dict() if as_dict else packed()
    some = narrow(data, [2, 0])
    assert some.get('camera_ids') == [73, 71]
    assert some.get('mask_paths') == ['é1.png', 'é0.png']
    assert some.get('camera').tolist() == [1145, 512.5]
    truth = some['gt_instances'] if as_dict else some.gt_instances
    assert truth['input_keypoints'][:, 0].tolist() == [[1, 17], [1, 7]]
    again = narrow(some, [1])
    assert again.get('camera_ids') == [71]
    frames = split_clip(data)
    assert [frame.get('camera_ids') for frame in frames] == [71, 72, 73]
    assert isinstance(frames[0], dict if as_dict else PoseDataSample)


def test_columns_as_inputs():
    pack = PackClipInputs(inputs=('input_keypoints', 'keypoint_scores'))
    inputs = pack(sample())['inputs']
    assert inputs.shape == (3, 13, 3) and inputs.dtype == torch.float32
    assert inputs[0, 3].tolist() == [16, 7, 0.25]
    with pytest.raises(ValueError, match="no 'scores' for its inputs") as e:
        PackClipInputs(inputs=('scores',))(sample())
    assert '\n' not in str(e.value)


def test_what_is_not_declared_is_refused():
    with pytest.raises(ValueError, match="Track a: no column 'depth'") as e:
        TrackStore([make_track('a', 3, depth=np.zeros(3))])
    assert '\n' not in str(e.value)
    with pytest.raises(ValueError, match="has the kind 'point'; use one of"):
        Column('depth', 'point')
    with pytest.raises(AttributeError, match="no column 'depth'"):
        _ = make_track('a', 3).depth
    assert make_track('a', 3).image_ids is None


@DATASETS.register_module()
class Sequences(BaseSequenceDataset):
    """2D and 3D poses, without images and boxes."""

    METAINFO = dict(from_file=PENN)
    COLUMNS = (Column('keypoints_3d', 'points_3d'),)

    def load_tracks(self):
        return [
            Track(
                video_id=name,
                frame_ids=range(num),
                keypoints=np.full((num, 13, 2), 7.0),
                keypoints_3d=np.full((num, 13, 3), 9.0),
            )
            for name, num in (('S1', 5), ('S2', 3))
        ]


def test_sequences_without_images_and_boxes():
    dataset = DATASETS.build(
        dict(
            type='Sequences',
            data_root='',
            split='test',
            clip_offsets=range(-3, 4),
            test_mode=True,
            pipeline=[dict(type='PackClipInputs', inputs=['keypoints'])],
        )
    )
    assert len(dataset) == 8
    data = dataset[5]
    assert data['inputs'].shape == (7, 13, 2)
    found = data['data_samples']
    assert found.metainfo['frame_ids'] == [0, 0, 0, 0, 1, 2, 2]
    assert found.metainfo['img_id'] == 'S2/0'
    assert np.flatnonzero(found.metainfo['frame_mask']).tolist() == [3]
    assert found.gt_instances.keypoints_3d.shape == (7, 13, 3)
    one = narrow(found, [3])
    assert one.metainfo['img_id'] == 'S2/0' and len(one.gt_instances) == 1
    assert 'bboxes' not in found.gt_instances
