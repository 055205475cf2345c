# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import numpy as np
import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from rpstn_mmpose.datasets import HiEveClipDataset
from tests.test_datasets.hieve_files import (
    JOINTS,
    entry,
    rect,
    write_hieve,
    write_picture,
)
from tests.test_datasets.posetrack_files import wanted_poses

# Person 0 stays, 1 leaves and comes back, 2 comes for one frame.
FRAMES = {f: [0] for f in range(40)}
for frame in (*range(6), *range(30, 34)):
    FRAMES[frame] = [1, 0]
FRAMES[9] = [0, 2]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_hieve(
        tmp_path_factory.mktemp('hieve'),
        {3: FRAMES, 8: {0: [0], 1: [0]}},
        actions={(8, 1, 0): 'fighting'},
    )


def hieve(root, split='val4', **kwargs):
    kwargs.setdefault('videos', [3, 8])
    return HiEveClipDataset(data_root=str(root), split=split, **kwargs)


def labelled():
    return sorted(
        [('3', f, t) for f, tracks in FRAMES.items() for t in tracks]
        + [('8', 0, 0), ('8', 1, 0)]
    )


def test_metainfo(root):
    meta = hieve(root).metainfo
    assert [meta['keypoint_id2name'][i] for i in range(14)] == JOINTS
    for index, name in enumerate(JOINTS):
        other = name.replace('left', 'L').replace('right', 'left')
        other = other.replace('L', 'right')
        assert JOINTS[meta['flip_indices'][index]] == other
    coco = parse_pose_metainfo(
        dict(from_file='configs/_base_/datasets/coco.py')
    )
    for name, sigma in zip(JOINTS, meta['sigmas']):
        name = 'left_shoulder' if name == 'chest' else name
        assert sigma == pytest.approx(
            coco['sigmas'][coco['keypoint_name2id'][name]]
        )
    links = {frozenset(JOINTS[i] for i in k) for k in meta['skeleton_links']}
    chains = ['shoulder elbow wrist', 'hip knee ankle']
    expected = {frozenset(('nose', 'chest'))}
    for side in ('left', 'right'):
        for chain in chains:
            names = ['chest', *(f'{side}_{j}' for j in chain.split())]
            expected |= {frozenset(pair) for pair in zip(names, names[1:])}
    assert links == expected


@pytest.mark.parametrize('labels', ['track2&3', 'all-track', 'track1'])
@pytest.mark.parametrize(
    'window',
    [dict(), dict(clip_length=1), dict(clip_offsets=(-1, 0, 1))],
    ids=str,
)
def test_every_pose_is_wanted_once(root, labels, window):
    dataset = hieve(root, labels=labels, test_mode=True, **window)
    assert wanted_poses(dataset) == labelled()


def test_clips_of_one_who_comes_back(root):
    """The second stay has the number of the first; frame 7 is context."""
    dataset = hieve(root, videos=[3], test_mode=True, clip_length=4)
    clips = [dataset.get_data_info(i) for i in range(len(dataset))]
    of_1 = [c for c in clips if c['track_id'] == 1]
    assert [c['frame_ids'] for c in of_1] == [
        [0, 1, 2, 3],
        [2, 3, 4, 5],
        [30, 31, 32, 33],
    ]
    info = of_1[-1]
    assert info['image_ids'] == [3000030, 3000031, 3000032, 3000033]
    assert info['img_paths'][0] == str(root / 'images/3/000030.jpg')
    # Track 1 in frame 31: its box begins at 10 + 30 + 31 - 2.
    assert info['bbox'][1].tolist() == [69, 8, 85, 60]
    assert info['keypoints'][1, 9].tolist() == [71, 40]
    assert info['keypoints_labeled'][1].sum() == 4
    assert info['keypoints_visible'][1].sum() == 3


def test_people_without_a_pose_are_not_wanted(root, tmp_path):
    people = [rect(0, 0), rect(0, 1, [])]
    path = tmp_path / 'labels/train/track2&3/17.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(dict(annolist=[entry(0, people)])))
    dataset = hieve(tmp_path, videos=[17], test_mode=True, clip_length=1)
    assert wanted_poses(dataset) == [('17', 0, 0)]
    assert dataset.repairs['people without labelled joints'] == 1


def test_actions_are_kept(root):
    dataset = hieve(root, labels='all-track', test_mode=True)
    assert dataset.actions == {3: {}, 8: {1: {'fighting'}}}


@pytest.fixture
def unlabelled(tmp_path):
    """Four frames of video 20, a detection in each of two."""
    for frame in range(4):
        write_picture(tmp_path / f'images/20/{frame:06d}.jpg', frame)
    boxes = [
        dict(image_id=20000003, bbox=[10, 10, 20, 40], score=0.9),
        dict(image_name='20/000001.jpg', bbox=[1, 2, 30, 30], score=0.8),
        dict(image_id=20000001, bbox=[1, 2, 30, 30], score=0.1),
        dict(image_id=20000077, bbox=[1, 2, 30, 30], score=0.9),
    ]
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    return tmp_path


def test_detections_of_the_test_videos(unlabelled):
    dataset = hieve(
        unlabelled,
        'test',
        videos=[20],
        test_mode=True,
        clip_length=3,
        bbox_file=str(unlabelled / 'boxes.json'),
        bbox_score_thr=0.5,
    )
    first, second = (dataset.get_data_info(i) for i in range(2))
    assert first['frame_ids'] == [1, 2, 3]
    assert first['frame_mask'].tolist() == [0, 0, 1]
    assert first['bbox'].tolist() == [[10, 10, 30, 50]] * 3
    assert first['img_paths'][2] == str(unlabelled / 'images/20/000003.jpg')
    # before the video's first frame, that one is repeated
    assert second['frame_ids'] == [0, 0, 1] and 'track_id' not in second
    np.testing.assert_allclose(second['bbox_score'], 0.8)
    assert dataset.repairs['detections of other images'] == 1
    assert dataset.repairs['detections below the threshold'] == 1


def test_tracked_boxes_of_the_test_videos(unlabelled):
    """A tracker's file in MOT's format, with frames from 1."""
    path = unlabelled / 'labels/test/track1/20.txt'
    path.parent.mkdir(parents=True)
    path.write_text('1,5,10,10,20,40,1\n2,5,11,10,20,40,1\n')
    dataset = hieve(
        unlabelled,
        'test',
        labels='track1',
        videos=[20],
        first_frame=1,
        test_mode=True,
        clip_length=2,
    )
    assert wanted_poses(dataset) == [('20', 0, 5), ('20', 1, 5)]


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(split='val'), "split must be one of .* got 'val'"),
        (dict(labels='track4'), "labels must be one of .* got 'track4'"),
        (dict(labels='track1'), 'which nothing can be trained on'),
        (dict(first_frame=1), "with labels='track1' alone"),
        (dict(videos=[40]), 'there is no video 40 in HiEve'),
        (dict(bbox_file='x.json'), 'bbox_file needs test_mode=True'),
    ],
)
def test_bad_options(root, options, message):
    with pytest.raises(ValueError, match=f'^HiEveClipDataset: .*{message}'):
        hieve(root, **options)


def test_missing_files(root, unlabelled):
    for options, message in (
        (dict(videos=None), r'no labels of video 7 in .*track2&3'),
        (dict(split='test', videos=None), 'no frames of video 21 in'),
    ):
        place = unlabelled if 'split' in options else root
        with pytest.raises(FileNotFoundError, match=message) as error:
            hieve(place, test_mode=True, **options)
        assert str(error.value).startswith('HiEveClipDataset: no ')
        assert '\n' not in str(error.value)
    with pytest.raises(ValueError, match='without annotations needs bbox_f'):
        hieve(unlabelled, 'test', videos=[20], test_mode=True)
