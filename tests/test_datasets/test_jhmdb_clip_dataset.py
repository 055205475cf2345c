# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import logging
from collections import Counter

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger

from rpstn_mmpose.datasets import JHMDBClipDataset
from tests.real_data import require_real_data
from tests.test_datasets.jhmdb_files import (
    mat_bytes,
    part_mask,
    positions,
    write,
    write_jhmdb,
    write_split,
    write_video,
)


def jhmdb(root, split='train', sub=1, **kwargs):
    return JHMDBClipDataset(
        data_root=str(root), split=split, sub=sub, **kwargs
    )


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_jhmdb(tmp_path_factory.mktemp('jhmdb'))


def wanted(dataset):
    """How often each frame of each video is wanted."""
    count = Counter()
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        for frame, mask in zip(info['frame_ids'], info['frame_mask']):
            count[info['video_id'], frame] += int(mask)
    return {key: value for key, value in count.items() if value}


@pytest.mark.parametrize(
    'split, sub, videos',
    [
        ('train', 1, ['run/a', 'run/c', 'walk/e']),
        ('test', 1, ['run/b', 'walk/d']),
        ('train', 2, ['run/b', 'run/c']),
        ('test', 2, ['run/a']),
        ('train', 3, ['walk/e']),
        ('test', 3, ['run/c']),
        ('all', None, ['run/a', 'run/b', 'run/c', 'walk/d', 'walk/e']),
    ],
)
def test_splits_of_both_spellings(root, split, sub, videos):
    assert jhmdb(root, split, sub).tracks.video_ids.tolist() == videos


def test_values_and_paths(root):
    dataset = jhmdb(root, clip_length=3, clip_stride=2)
    info = dataset.get_data_info(1)
    assert info['video_id'] == 'run/a' and info['frame_ids'] == [3, 4, 5]
    assert info['img_paths'] == [
        f'{root}/Rename_Images/run/a/{i:05d}.png' for i in (3, 4, 5)
    ]
    np.testing.assert_allclose(
        info['keypoints'],
        positions(7, seed=1)[:, :, 2:5].transpose(2, 1, 0) - 1,
        rtol=1e-6,
    )
    # Row t of part_mask starts at column 10 + t.
    assert info['bbox'].tolist() == [[10 + t, 5, 60, 65] for t in (2, 3, 4)]
    assert info['keypoints_visible'].all()
    meta = dataset.metainfo
    assert meta['dataset_name'] == 'jhmdb' and meta['num_keypoints'] == 15
    assert [meta['keypoint_id2name'][i] for i in range(5)] == [
        'neck',
        'belly',
        'head',
        'right_shoulder',
        'left_shoulder',
    ]


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(clip_length=4, clip_stride=3),
        dict(clip_length=3, frame_interval=2),
        dict(clip_length=1),
        dict(clip_length=40),
        dict(clip_offsets=(-2, -1, 0, 1, 2)),
    ],
)
@pytest.mark.parametrize(
    'split, sub, lengths',
    [
        ('test', 1, {'run/b': 11, 'walk/d': 3}),
        (
            'all',
            None,
            {'run/a': 7, 'run/b': 11, 'run/c': 5, 'walk/d': 3, 'walk/e': 13},
        ),
    ],
)
def test_every_frame_is_evaluated_once(root, options, split, sub, lengths):
    dataset = jhmdb(root, split, sub, test_mode=True, **options)
    assert wanted(dataset) == {
        (video, frame): 1
        for video, num in lengths.items()
        for frame in range(1, num + 1)
    }


def test_real_video():
    """Counted on the real folders; its boxes hold its joints."""
    dataset = jhmdb(require_real_data('jhmdb'), 'all', None, test_mode=True)
    video = 'catch/Goal_Keeping_Tips_catch_f_cm_np1_fr_med_2'
    assert wanted(dataset) == {(video, frame): 1 for frame in range(1, 41)}
    boxes = dataset.tracks.column('bbox')
    points = dataset.tracks.column('keypoints')
    assert (points.min(axis=1) >= boxes[:, :2]).all()
    assert (points.max(axis=1) <= boxes[:, 2:]).all()
    assert boxes.min() >= 0 and (boxes <= [319, 239] * 2).all()
    info = dataset.get_data_info(0)
    assert cv2.imread(info['img_path']).shape == (240, 320, 3)


def test_boxes_by_source(tmp_path):
    write_video(tmp_path, 'run', 'a', 2)
    write_video(tmp_path, 'run', 'b', 2, mask=False)
    write_split(tmp_path, 'run_test_split1.txt', 'a.avi 1\nb.avi 1\n')

    def first_boxes(source):
        dataset = jhmdb(tmp_path, bbox_source=source, clip_length=2)
        return [dataset.get_data_info(i)['bbox'][0] for i in (0, 1)]

    points = positions(2)[:, :, 0] - 1
    low, high = points.min(axis=1), points.max(axis=1)
    margin = 0.1 * (high - low).max()
    of_joints = np.concatenate([low - margin, high + margin])
    a, b = first_boxes('auto')
    assert a.tolist() == [10, 5, 60, 65]
    np.testing.assert_allclose(b, of_joints, rtol=1e-6)
    a, _ = first_boxes('joints')
    np.testing.assert_allclose(a, of_joints, rtol=1e-6)
    with pytest.raises(
        FileNotFoundError,
        match="b/puppet_mask.mat, which bbox_source='mask' needs",
    ):
        first_boxes('mask')


def test_masks_alone_tell_the_size(tmp_path):
    """Frames are not looked for before they are read."""
    write_video(tmp_path, 'run', 'a', 5, frames=False)
    assert len(jhmdb(tmp_path, 'all', None)) == 1
    with pytest.raises(
        FileNotFoundError,
        match='neither a puppet mask nor .*00001.png tells the size',
    ):
        jhmdb(tmp_path, 'all', None, bbox_source='joints')
    write(tmp_path / 'Rename_Images/run/a/00001.png', b'')
    with pytest.raises(ValueError, match='00001.png cannot be decoded'):
        jhmdb(tmp_path, 'all', None, bbox_source='joints')


def test_hidden_files_are_not_videos(tmp_path):
    write_video(tmp_path, 'run', 'a', 5)
    for name in (
        '.DS_Store',
        '._joint_positions.mat',
        'run/.AppleDouble/joint_positions.mat/x',
        'run/a/.AppleDouble/joint_positions.mat',
    ):
        write(tmp_path / 'joint_positions' / name, b'x')
    write_split(tmp_path, '._run_test_split1.txt', 'x')
    write_split(tmp_path, 'run_test_split1.txt', 'a.avi 1')
    assert jhmdb(tmp_path, 'all', None).tracks.video_ids.tolist() == ['run/a']
    assert jhmdb(tmp_path).tracks.video_ids.tolist() == ['run/a']


def test_other_folders_one_by_one(tmp_path):
    write_video(tmp_path, 'run', 'a', 5)
    write(tmp_path / 'splits/run_test_split1.txt', b'a.avi 1')
    (tmp_path / 'Rename_Images').rename(tmp_path / 'frames')
    dataset = jhmdb(tmp_path, data_prefix=dict(split='splits', img='frames'))
    info = dataset.get_data_info(0)
    assert info['img_path'] == f'{tmp_path}/frames/run/a/00001.png'


def test_video_names_with_spaces_dots_and_signs(tmp_path):
    name = 'Goalkeeper Training_Day_@_7.2_(a)'
    write_video(tmp_path, 'shoot_ball', name, 5)
    write_split(tmp_path, 'shoot_ball_test_split_1.txt', f'{name}.avi   1')
    ids = jhmdb(tmp_path).tracks.video_ids.tolist()
    assert ids == [f'shoot_ball/{name}']


def test_repairs_are_logged_once_by_kind(tmp_path, caplog):
    for video, num in (('a', 7), ('b', 6)):
        write_video(tmp_path, 'run', video, num)
    place = 'run/a/joint_positions.mat'
    array = positions(7)
    array[:, 3, 2], array[0, 4, 5] = np.nan, 500
    write(tmp_path / 'joint_positions' / place, mat_bytes(pos_img=array))
    write(
        tmp_path / 'puppet_mask/run/b/puppet_mask.mat',
        mat_bytes(part_mask=part_mask(4)),
    )
    logger = MMLogger.get_instance('jhmdb_test')
    with caplog.at_level(logging.INFO, logger='jhmdb_test'):
        logger.addHandler(caplog.handler)
        dataset = jhmdb(tmp_path, 'all', None)
        logger.removeHandler(caplog.handler)
    assert dataset.repairs == {
        'NaN joints': 1,
        'joints outside the picture': 1,
        'masks missing': 2,
    }
    tables = {
        r.getMessage()
        for r in caplog.records
        if 'irregular labels' in r.getMessage()
    }
    assert len(tables) == 1
    lines = tables.pop().split('\n')
    assert '2 videos, 13 frames, boxes: 2 from masks' in lines[0]
    assert [line.split()[:2] for line in lines[1:]] == [
        ['NaN', 'joints'],
        ['joints', 'outside'],
        ['masks', 'missing'],
    ]


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(split='val'), "split must be one of .*'all'"),
        (dict(sub=None), "split='train' needs sub=1, 2 or 3, but got None"),
        (dict(sub=4), 'needs sub=1, 2 or 3, but got 4'),
        (
            dict(split='all', sub=2),
            "split='all' takes every video; leave sub=2",
        ),
        (dict(bbox_source='gt'), "bbox_source must be 'auto', .* got 'gt'"),
    ],
)
def test_bad_options(root, options, message):
    with pytest.raises(ValueError, match=message) as error:
        jhmdb(root, **options)
    assert str(error.value).startswith('JHMDBClipDataset: ')


def test_missing_folders_and_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='no folder .*joint_pos'):
        jhmdb(tmp_path, 'all', None)
    (tmp_path / 'joint_positions').mkdir()
    with pytest.raises(ValueError, match="no videos of the split 'all'"):
        jhmdb(tmp_path, 'all', None)
    message = "no ACTION_test_split1.txt in .*sub_splits.*use split='all'"
    with pytest.raises(FileNotFoundError, match=message):
        jhmdb(tmp_path)
    write_split(tmp_path, 'run_test_split2.txt', 'a.avi 1')
    with pytest.raises(FileNotFoundError, match=message):
        jhmdb(tmp_path)
    write_split(tmp_path, 'run_test_split1.txt', 'a.avi 1')
    with pytest.raises(
        FileNotFoundError,
        match='run/a/joint_positions.mat, which a split file',
    ):
        jhmdb(tmp_path)
    with pytest.raises(ValueError, match="no videos of the split 'test'"):
        jhmdb(tmp_path, 'test')


@pytest.mark.parametrize(
    'text, message',
    [
        ('a.avi 3', 'line 1: must be "VIDEO.avi 1"'),
        ('a.avi 1\nb.avi', 'line 2: must be'),
        ('1', 'line 1: must be'),
        ('a.avi 1\na.avi 2', 'line 2: a is there twice'),
        ('<html>not found</html>', 'line 1: must be'),
    ],
)
def test_bad_split_files(tmp_path, text, message):
    write_video(tmp_path, 'run', 'a', 5)
    write_split(tmp_path, 'run_test_split1.txt', text)
    with pytest.raises(ValueError, match=message) as error:
        jhmdb(tmp_path)
    text = str(error.value)
    assert 'run_test_split1.txt' in text and '\n' not in text


def test_binary_split_file(tmp_path):
    write_video(tmp_path, 'run', 'a', 5)
    path = write(tmp_path / 'sub_splits/run_test_split1.txt', b'\xff\xfe\x80')
    with pytest.raises(ValueError, match='not a text file') as error:
        jhmdb(tmp_path)
    assert str(error.value).startswith(f'{path}: ')


def test_both_spellings_at_once(tmp_path):
    write_video(tmp_path, 'run', 'a', 5)
    for spelling in ('split1', 'split_1'):
        write_split(tmp_path, f'run_test_{spelling}.txt', 'a.avi 1')
    with pytest.raises(ValueError, match='are both split 1 of .run.'):
        jhmdb(tmp_path)


@pytest.mark.parametrize(
    'folder, file',
    [
        ('joint_positions', 'joint_positions.mat'),
        ('puppet_mask', 'puppet_mask.mat'),
    ],
)
def test_torn_files_are_named(tmp_path, folder, file):
    write_video(tmp_path, 'run', 'a', 5)
    path = tmp_path / folder / 'run/a' / file
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match='again') as error:
        jhmdb(tmp_path, 'all', None)
    assert str(error.value).startswith(str(path))
