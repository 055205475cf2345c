# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json
import shutil

import numpy as np
import pytest
from mmengine.logging import MessageHub

from rpstn_mmpose.datasets import PoseTrackClipDataset
from rpstn_mmpose.structures import split_clip
from tests.real_data import require_case, require_real_data
from tests.test_datasets.posetrack_files import (
    image,
    image_id,
    labelled_poses,
    person,
    wanted_poses,
    write_posetrack,
    write_sequence,
)

REAL = 'mmpose_samples/posetrack18'
EVERY_4TH = (0, 4, 8, 12, 16)
WINDOWS = [
    dict(),
    dict(clip_length=1),
    dict(clip_length=3),
    dict(clip_length=3, clip_stride=2),
    dict(clip_length=3, frame_interval=2),
    dict(clip_offsets=(-2, -1, 0, 1, 2)),
    dict(clip_offsets=(0, 1, 5)),
    dict(clip_offsets=(0,)),
]


def posetrack(root, split='val', **kwargs):
    return PoseTrackClipDataset(data_root=str(root), split=split, **kwargs)


def clips(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


@pytest.fixture(scope='module')
def crowd(tmp_path_factory):
    """Three sequences: everybody everywhere; late, early, away for a while,
    once; and every 4th frame labelled, where tracks have other phases."""
    root = tmp_path_factory.mktemp('crowd')
    write_posetrack(root, 1, 7, people={0: range(7), 5: range(7)})
    write_posetrack(
        root,
        2,
        31,
        people={
            0: range(11, 31),
            1: range(3),
            2: [*range(4), *range(20, 29)],
            3: [30],
            4: [0],
            7: [0, 6, 12, 30],
        },
    )
    write_posetrack(
        root,
        3,
        18,
        EVERY_4TH,
        people={0: EVERY_4TH, 1: (8, 12), 2: (0, 16), 3: (16,)},
    )
    return root


@pytest.mark.parametrize('max_gap', [1, 12])
@pytest.mark.parametrize('kwargs', WINDOWS, ids=str)
def test_every_labelled_pose_is_wanted_once(crowd, kwargs, max_gap):
    dataset = posetrack(crowd, test_mode=True, max_gap=max_gap, **kwargs)
    expected = labelled_poses(crowd)
    # counted by hand: 14; 20 + 3 + 13 + 1 + 1 + 4; 5 + 2 + 2 + 1
    assert len(expected) == 14 + 42 + 10
    assert wanted_poses(dataset) == expected


@pytest.mark.parametrize('kwargs', WINDOWS, ids=str)
def test_training_clips_hold_labelled_poses_alone(crowd, kwargs):
    dataset = posetrack(crowd, **kwargs)
    # none of these strides is longer than a clip, which would leave some out
    assert set(wanted_poses(dataset)) == set(labelled_poses(crowd))
    for info in clips(dataset):
        assert info['frame_mask'].any()
        labeled = info['keypoints_labeled'].any(axis=1)
        assert labeled[info['frame_mask']].all()


@pytest.mark.parametrize(
    'kwargs, frames',
    [
        # of 12 frames; a clip that would run over the end begins earlier, by
        # whole intervals
        (dict(clip_length=2, clip_stride=5), [[0, 1], [5, 6], [10, 11]]),
        (dict(clip_length=2, clip_stride=7), [[0, 1], [7, 8]]),
        (
            dict(clip_length=3, clip_stride=5),
            [[0, 1, 2], [5, 6, 7], [9, 10, 11]],
        ),
        (
            dict(clip_length=2, frame_interval=2, clip_stride=5),
            [[0, 2], [5, 7], [8, 10]],
        ),
        (dict(clip_offsets=(0, 1), clip_stride=5), [[0], [5], [10]]),
    ],
    ids=str,
)
def test_a_stride_longer_than_a_clip_leaves_out_what_is_between(
    tmp_path, kwargs, frames
):
    write_posetrack(tmp_path, 1, 12, people={0: range(12)})
    infos = clips(posetrack(tmp_path, **kwargs))
    assert [
        np.array(info['frame_ids'])[info['frame_mask']].tolist()
        for info in infos
    ] == frames


def test_sample_follows_the_contract(tmp_path):
    write_posetrack(tmp_path, 1, 9, people={3: range(9)})
    info = posetrack(tmp_path).get_data_info(1)
    assert info['video_id'] == '000001_mpii_test' and info['track_id'] == 3
    assert info['frame_ids'] == [4, 5, 6, 7, 8]
    assert info['image_ids'] == [image_id(1, i) for i in range(4, 9)]
    assert info['img_id'] == info['image_ids'][0]
    assert info['img_paths'][2] == (
        f'{tmp_path}/images/val/000001_mpii_test/000006.jpg'
    )
    # x = 2 * 4, y 5, 30 x 50 pixels
    assert info['bbox'][0].tolist() == [8, 5, 38, 55]
    assert info['bbox_score'].tolist() == [1] * 5
    assert info['frame_mask'].all() and info['bbox'].dtype == np.float32
    assert info['keypoints'][0, 2].tolist() == [14, 10]
    assert info['keypoints_visible'][0].tolist() == [
        i in (2, 16) for i in range(17)
    ]
    assert info['dataset_name'] == 'posetrack18'


def test_unlabelled_frames_are_context_with_interpolated_boxes(tmp_path):
    write_posetrack(tmp_path, 1, 20, EVERY_4TH, people={0: (4, 8)})
    (info,) = clips(posetrack(tmp_path, test_mode=True))
    assert info['frame_ids'] == [4, 5, 6, 7, 8]
    assert info['frame_mask'].tolist() == [True, False, False, False, True]
    # boxes move 2 pixels a frame
    assert info['bbox'][:, 0].tolist() == [8, 10, 12, 14, 16]
    assert (info['bbox'][:, 2] - info['bbox'][:, 0]).tolist() == [30] * 5
    assert not info['keypoints_labeled'][1:4].any()


def test_unlabelled_image_with_annotation_is_not_wanted(tmp_path):
    write_posetrack(tmp_path, 1, 6, (0, 5), people={0: range(6)})
    dataset = posetrack(tmp_path, test_mode=True)
    assert [p[1] for p in wanted_poses(dataset)] == [0, 5]
    # its box is known all the same
    boxes = dataset.tracks.column('bbox')
    assert boxes[:, 0].tolist() == [0, 2, 4, 6, 8, 10]


def test_long_gaps_cut_a_track(tmp_path):
    write_posetrack(tmp_path, 1, 20, people={0: (0, 1, 8, 9)})
    whole = posetrack(tmp_path, max_gap=7, clip_length=2)
    assert len(whole.tracks) == 1
    cut = posetrack(tmp_path, max_gap=6, clip_length=2)
    assert len(cut.tracks) == 2
    assert [(i['frame_ids'], i['track_id']) for i in clips(cut)] == [
        ([0, 1], 0),
        ([8, 9], 0),
    ]


def test_clips_of_people_who_are_there_for_a_short_time(tmp_path):
    """Consecutive windows: frames behind, then before, then repeats."""
    write_posetrack(tmp_path, 1, 8, people={0: (0,), 1: (6,), 2: (7,)})
    infos = clips(posetrack(tmp_path, test_mode=True))
    assert [i['frame_ids'] for i in infos] == [
        [0, 1, 2, 3, 4],
        [3, 4, 5, 6, 7],
        [3, 4, 5, 6, 7],
    ]
    assert [i['frame_mask'].tolist().index(True) for i in infos] == [0, 3, 4]
    assert infos[1]['bbox'][:, 0].tolist() == [12] * 5
    near = clips(posetrack(tmp_path, test_mode=True, max_gap=1))
    assert [i['frame_ids'] for i in near] == [
        [0, 1, 1, 1, 1],
        [5, 6, 7, 7, 7],
        [6, 7, 7, 7, 7],
    ]


def test_centred_clips_reach_to_the_ends_of_the_sequence_only(tmp_path):
    write_posetrack(tmp_path, 1, 8, people={0: (0,), 1: (4,), 2: (7,)})
    offsets = (-2, -1, 0, 1, 2)
    infos = clips(posetrack(tmp_path, test_mode=True, clip_offsets=offsets))
    assert [i['frame_ids'] for i in infos] == [
        [0, 0, 0, 1, 2],
        [2, 3, 4, 5, 6],
        [5, 6, 7, 7, 7],
    ]
    for info in infos:
        assert info['frame_mask'].tolist() == [0, 0, 1, 0, 0]
        assert len(set(info['bbox'][:, 0])) == 1
    infos = clips(
        posetrack(tmp_path, test_mode=True, clip_offsets=offsets, max_gap=1)
    )
    assert infos[1]['frame_ids'] == [3, 3, 4, 5, 5]


def test_stride_counts_labelled_frames(tmp_path):
    write_posetrack(tmp_path, 1, 20, EVERY_4TH, people={0: EVERY_4TH})
    infos = clips(posetrack(tmp_path, clip_offsets=(-1, 0, 1), clip_stride=2))
    assert [i['frame_ids'][1] for i in infos] == [0, 8, 16]


def test_frames_that_the_file_does_not_list(tmp_path):
    """nframes is 20; only frames 3 and 9 are listed."""
    images = [image(1, 3), image(1, 9)]
    write_sequence(tmp_path, 1, images, [person(1, 3, 0), person(1, 9, 0)])
    (info,) = clips(posetrack(tmp_path))
    assert info['frame_ids'] == [3, 9, 9, 9, 9]
    first, second = clips(
        posetrack(tmp_path, test_mode=True, frame_pattern='{:06d}.jpg')
    )
    assert first['frame_ids'] == [3, 4, 5, 6, 7]
    assert second['frame_ids'] == [5, 6, 7, 8, 9]
    assert second['frame_mask'].tolist() == [0, 0, 0, 0, 1]
    assert second['image_ids'] == [-1] * 4 + [image_id(1, 9)]
    assert second['img_paths'][0].endswith('000001_mpii_test/000005.jpg')
    late = posetrack(
        tmp_path,
        frame_pattern='{:06d}.jpg',
        first_frame=2,
        clip_offsets=(-2, 0, 40),
    )
    # 20 frames from number 2
    assert late.get_data_info(0)['frame_ids'] == [2, 3, 21]


def test_options_of_another_posetrack(tmp_path):
    """Names, folders and joints of 2017 or 2021 by options alone."""
    joints = ['head_top', 'nose']
    folder = tmp_path / 'posetrack_data' / 'train'
    folder.mkdir(parents=True)
    data = dict(
        images=[
            dict(id=7, file_name='bonn/000010_bonn/00000001.jpg', nframes=3)
        ],
        categories=[dict(keypoints=joints)],
        annotations=[
            dict(image_id=7, track_id=1, keypoints=[1, 2, 1, 30, 40, 1])
        ],
    )
    (folder / '000010_bonn.json').write_text(json.dumps(data))
    dataset = posetrack(
        tmp_path,
        'train',
        data_prefix=dict(img='frames', ann='posetrack_data'),
        frame_pattern='{:08d}.jpg',
        first_frame=1,
        clip_length=3,
        metainfo=dict(
            dataset_name='two',
            paper_info={},
            keypoint_info={
                0: dict(name='nose', id=0, color=[0] * 3, type='', swap=''),
                1: dict(
                    name='head_top', id=1, color=[0] * 3, type='', swap=''
                ),
            },
            skeleton_info={},
            joint_weights=[1.0, 1.0],
            sigmas=[0.1, 0.1],
        ),
    )
    info = dataset.get_data_info(0)
    assert info['frame_ids'] == [1, 2, 3]
    assert info['img_paths'][1] == (
        f'{tmp_path}/frames/bonn/000010_bonn/00000002.jpg'
    )
    assert info['keypoints'][0].tolist() == [[30, 40], [1, 2]]
    # 29 x 38 pixels and 0.15 of it on every side
    np.testing.assert_allclose(
        info['bbox'][0], [1 - 4.35, 2 - 5.7, 30 + 4.35, 40 + 5.7], rtol=1e-6
    )


def test_merged_file(crowd, tmp_path):
    merged = dict(images=[], annotations=[])
    for path in sorted((crowd / 'annotations/val').glob('*.json')):
        data = json.loads(path.read_text())
        for key in merged:
            merged[key] = data[key] + merged[key]
    path = tmp_path / 'annotations' / 'merged.json'
    path.parent.mkdir()
    path.write_text(json.dumps(merged))
    one = posetrack(
        tmp_path, ann_file='annotations/merged.json', test_mode=True
    )
    several = posetrack(crowd, test_mode=True)
    for a, b in zip(clips(one), clips(several)):
        assert a['image_ids'] == b['image_ids']
        assert a['video_id'] == b['video_id']
        assert a['track_id'] == b['track_id']
        assert np.array_equal(a['bbox'], b['bbox'])
    assert len(one) == len(several)


def detection_file(root, *entries):
    path = root / 'detections.json'
    path.write_text(json.dumps(list(entries)))
    return str(path)


def detection(sequence, frame, score=0.9, **kwargs):
    return dict(
        dict(
            image_id=image_id(sequence, frame),
            bbox=[1.0, 2.0, 30.0, 40.0],
            score=score,
            category_id=1,
        ),
        **kwargs,
    )


def test_each_detection_is_a_clip(tmp_path):
    write_posetrack(tmp_path, 1, 20, EVERY_4TH, people={0: EVERY_4TH})
    write_posetrack(tmp_path, 2, 3)
    path = detection_file(
        tmp_path,
        detection(1, 8),
        detection(1, 8, 0.5, bbox=[5, 6, 7, 8]),
        detection(2, 1),
        detection(1, 9),
        detection(1, 0, 0.1),
        detection(1, 4, category_id=2),
        detection(9, 0),
        detection(1, 12, bbox=[1, 2, 0, 4]),
    )
    kwargs = dict(bbox_file=path, bbox_score_thr=0.3, test_mode=True)
    dataset = posetrack(tmp_path, clip_length=3, **kwargs)
    infos = clips(dataset)
    assert [i['frame_ids'] for i in infos] == [[6, 7, 8], [6, 7, 8], [0, 0, 1]]
    assert [i['frame_mask'].tolist() for i in infos] == [[0, 0, 1]] * 3
    assert infos[1]['bbox'].tolist() == [[5, 6, 12, 14]] * 3
    np.testing.assert_allclose(infos[1]['bbox_score'], [0.5] * 3)
    assert infos[2]['video_id'] == '000002_mpii_test'
    assert infos[2]['image_ids'][2] == image_id(2, 1)
    assert 'track_id' not in infos[0]
    assert not infos[0]['keypoints_labeled'].any()
    assert [i['id'] for i in infos] == [0, 1, 2]
    assert dataset.get_subset([1])[0]['bbox'][0, 0] == 5
    assert dataset.repairs == {
        'detections of unlabelled frames': 1,
        'detections below the threshold': 1,
        'detections of other classes': 1,
        'detections of other images': 1,
        'detections without area': 1,
    }
    spaced = posetrack(tmp_path, clip_length=3, frame_interval=4, **kwargs)
    assert spaced.get_data_info(0)['frame_ids'] == [0, 4, 8]
    centred = posetrack(tmp_path, clip_offsets=(-1, 0, 2), **kwargs)
    info = centred.get_data_info(2)
    assert info['frame_ids'] == [0, 1, 2]
    assert info['frame_mask'].tolist() == [0, 1, 0]


PIPELINE = [
    dict(type='LoadClip'),
    dict(type='GetBBoxCenterScale'),
    dict(
        type='ForEachFrame',
        transforms=[dict(type='TopdownAffine', input_size=(32, 32))],
    ),
    dict(type='PackClipInputs'),
]


def test_packed_frames_have_the_numbers_of_posetrack(tmp_path):
    write_posetrack(tmp_path, 1, 5, (0, 4), people={2: (0, 4)}, pictures=True)
    packed = posetrack(tmp_path, pipeline=PIPELINE, test_mode=True)[0]
    meta = packed['data_samples'].metainfo
    assert meta['track_id'] == 2
    assert meta['image_ids'] == [image_id(1, i) for i in range(5)]
    first, last = split_clip(packed['data_samples'], only_wanted=True)
    assert last.metainfo['img_id'] == image_id(1, 4)
    assert last.metainfo['raw_ann_info']['image_id'] == image_id(1, 4)
    assert last.metainfo['track_id'] == 2
    assert 'image_ids' not in last.metainfo
    assert first.metainfo['id'] != last.metainfo['id']
    # PoseTrack's 1 is COCO's 2: visible
    assert last.metainfo['raw_ann_info']['keypoints'][6:9] == [14, 10, 2]

    path = detection_file(tmp_path, detection(1, 4, 0.25))
    packed = posetrack(
        tmp_path, pipeline=PIPELINE, test_mode=True, bbox_file=path
    )[0]
    (frame,) = split_clip(packed['data_samples'], only_wanted=True)
    assert frame.metainfo['img_id'] == image_id(1, 4)
    assert frame.gt_instances.bbox_scores.tolist() == [0.25]
    assert 'track_id' not in frame.metainfo


def test_ignore_regions(tmp_path):
    regions = dict(
        ignore_regions_x=[[0, 5, 5], []], ignore_regions_y=[[1, 1, 9], []]
    )
    write_sequence(
        tmp_path, 1, [image(1, 0), image(1, 1, **regions)], [person(1, 0, 0)]
    )
    found = posetrack(tmp_path).ignore_regions
    assert list(found) == [image_id(1, 1)]
    assert [p.tolist() for p in found[image_id(1, 1)]] == [
        [[0, 1], [5, 1], [5, 9]]
    ]


def test_nobody_is_labelled(tmp_path):
    write_posetrack(tmp_path, 1, 3)
    with pytest.raises(ValueError, match='needs bbox_file') as error:
        posetrack(tmp_path)
    assert str(tmp_path) in str(error.value)
    write_posetrack(tmp_path, 1, 3, (1,), people={0: (0, 2)})
    with pytest.raises(ValueError, match='nobody has labelled joints'):
        posetrack(tmp_path)


def test_people_without_joints_are_left_out_and_counted(tmp_path):
    annotations = [
        person(1, 0, 0),
        person(1, 0, 1, keypoints=None),
        person(1, 1, 1, bbox=None, keypoints=None),
        person(1, 0, 2, bbox=None, keypoints=[0.0] * 51),
    ]
    write_sequence(tmp_path, 1, [image(1, 0), image(1, 1)], annotations)
    dataset = posetrack(tmp_path, test_mode=True)
    assert wanted_poses(dataset) == [('000001_mpii_test', 0, 0)]
    assert dataset.repairs['people without labelled joints'] == 1
    assert dataset.repairs['annotations without box and joints'] == 2


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(split='dev'), r"one of \['train', 'val', 'test'\]"),
        (dict(bbox_file='x.json'), 'bbox_file needs test_mode=True'),
        (dict(bbox_score_thr=0.5), 'no use without bbox_file'),
        (dict(max_gap=0), 'max_gap must be at least 1, but got 0'),
        (dict(box_margin=-1.0), 'box_margin must not be negative'),
        (dict(frame_pattern='%06d.jpg'), "frame_pattern .* got '%06d.jpg'"),
        (dict(frame_pattern='{frame}.jpg'), "as '{:06d}.jpg' does, but got"),
        (dict(clip_offsets=(1, 2)), '0 exactly once'),
    ],
)
def test_bad_options(tmp_path, kwargs, message):
    kwargs = {**dict(split='val', lazy_init=True), **kwargs}
    with pytest.raises(ValueError, match=message) as error:
        posetrack(tmp_path, **kwargs)
    assert '\n' not in str(error.value)


def test_missing_files(tmp_path):
    with pytest.raises(
        FileNotFoundError, match='no folder .*annotations/val'
    ) as error:
        posetrack(tmp_path)
    assert 'one JSON file a sequence' in str(error.value)
    (tmp_path / 'annotations/val').mkdir(parents=True)
    with pytest.raises(ValueError, match='no .json file in'):
        posetrack(tmp_path)
    with pytest.raises(FileNotFoundError, match="no ann_file '.*all.json'"):
        posetrack(tmp_path, ann_file='all.json')
    write_posetrack(tmp_path, 1, 3, people={0: range(3)})
    with pytest.raises(FileNotFoundError, match="no bbox_file 'none.json'"):
        posetrack(tmp_path, bbox_file='none.json', test_mode=True)


@pytest.mark.parametrize(
    'text, message',
    [
        ('[{"image_id": 1,', 'not a whole JSON file'),
        ('{"a": 1}', 'must be a list of dicts'),
        ('[{"image_id": 1, "score": 1}]', 'a detection must have image_id'),
        ('[3]', 'a detection must have image_id'),
        (
            '[{"image_id": 1, "score": 1, "bbox": [1, 2, 3, 4]}]',
            'no detection of .* is of a labelled frame',
        ),
        ('[]', 'no detection of .* is of a labelled frame'),
    ],
)
def test_bad_detections(tmp_path, text, message):
    write_posetrack(tmp_path, 1, 3, people={0: range(3)})
    path = tmp_path / 'detections.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        posetrack(tmp_path, bbox_file=str(path), test_mode=True)
    assert str(path) in str(error.value) and '\n' not in str(error.value)


def test_message_hub_holds_no_empty_annotation_file(tmp_path):
    write_posetrack(tmp_path, 1, 3, people={0: range(3)})
    posetrack(tmp_path, test_mode=True)
    hub = MessageHub.get_current_instance()
    assert hub.get_info('posetrack18_ann_file', 'none') == 'none'


@pytest.mark.parametrize(
    'ann_file', [None, 'annotations/test_posetrack18_val.json']
)
def test_real_annotations(ann_file):
    """MMPose's sample: 3 labelled frames with 1, 2 and 11 people."""
    root = require_real_data(REAL)
    expected = labelled_poses(root)
    counts = {}
    for sequence, _, _ in expected:
        counts[sequence] = counts.get(sequence, 0) + 1
    assert counts == {
        '003418_mpii_test': 1,
        '009473_mpii_test': 2,
        '012834_mpii_test': 11,
    }
    dataset = posetrack(root, ann_file=ann_file, test_mode=True)
    assert wanted_poses(dataset) == expected
    assert len(dataset) == 14 and not +dataset.repairs
    # visibility: 182 joints of 14 people, none of them ears
    wanted = [i['keypoints_visible'][i['frame_mask']] for i in clips(dataset)]
    assert sum(w.sum() for w in wanted) == 182
    assert not any(w[:, 3:5].any() for w in wanted)
    sizes = {k: len(v) for k, v in dataset.ignore_regions.items()}
    assert sizes == {10034180000: 9, 10094730000: 2, 10128340000: 4}


def test_real_boxes_follow_from_the_joints():
    """PoseTrack made its boxes by the rule that we use where one lacks."""
    root = require_real_data(REAL)
    given = posetrack(root, test_mode=True)
    for path in sorted((root / 'annotations/val').glob('*.json')):
        for annotation in json.loads(path.read_text())['annotations']:
            points = np.reshape(annotation['keypoints'], (-1, 3))
            points = points[points[:, 2] > 0, :2]
            low, high = points.min(axis=0), points.max(axis=0)
            low, high = (low - 0.15 * (high - low), high + 0.15 * (high - low))
            x, y, w, h = annotation['bbox']
            np.testing.assert_allclose(
                [*low, *high], [x, y, x + w, y + h], atol=1e-3
            )
    # clipped as MMPose's own reader clips them
    info = next(
        i
        for i in clips(given)
        if i['img_id'] == 10128340000 and i['track_id'] == 10
    )
    assert info['bbox'][0, 1] == 0


def test_real_detections_are_those_that_mmpose_reads():
    from mmpose.datasets.datasets import PoseTrack18Dataset

    root = require_real_data(REAL)
    path = str(root / 'annotations/test_posetrack18_human_detections.json')
    ours = posetrack(root, bbox_file=path, bbox_score_thr=0.4, test_mode=True)
    stock = PoseTrack18Dataset(
        ann_file='annotations/test_posetrack18_val.json',
        bbox_file=path,
        filter_cfg=dict(bbox_score_thr=0.4),
        data_root=str(root),
        data_prefix=dict(img=''),
        test_mode=True,
    )
    assert len(ours) == len(stock) == 88
    for a, b in zip(clips(ours), clips(stock)):
        (row,) = np.flatnonzero(a['frame_mask'])
        assert a['image_ids'][row] == b['img_id']
        assert a['img_paths'][row] == b['img_path']
        assert np.array_equal(a['bbox'][row], b['bbox'][0])
        assert a['bbox_score'][row] == b['bbox_score'][0]


def test_real_pictures_are_read():
    root = require_real_data(REAL)
    packed = posetrack(root, test_mode=True, pipeline=PIPELINE)[0]
    assert packed['inputs'].shape == (5, 3, 32, 32)


def test_files_of_a_mac(tmp_path):
    path = write_posetrack(tmp_path, 1, 3, people={0: range(3)})
    for name in (f'._{path.name}', '.DS_Store.json', f'.{path.name}'):
        path.with_name(name).write_bytes(b'\x00\x05\x16\x07')
    assert [len(i['frame_ids']) for i in clips(posetrack(tmp_path))] == [5]


def test_the_case_of_2021(tmp_path):
    """Hidden files beside it, a person without keypoints, a flat region."""
    folder = require_case('posetrack21_truth')
    (tmp_path / 'annotations').mkdir()
    shutil.copytree(folder / 'gt', tmp_path / 'annotations/val')
    dataset = posetrack(tmp_path, test_mode=True)
    assert wanted_poses(dataset) == labelled_poses_of(
        folder / 'gt/000001_toy_val.json'
    )
    assert dataset.ignore_regions[1000][0].tolist() == [
        [600, 10],
        [630, 10],
        [630, 60],
        [600, 60],
    ]


def labelled_poses_of(path):
    """As labelled_poses, of one file."""
    data = json.loads(path.read_text())
    frames = {
        item['id']: int(item['file_name'][-10:-4]) for item in data['images']
    }
    return sorted(
        (path.stem, frames[item['image_id']], item['track_id'])
        for item in data['annotations']
        if any(item['keypoints'][2::3])
    )


def test_two_files_with_the_same_image_ids(tmp_path):
    write_posetrack(tmp_path, 1, 3, people={0: range(3)})
    images = [dict(image(2, i), id=image_id(1, i)) for i in range(3)]
    write_sequence(tmp_path, 2, images, [person(1, 0, 0)])
    with pytest.raises(
        ValueError,
        match='images of 000001_mpii_test and of '
        '000002_mpii_test have the id 10000010000',
    ):
        posetrack(tmp_path)


def test_detections_by_names_of_windows(tmp_path):
    write_posetrack(tmp_path, 1, 3, people={0: range(3)})
    boxes = [detection(1, 1), detection(1, 2)]
    for frame, box in zip((1, 2), boxes):
        del box['image_id']
        box['image_name'] = image(1, frame)['file_name']
    boxes[1]['image_name'] = boxes[1]['image_name'].replace('/', '\\')
    path = detection_file(tmp_path, *boxes)
    infos = clips(
        posetrack(tmp_path, bbox_file=path, test_mode=True, clip_length=1)
    )
    assert [i['frame_ids'] for i in infos] == [[1], [2]]


def test_detections_that_are_no_boxes(tmp_path):
    write_posetrack(tmp_path, 1, 3, people={0: range(3)})
    path = detection_file(
        tmp_path,
        detection(1, 0),
        detection(1, 0, bbox=[1, 2, 1e31, 5]),
        detection(1, 0, bbox=[-1e39, 2, 3, 5]),
        detection(1, 0, score=1e39),
        detection(1, 0, bbox=[1, float('nan'), 3, 5]),
    )
    dataset = posetrack(tmp_path, bbox_file=path, test_mode=True)
    assert len(dataset) == 1
    assert dataset.repairs == {'detections without area': 4}


@pytest.mark.parametrize(
    'change',
    [
        dict(bbox='1234'),
        dict(bbox={}),
        dict(bbox=[[1], 2, 3, 4]),
        dict(bbox=[10**400, 2, 3, 4]),
        dict(score='high'),
        dict(score=10**400),
        dict(image_id=[1]),
        dict(image_id={}),
        dict(bbox=None),
    ],
)
def test_detections_of_another_kind(tmp_path, change):
    write_posetrack(tmp_path, 1, 3, people={0: range(3)})
    path = detection_file(tmp_path, detection(1, 0, **change))
    with pytest.raises(ValueError, match=f'^{path}: a detection must ') as e:
        posetrack(tmp_path, bbox_file=path, test_mode=True)
    assert '\n' not in str(e.value)


def test_frames_that_nframes_invents(tmp_path):
    """Only what a clip can need is made of a wild number."""
    images = [dict(image(1, i), nframes=10**12) for i in (3, 9)]
    write_sequence(tmp_path, 1, images, [person(1, 3, 0), person(1, 9, 0)])
    path = detection_file(tmp_path, detection(1, 3))
    for kwargs in (dict(), dict(bbox_file=path), dict(max_gap=1)):
        dataset = posetrack(
            tmp_path,
            test_mode=True,
            frame_pattern='{:06d}.jpg',
            clip_offsets=(-2, 0, 4),
            **kwargs,
        )
        assert dataset.get_data_info(0)['frame_ids'] == (
            [2, 3, 4] if 'max_gap' in kwargs else [1, 3, 7]
        )
        assert len(dataset.tracks.column('frame_ids')) <= 22
