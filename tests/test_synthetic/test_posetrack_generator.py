# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.structures import InstanceData
from mmpose.datasets.datasets import PoseTrack18Dataset
from mmpose.structures import PoseDataSample

from rpstn_mmpose.datasets import PoseTrackClipDataset
from rpstn_mmpose.synthetic import generate_posetrack
from rpstn_mmpose.synthetic.posetrack_config import PoseTrackConfig
from rpstn_mmpose.synthetic.posetrack_generator import (
    POSETRACK_MANIFEST,
    sample_crowd,
)
from tests.real_data import require_real_data
from tests.test_datasets.posetrack_files import labelled_poses, wanted_poses
from tests.test_synthetic.test_generate import digest

SMALL = dict(
    num_train=2,
    num_val=1,
    num_frames=3,
    label_every=2,
    image_size=(96, 64),
    progress=False,
)


@pytest.fixture(scope='module')
def crowd(tmp_path_factory):
    """14 val sequences of 23 frames, every 4th labelled, no pictures."""
    folder = tmp_path_factory.mktemp('crowd') / 'posetrack'
    summary = generate_posetrack(
        folder,
        num_train=1,
        num_val=14,
        num_frames=3,
        num_val_frames=23,
        people=(2, 4),
        walkers=0.8,
        ignored=0.5,
        num_workers=2,
        progress=False,
        pictures=False,
    )
    return folder, summary


def read(folder, split='val'):
    """Contents by sequence."""
    return {
        path.stem: json.loads(path.read_text())
        for path in sorted((folder / 'annotations' / split).glob('*.json'))
    }


def test_bytes_depend_on_the_seed_only(tmp_path):
    for name, seed, workers in (('a', 5, 1), ('b', 5, 2), ('c', 6, 1)):
        generate_posetrack(
            tmp_path / name, seed=seed, num_workers=workers, **SMALL
        )
    same, parallel, other = (digest(tmp_path / name) for name in 'abc')
    assert same == parallel
    assert same != other


def test_files_on_disk(tmp_path):
    summary = generate_posetrack(tmp_path, **SMALL)
    assert summary['num_sequences'] == dict(train=2, val=1)
    assert summary['num_frames'] == 9
    names = sorted(
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob('*.*')
    )
    assert names == sorted(
        [
            'annotations/posetrack18_train.json',
            'annotations/posetrack18_val.json',
            'annotations/posetrack18_val_human_detections.json',
            'annotations/train/000001_mpii_train.json',
            'annotations/train/000002_mpii_train.json',
            'annotations/val/000003_mpii_test.json',
            POSETRACK_MANIFEST,
        ]
        + [
            f'images/{folder}/{frame:06d}.jpg'
            for folder in (
                'train/000001_mpii_train',
                'train/000002_mpii_train',
                'val/000003_mpii_test',
            )
            for frame in range(3)
        ]
    )
    picture = cv2.imread(str(next(tmp_path.rglob('000002.jpg'))))
    assert picture.shape == (64, 96, 3) and picture.std() > 5


def test_fields_are_those_of_the_real_files(crowd):
    root = require_real_data('mmpose_samples/posetrack18/annotations/val')
    real = json.loads((root / '012834_mpii_test.json').read_text())
    for content in read(crowd[0]).values():
        assert content['categories'] == real['categories']
        assert set(content) == set(real)
        for kind in ('images', 'annotations'):
            optional = {'mask_file', 'ignore_regions_x', 'ignore_regions_y'}
            keys = set(real[kind][0]) - optional
            for item in content[kind]:
                assert set(item) - optional == keys
                for key in keys:
                    if key not in ('bbox', 'keypoints'):
                        assert type(item[key]) is type(real[kind][0][key])


def test_numbers_of_images_and_annotations(crowd):
    """Source 1, six digits of the sequence, four of the frame; then two of
    the person."""
    for name, content in read(crowd[0]).items():
        assert len(content['images']) == 23
        for frame, image in enumerate(content['images']):
            assert str(image['id']) == f'1{name[:6]}{frame:04d}'
            assert image['frame_id'] == image['id']
            assert image['vid_id'] == name[:6] and image['nframes'] == 23
            assert image['file_name'] == f'images/val/{name}/{frame:06d}.jpg'
            assert image['is_labeled'] == (frame in (0, 4, 8, 12, 16, 20))
        ids = [a['id'] for a in content['annotations']]
        assert len(ids) == len(set(ids))
        for item in content['annotations']:
            assert item['id'] // 100 == item['image_id']


def test_joints_and_boxes(crowd):
    joints = Counter()
    for content in read(crowd[0]).values():
        for item in content['annotations']:
            points = np.reshape(item['keypoints'], (17, 3))
            seen = points[:, 2] == 1
            assert set(points[:, 2]) <= {0, 1}
            assert not points[~seen].any() and not seen[3:5].any()
            assert seen.sum() == item['num_keypoints'] > 0
            assert (points[seen, :2] >= 0).all()
            assert (points[seen, :2] <= (255, 143)).all()
            low, high = points[seen, :2].min(0), points[seen, :2].max(0)
            margin = 0.15 * (high - low)
            np.testing.assert_allclose(
                item['bbox'],
                [*(low - margin), *(high - low + 2 * margin)],
                atol=2e-3,
            )
            joints.update(np.flatnonzero(seen).tolist())
            if seen[:3].all():
                nose, bottom, top = points[:3, :2]
                x, y, w, h = item['bbox_head']
                # The head's own joints lie in or on its box.
                for point in (nose, bottom, top):
                    assert x - 1 <= point[0] <= x + w + 1
                    assert y - 1 <= point[1] <= y + h + 1
    # every joint but the ears is there in earnest
    assert set(joints) == set(range(17)) - {3, 4}
    assert min(joints.values()) > 0.4 * max(joints.values())


def test_people_enter_late_and_leave_early(crowd):
    late = early = 0
    for content in read(crowd[0]).values():
        frames = [i['id'] for i in content['images'] if i['is_labeled']]
        for track in {a['track_id'] for a in content['annotations']}:
            there = [
                a['image_id']
                for a in content['annotations']
                if a['track_id'] == track
            ]
            late += min(there) > frames[0]
            early += max(there) < frames[-1]
    assert late >= 3 and early >= 3


def test_ignore_regions_are_in_the_picture_and_of_somebody(crowd):
    with_regions = 0
    for content in read(crowd[0]).values():
        for image in content['images']:
            if 'ignore_regions_x' not in image:
                continue
            with_regions += 1
            for xs, ys in zip(
                image['ignore_regions_x'], image['ignore_regions_y']
            ):
                assert len(xs) == len(ys) >= 1
                assert 0 <= min(xs) and max(xs) <= 255
                assert 0 <= min(ys) and max(ys) <= 143
    assert with_regions > 14


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(),
        dict(clip_length=3),
        dict(clip_length=7, max_gap=4),
        dict(clip_length=2, frame_interval=4),
        dict(clip_offsets=(-1, 0, 1)),
    ],
    ids=str,
)
def test_every_labelled_pose_is_wanted_once(crowd, kwargs):
    folder, summary = crowd
    expected = labelled_poses(folder)
    manifest = [s for s in summary['sequences'] if s['split'] == 'val']
    assert len(expected) == sum(s['poses'] for s in manifest) > 120
    dataset = PoseTrackClipDataset(
        data_root=str(folder), split='val', test_mode=True, **kwargs
    )
    assert wanted_poses(dataset) == expected


def test_mmpose_reads_it(crowd):
    folder, _ = crowd
    stock = PoseTrack18Dataset(
        ann_file='annotations/posetrack18_val.json',
        data_root=str(folder),
        data_prefix=dict(img=''),
        test_mode=True,
    )
    ours = PoseTrackClipDataset(
        data_root=str(folder), split='val', test_mode=True, clip_length=1
    )
    mine = {}
    for index in range(len(ours)):
        info = ours.get_data_info(index)
        mine[info['img_id'], info['track_id']] = info
    # MMPose leaves out boxes that a single joint makes
    assert 0.9 * len(ours) < len(stock) <= len(ours)
    for index in range(len(stock)):
        theirs = stock.get_data_info(index)
        info = mine[theirs['img_id'], theirs['raw_ann_info']['track_id']]
        assert info['img_path'] == theirs['img_path']
        np.testing.assert_allclose(info['bbox'], theirs['bbox'], atol=1e-4)
        for key in ('keypoints', 'keypoints_visible'):
            np.testing.assert_allclose(info[key], theirs[key], atol=1e-4)


def evaluate(folder, dataset, shift):
    """Scores of predictions that lie beside the truth."""
    metric = pytest.importorskip(
        'rpstn_mmpose.evaluation.metrics.posetrack_clip_metric'
    ).PoseTrackClipMetric(
        gt_dir=str(folder / 'annotations/val'), keypoint_thr=0.5
    )
    metric.dataset_meta = dataset.metainfo
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        keys = 'video_id', 'track_id', 'image_ids', 'frame_ids', 'frame_mask'
        sample = PoseDataSample(metainfo={key: info[key] for key in keys})
        sample.pred_instances = InstanceData(
            keypoints=info['keypoints'] + np.float32(shift),
            keypoint_scores=info['keypoints_labeled'],
            bboxes=info['bbox'],
            bbox_scores=info['bbox_score'],
        )
        metric.process({}, [sample.to_dict()])
    return metric.evaluate(len(dataset))


def test_evaluation_of_clips(crowd):
    folder, _ = crowd
    dataset = PoseTrackClipDataset(
        data_root=str(folder), split='val', test_mode=True
    )
    scores = evaluate(folder, dataset, 0)
    assert scores['PoseTrack/Total'] == pytest.approx(100)
    assert scores['PoseTrack/mota'] == pytest.approx(100)
    assert evaluate(folder, dataset, 300)['PoseTrack/Total'] < 1


def test_detections_are_near_the_people(crowd):
    folder, _ = crowd
    path = folder / 'annotations/posetrack18_val_human_detections.json'
    dataset = PoseTrackClipDataset(
        data_root=str(folder), split='val', test_mode=True,
        bbox_file=str(path),
    )  # fmt: skip
    detections = json.loads(path.read_text())
    assert len(dataset) == len(detections)
    truth = {}
    for content in read(folder).values():
        for item in content['annotations']:
            if item['num_keypoints'] > 10:
                truth.setdefault(item['image_id'], []).append(item['bbox'])
    found = total = 0
    for image, boxes in truth.items():
        centers = np.array(
            [
                np.array(d['bbox'][:2]) + np.array(d['bbox'][2:]) / 2
                for d in detections
                if d['image_id'] == image
            ]
        ).reshape(-1, 2)
        for x, y, w, h in boxes:
            total += 1
            near = np.abs(centers - (x + w / 2, y + h / 2)) < (w / 2, h / 2)
            found += bool(near.all(axis=1).any())
    assert found / total > 0.9


def test_crowd_has_as_many_people_as_asked_for():
    config = PoseTrackConfig(people=(3, 3), ignored=1.0).checked()
    scene, ids = sample_crowd((0, 'demo', 0), 2, config)
    assert sorted(i for i in ids if i is not None) == [0, 1, 2]
    assert ids.count(None) == 1 and len(scene.actors) == 4
    config = PoseTrackConfig(people=(1, 1), ignored=0.0).checked()
    assert sample_crowd((0, 'demo', 0), 2, config)[1] == [0]


def test_complete_data_set_is_left_alone(tmp_path):
    first = generate_posetrack(tmp_path, pictures=False, **SMALL)
    path = tmp_path / 'annotations/posetrack18_val.json'
    path.write_text('mine')
    again = generate_posetrack(tmp_path, pictures=False, **SMALL)
    assert not first['existed'] and again['existed']
    assert first['sequences'] == again['sequences']
    assert path.read_text() == 'mine'
    assert str(tmp_path) not in (tmp_path / POSETRACK_MANIFEST).read_text()


def test_unfinished_data_set_is_made_again(tmp_path):
    options = dict(SMALL, pictures=False)
    generate_posetrack(tmp_path / 'whole', **options)
    generate_posetrack(tmp_path / 'half', **dict(options, num_train=4))
    half = tmp_path / 'half'
    (half / POSETRACK_MANIFEST).rename(
        half / 'synthetic_posetrack_manifest.partial.json'
    )
    generate_posetrack(half, **options)
    assert digest(half) == digest(tmp_path / 'whole')


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(num_train=0), 'num_train must be at least 1, got 0'),
        (dict(label_every=0), 'label_every must be at least 1, got 0'),
        (dict(num_val_frames=10000), 'must be below 10000, got 10000'),
        (dict(people=(2, 1)), r'people must be .* got \(2, 1\)'),
        (dict(people=(0, 1)), r'people must be .* got \(0, 1\)'),
        (dict(walkers=1.5), 'walkers must lie in 0 to 1, got 1.5'),
        (dict(ignored=-0.5), 'ignored must lie in 0 to 1, got -0.5'),
        (dict(image_size=(20, 90)), 'image_size must be .* at least 32'),
        (dict(seed=-1), 'seed must not be negative, got -1'),
        (dict(num_workers=0), 'num_workers must be at least 1, got 0'),
        (dict(difficulty='brutal'), "unknown preset 'brutal'"),
    ],
)
def test_bad_settings(tmp_path, options, message):
    out = tmp_path / 'out'
    with pytest.raises(ValueError, match=message) as caught:
        generate_posetrack(out, **dict(SMALL, **options))
    assert '\n' not in str(caught.value)
    assert not out.exists()


def test_folders_with_something_else_are_refused(tmp_path):
    options = dict(SMALL, pictures=False)
    generate_posetrack(tmp_path / 'data', **options)
    with pytest.raises(ValueError, match=r'other settings \(seed\)'):
        generate_posetrack(tmp_path / 'data', seed=1, **options)
    (tmp_path / 'notes').mkdir()
    (tmp_path / 'notes/a.txt').write_text('precious')
    with pytest.raises(ValueError, match='not empty and not a synthetic'):
        generate_posetrack(tmp_path / 'notes', **options)
    with pytest.raises(ValueError, match='is a file, give a folder'):
        generate_posetrack(tmp_path / 'notes/a.txt', **options)
    assert Path(tmp_path / 'notes/a.txt').read_text() == 'precious'
