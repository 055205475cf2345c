# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import logging
from collections import Counter

import numpy as np
import pytest
from mmengine.logging import MMLogger

from rpstn_mmpose.datasets import ClipRandomFlip, PennActionDataset
from tests.test_datasets.penn_files import (
    label_arrays,
    write_label,
    write_penn,
)


def penn(root, split='train', **kwargs):
    return PennActionDataset(data_root=str(root), split=split, **kwargs)


def test_splits_follow_the_labels_flag(penn_root):
    train = penn(penn_root)
    assert train.tracks.video_ids.tolist() == ['0001', '0002']
    assert [
        train.get_data_info(i)['frame_ids'] for i in range(len(train))
    ] == [[1, 2, 3, 4, 5], [3, 4, 5, 6, 7], [1, 2, 3, 4, 5]]
    test = penn(penn_root, 'test', test_mode=True)
    assert test.tracks.video_ids.tolist() == ['0003'] and len(test) == 3
    masks = [test.get_data_info(i)['frame_mask'].sum() for i in range(3)]
    assert masks == [5, 5, 2]


def test_values_and_paths(penn_root):
    info = penn(penn_root).get_data_info(2)
    arrays = label_arrays(5, 1, seed=2)
    np.testing.assert_allclose(
        info['keypoints'],
        np.stack([arrays['x'], arrays['y']], -1) - 1,
        rtol=1e-6,
    )
    np.testing.assert_allclose(info['bbox'], arrays['bbox'] - 1, rtol=1e-6)
    assert info['img_path'] == f'{penn_root}/frames/0002/000001.jpg'
    assert info['img_id'] == '0002/1'


def test_labels_alone_can_be_loaded(tmp_path):
    write_penn(tmp_path, frames=False)
    assert len(penn(tmp_path)) == 3


def test_video_shorter_than_the_clip(tmp_path):
    write_label(tmp_path, '0001', label_arrays(3))
    info = penn(tmp_path).get_data_info(0)
    assert info['frame_ids'] == [1, 2, 3, 3, 3]
    assert info['frame_mask'].tolist() == [True] * 3 + [False] * 2


def test_repairs_are_logged_once_by_kind(tmp_path, caplog):
    arrays = label_arrays(7)
    arrays['bbox'] = arrays['bbox'][:5]
    write_label(tmp_path, '0001', arrays)
    arrays = label_arrays(7)
    arrays['bbox'][3, 2] = arrays['bbox'][3, 0]
    arrays['x'][2, 2] = np.nan
    write_label(tmp_path, '0002', arrays)
    logger = MMLogger.get_instance('penn_test')
    with caplog.at_level(logging.INFO, logger='penn_test'):
        logger.addHandler(caplog.handler)
        dataset = penn(tmp_path)
        logger.removeHandler(caplog.handler)
    assert dataset.repairs == Counter(
        {'boxes missing': 2, 'zero-area boxes': 1, 'NaN joints': 1}
    )
    texts = [r.getMessage() for r in caplog.records]
    tables = [text for text in texts if 'irregular labels' in text]
    assert len(set(tables)) == 1
    rows = [line.split() for line in tables[0].split('\n')[1:]]
    assert [row[:3] for row in rows] == [
        ['boxes', 'missing', '2'],
        ['zero-area', 'boxes', '1'],
        ['NaN', 'joints', '1'],
    ]


def hidden_arrays(num, train=1):
    """Joint 1 behind somebody in frames 2 and 3, joint 4 behind a thing in
    all of them.
    """
    arrays = label_arrays(num, train)
    arrays['hidden_by'] = np.zeros((num, 13), np.uint8)
    arrays['hidden_by'][1:3, 1] = 2
    arrays['hidden_by'][:, 4] = 1
    arrays['visibility'] = (arrays['hidden_by'] == 0).astype(np.uint8)
    return arrays


def test_what_hides_joints_and_since_when(tmp_path):
    write_label(tmp_path, '0001', hidden_arrays(6))
    clip = penn(tmp_path, clip_length=3).get_data_info(0)
    later = penn(tmp_path, clip_length=3).get_data_info(1)
    assert clip['hidden_by'][:, 1].tolist() == [0, 2, 2]
    assert clip['hidden_by'][:, 4].tolist() == [1, 1, 1]
    assert clip['frames_unseen'][:, 1].tolist() == [0, 1, 2]
    assert clip['frames_unseen'][:, 4].tolist() == [-1, -1, -1]
    # Counted in the video, not in the clip.
    start = penn(tmp_path, clip_offsets=[0])
    assert start.get_data_info(2)['frames_unseen'][0, 1] == 2
    assert later['hidden_by'][:, 1].tolist() == [0, 0, 0]
    flip = ClipRandomFlip(prob=1.0)
    flipped = flip(dict(clip, img=[], img_shape=(72, 96)))
    # Joint 1 and 2, 3 and 4 are left and right.
    assert flipped['hidden_by'][:, 2].tolist() == [0, 2, 2]
    assert flipped['frames_unseen'][:, 3].tolist() == [-1, -1, -1]
    assert not flipped['hidden_by'][:, [1, 4]].any()


def test_labels_that_do_not_tell_what_hides(tmp_path):
    write_label(tmp_path, '0001', label_arrays(6))
    info = penn(tmp_path).get_data_info(0)
    assert 'hidden_by' not in info and 'frames_unseen' not in info
    write_label(tmp_path, '0002', hidden_arrays(6))
    mixed = penn(tmp_path)
    assert 'hidden_by' not in mixed.get_data_info(1)
    assert mixed.repairs['videos that do not tell what hides joints'] == 1


@pytest.mark.parametrize(
    'values, message',
    [
        (np.zeros((6, 12)), r'hidden_by must be n x 13 .* \(6, 12\)'),
        (np.full((6, 13), 5), 'hidden_by must hold numbers from 0 to 4'),
        (np.full((6, 13), 0.5), 'hidden_by must hold numbers from 0 to 4'),
    ],
)
def test_hiders_that_nobody_can_read(tmp_path, values, message):
    path = write_label(
        tmp_path, '0001', dict(label_arrays(6), hidden_by=values)
    )
    with pytest.raises(ValueError, match=message) as error:
        penn(tmp_path)
    assert str(path) in str(error.value) and '\n' not in str(error.value)


def test_empty_split(tmp_path):
    write_label(tmp_path, '0001', label_arrays(6, train=1))
    with pytest.raises(ValueError) as error:
        penn(tmp_path, 'test')
    message = str(error.value)
    assert "the split 'test'" in message and str(tmp_path) in message


def test_no_labels(tmp_path):
    with pytest.raises(FileNotFoundError, match='no folder .*labels'):
        penn(tmp_path)
    (tmp_path / 'labels').mkdir()
    with pytest.raises(ValueError, match='no .mat file in'):
        penn(tmp_path)


def test_wrong_number_of_joints_names_the_file(tmp_path):
    arrays = label_arrays(6)
    arrays['x'] = arrays['x'][:, :12]
    path = write_label(tmp_path, '0007', arrays)
    with pytest.raises(ValueError, match='13 joints') as error:
        penn(tmp_path)
    assert str(path) in str(error.value)


def test_other_folder_names(tmp_path):
    write_label(tmp_path, '0001', label_arrays(6))
    (tmp_path / 'labels').rename(tmp_path / 'annotations')
    dataset = penn(
        tmp_path, data_prefix=dict(img='pictures', ann='annotations')
    )
    assert dataset.get_data_info(0)['img_path'] == str(
        tmp_path / 'pictures' / '0001' / '000001.jpg'
    )


@pytest.mark.slow
def test_real_labels(real_penn_root):
    """All of Penn Action: nothing is left out, everything is usable."""
    repairs = Counter()
    num_frames = 0
    for split, num_videos in (('train', 1258), ('test', 1068)):
        dataset = penn(real_penn_root, split, clip_length=5, test_mode=True)
        assert len(dataset.tracks) == num_videos
        repairs.update(dataset.repairs)
        wanted = Counter()
        for i in range(len(dataset)):
            info = dataset.get_data_info(i)
            assert info['bbox'].shape == (5, 4)
            for frame in np.array(info['frame_ids'])[info['frame_mask']]:
                wanted[info['video_id'], frame] += 1
        assert set(wanted.values()) == {1}
        assert len(wanted) == len(dataset.tracks.column('frame_ids'))
        num_frames += len(wanted)
        boxes = dataset.tracks.column('bbox')
        assert ((boxes[:, 2:] - boxes[:, :2]) >= 1).all()
        points = dataset.tracks.column('keypoints')
        assert np.isfinite(points).all()
        visible = dataset.tracks.column('keypoints_visible')
        labeled = dataset.tracks.column('keypoints_labeled')
        assert (labeled >= visible).all()
    assert num_frames == 163841
    # Counted by a plain scan of the files.
    assert repairs == {
        'boxes missing': 2,
        'zero-area boxes': 185,
        'boxes under one pixel in the picture': 1,
        'boxes clipped to the picture': 7265,
        'placeholder joints': 187352,
        'visible joints outside the picture': 1012,
        'frames without visible joint': 177,
    }


def test_files_of_a_mac(tmp_path):
    write_penn(tmp_path, frames=False)
    for name in ('._0001.mat', '.0002.mat', '._.mat'):
        (tmp_path / 'labels' / name).write_bytes(b'\x00\x05\x16\x07')
    assert penn(tmp_path).tracks.video_ids.tolist() == ['0001', '0002']
