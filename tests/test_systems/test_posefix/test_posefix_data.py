# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The input pose on its way through the pipeline, and COCO's people."""

import json

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose
from mmpose.registry import DATASETS
from mmpose.utils import register_all_modules

import rpstn_mmpose  # noqa: F401, registers

register_all_modules()

WIDTH, HEIGHT = 120, 160
SIZE = (48, 64)
CROP = [
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal', prob=1.0),
    dict(
        type='RandomBBoxTransform',
        shift_prob=0.5,
        scale_factor=(0.7, 1.3),
        rotate_factor=80,
        rotate_prob=1.0,
    ),
    dict(type='TopdownAffine', input_size=SIZE),
]
MIRRORED = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def person(seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform([30, 30], [90, 130], (1, 17, 2)).astype(np.float32)


def results(**more):
    return dict(
        img=np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        img_shape=(HEIGHT, WIDTH),
        bbox=np.array([[20, 20, 100, 140]], np.float32),
        bbox_score=np.ones(1, np.float32),
        flip_indices=MIRRORED,
        keypoints=person(),
        keypoints_visible=np.ones((1, 17), np.float32),
        **more,
    )


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('use_udp', [False, True])
def test_further_poses_go_where_the_truth_goes(seed, use_udp):
    """Flip, scale, shift and rotation: the pose that is the truth is packed
    where MMPose's transforms put the truth, joints and scores exchanged."""
    np.random.seed(seed)
    steps = [dict(step) for step in CROP]
    steps[-1]['use_udp'] = use_udp
    scores = np.linspace(0.1, 0.9, 17)[None, :, None]
    given = np.concatenate([person(), scores], axis=-1)
    given[0, 5] = np.nan
    out = Compose([*steps, dict(type='AddInputPose', use_udp=use_udp)])(
        results(input_keypoints=given)
    )
    expected = out['transformed_keypoints'][0].copy()
    expected[6] = np.nan  # the right shoulder was the left one
    pose = out['input_poses'][0]
    np.testing.assert_allclose(pose[:, :2], expected, atol=1e-3)
    there = np.isfinite(pose[:, 0])
    np.testing.assert_allclose(
        pose[there, 2], scores[0, MIRRORED, 0][there], atol=1e-6
    )
    assert not there[6]


def test_a_person_without_a_pose_gets_an_empty_one():
    out = Compose([*CROP, dict(type='AddInputPose')])(results())
    assert np.isnan(out['input_poses'][..., :2]).all()
    assert out['input_poses'].shape == (1, 17, 3)


def test_synthetic_errors_without_errors(monkeypatch):
    """With chances of good alone each joint is within its inner ring: the
    similarity with the truth, in the crop, is at least 0.85."""
    from rpstn_mmpose.systems.posefix import transforms

    good = np.eye(5)[[0]].repeat(17, axis=0)
    asked = []
    monkeypatch.setattr(
        transforms,
        'error_chances',
        lambda parts, *numbers: asked.append(numbers) or good,
    )
    np.random.seed(0)
    steps = [*CROP, dict(type='SynthesizePoseErrors')]
    near = np.stack([person(1)[0], person(2)[0]])
    given = results(near_keypoints=near)
    given['keypoints_visible'][0, 3] = 0
    out = Compose(steps)(given)
    pose, truth = out['input_poses'][0], out['transformed_keypoints'][0]
    # a joint without annotation and without another model's is left out
    absent = np.isnan(pose[:, 0])
    assert list(np.flatnonzero(absent)) == [4]  # flipped
    inside = ((truth >= 0) & (truth <= [47, 63])).all(axis=1)
    assert asked == [(int((inside & ~absent).sum()), 2)]
    area = 80 * 120 * np.prod(np.array(SIZE) / out['input_scale'])
    sigmas = np.array(
        [.026, .025, .025, .035, .035, .079, .079, .072, .072, .062, .062,
         .107, .107, .087, .087, .089, .089]
    )  # fmt: skip
    gaps = np.linalg.norm(pose[:, :2] - truth, axis=1)
    similar = np.exp(-(gaps**2) / (2 * area * (2 * sigmas) ** 2))
    assert (similar[~absent] >= 0.85).all()
    assert (gaps[~absent] > 0).all()
    np.testing.assert_array_equal(pose[:, 2], 1)


def test_another_model_stands_in_for_annotations():
    """Joint 9 is not annotated; the given pose has it 2 pixels off, and the
    error is made around that."""
    given = np.concatenate([person() + 2, np.ones((1, 17, 1))], axis=-1)
    np.random.seed(0)
    sample = results(input_keypoints=given)
    sample['keypoints_visible'][0, 9] = 0
    steps = [*CROP[:1], CROP[3], dict(type='SynthesizePoseErrors')]
    out = Compose(steps)(sample)
    assert np.isfinite(out['input_poses']).all()


def test_another_skeleton_is_refused():
    sample = results()
    sample['keypoints'] = sample['keypoints'][:, :13]
    sample['keypoints_visible'] = sample['keypoints_visible'][:, :13]
    sample['flip_indices'] = list(range(13))
    steps = [*CROP, dict(type='SynthesizePoseErrors')]
    with pytest.raises(ValueError, match='has 17 joints, and the data set 13'):
        Compose(steps)(sample)


def test_crops_around_poses():
    """Extent 30 x 40, times 1.2 and 1.25; the box stays for the metrics."""
    pose = np.full((1, 17, 3), np.nan)
    pose[0, :2] = [[10, 20, 1], [40, 60, 1]]
    step = Compose([dict(type='GetPoseCenterScale')])
    out = step(results(input_keypoints=pose))
    np.testing.assert_allclose(out['bbox_center'], [[25, 40]])
    np.testing.assert_allclose(out['bbox_scale'], [[45, 60]])
    np.testing.assert_array_equal(out['bbox'], [[20, 20, 100, 140]])
    for lost in ({}, dict(input_keypoints=pose * np.nan)):
        out = step(results(**lost))
        np.testing.assert_allclose(out['bbox_center'], [[60, 80]])
        np.testing.assert_allclose(out['bbox_scale'], [[100, 150]])


def annotation(number, image, box, points=None, known=True):
    points = person(number)[0] if points is None else points
    return dict(
        id=number,
        image_id=image,
        category_id=1,
        bbox=box,
        area=box[2] * box[3],
        iscrowd=0,
        num_keypoints=17,
        keypoints=np.column_stack([points, [2 * known] * 17]).ravel().tolist(),
    )


@pytest.fixture()
def coco(tmp_path):
    """Two pictures: of three people, two of whom overlap by 0.25, and of
    one. Results of three poses, one in no picture."""
    for image in (1, 2):
        cv2.imwrite(
            str(tmp_path / f'{image}.jpg'),
            np.full((HEIGHT, WIDTH, 3), 80, np.uint8),
        )
    people = [
        annotation(1, 1, [0, 0, 50, 100]),
        annotation(2, 1, [30, 0, 50, 100]),
        annotation(3, 1, [80, 0, 30, 30]),
        annotation(4, 2, [10, 10, 80, 100]),
    ]
    truth = dict(
        images=[
            dict(id=i, file_name=f'{i}.jpg', width=WIDTH, height=HEIGHT)
            for i in (1, 2)
        ],
        annotations=people,
        categories=[dict(id=1, name='person')],
    )
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    poses = [
        dict(people[1], score=0.7, category_id=1),
        dict(people[0], score=0.6, bbox=[200, 0, 50, 100]),
        dict(people[3], image_id=3, score=0.5),
    ]
    (tmp_path / 'poses.json').write_text(json.dumps(poses))
    return tmp_path


def dataset(folder, **options):
    return DATASETS.build(
        dict(
            type='CocoRefineDataset',
            data_root=str(folder),
            ann_file='truth.json',
            data_prefix=dict(img=''),
            **options,
        )
    )


def test_training_people_know_who_is_beside(coco):
    """IoU of 1 and 2: 20 of 80. A pose goes to the person whose box it is
    in; others have none."""
    people = dataset(coco, pose_file=str(coco / 'poses.json'))
    assert len(people) == 4
    near = [people.get_data_info(i)['near_keypoints'] for i in range(4)]
    assert [len(n) for n in near] == [1, 1, 0, 0]
    np.testing.assert_allclose(near[0][0], person(2)[0], rtol=1e-6)
    found = ['input_keypoints' in people.get_data_info(i) for i in range(4)]
    assert found == [False, True, False, False]
    assert 'input_keypoints' not in dataset(coco).get_data_info(1)


def test_test_samples_are_poses(coco):
    """Not people of the annotations; who is in no picture is left out."""
    poses = dataset(coco, pose_file=str(coco / 'poses.json'), test_mode=True)
    assert [poses.get_data_info(i)['img_id'] for i in range(2)] == [1, 1]
    info = poses.get_data_info(0)
    np.testing.assert_allclose(
        info['input_keypoints'][0, :, :2], person(2)[0], rtol=1e-6
    )
    assert info['bbox_score'] == pytest.approx(0.7)
    np.testing.assert_allclose(info['bbox'], [[30, 0, 80, 100]])
    assert len(poses) == 2
    assert info['img_path'] == str(coco / '1.jpg')


@pytest.mark.parametrize(
    'options, error, message',
    [
        (dict(test_mode=True), ValueError, 'nothing to refine; give pose_f'),
        (
            dict(bbox_file='a.json', test_mode=True),
            ValueError,
            'leave bbox_file out',
        ),
        (dict(pose_file='none.json'), FileNotFoundError, 'none.json'),
        (dict(ann_file='none.json'), FileNotFoundError, 'no file .*none.json'),
    ],
)
def test_what_cannot_be_refined(coco, options, error, message):
    options = dict(dict(type='CocoRefineDataset', ann_file='truth.json',
                        data_root=str(coco)), **options)  # fmt: skip
    with pytest.raises(error, match=message):
        DATASETS.build(options)


def test_results_of_another_subset(coco):
    poses = json.loads((coco / 'poses.json').read_text())[2:]
    (coco / 'poses.json').write_text(json.dumps(poses))
    with pytest.raises(ValueError, match='none of the 1 poses .* is in an im'):
        dataset(coco, pose_file=str(coco / 'poses.json'), test_mode=True)


class Tracks:
    """Three people of picture 5 and one of 6, as a TrackStore has them."""

    columns = dict(
        image_ids=np.array([6, 5, 5, 5]),
        bbox=np.array(
            [[0, 0, 50, 100], [0, 0, 50, 100], [30, 0, 80, 100],
             [90, 0, 99, 9]], float
        ),
        keypoints=np.stack([person(i)[0] for i in range(4)]),
        keypoints_labeled=np.ones((4, 17)),
    )  # fmt: skip

    def column(self, name):
        return self.columns[name]


def test_near_people_of_tracks():
    class Data:
        tracks = Tracks()

    Data.tracks.columns['keypoints_labeled'][2, 0] = 0
    step = Compose([dict(type='AddNearPeople')])
    sample = dict(
        dataset=Data, img_id=5, bbox=np.array([[0, 0, 50, 100]], float)
    )
    near = step(sample)['near_keypoints']
    assert near.shape == (1, 17, 2)
    assert np.isnan(near[0, 0]).all()
    np.testing.assert_array_equal(near[0, 1:], person(2)[0][1:])
    alone = step(dict(sample, img_id=6))['near_keypoints']
    assert alone.shape == (0, 17, 2)


def test_poses_are_looked_up_by_picture_and_box(coco):
    """A pose that is there already stays, and nothing is read for it."""
    step = Compose(
        [dict(type='LoadInputPose', pose_file=str(coco / 'poses.json'))]
    )
    away = np.array([[85, 110, 119, 159.0]])
    sample = dict(results(img_id=1), bbox=away)
    assert 'input_keypoints' not in step(sample)
    sample = dict(results(img_id=1), bbox=np.array([[30, 0, 80, 99.0]]))
    found = step(sample)['input_keypoints']
    np.testing.assert_allclose(found[0, :, :2], person(2)[0], rtol=1e-6)
    given = Compose([dict(type='LoadInputPose', pose_file='nowhere')])(
        results(input_keypoints='mine')
    )
    assert given['input_keypoints'] == 'mine'
