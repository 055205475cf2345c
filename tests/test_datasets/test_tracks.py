# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import copy
import pickle

import numpy as np
import pytest

from rpstn_mmpose.datasets import Track, TrackStore


def make_track(video_id, num, first=0, num_joints=2, **kwargs):
    """Frame i has its box at i and its joints at 10 * i."""
    frames = np.arange(first, first + num)
    box = np.stack([frames, frames, frames + 5, frames + 9], axis=1)
    values = dict(
        video_id=video_id,
        frame_ids=frames,
        img_paths=[f'{video_id}/é{i}.jpg' for i in frames],
        bbox=box,
        keypoints=np.broadcast_to(
            10.0 * frames[:, None, None], (num, num_joints, 2)
        ),
        keypoints_visible=np.ones((num, num_joints)),
        keypoints_labeled=np.ones((num, num_joints), bool),
    )
    return Track(**{**values, **kwargs})


def test_clip_cuts_rows_out_of_the_right_track():
    store = TrackStore([make_track('a', 3), make_track('bb', 4, first=100)])
    assert len(store) == 2
    clip = store.clip(1, [0, 2, 2])
    assert clip['video_id'] == 'bb'
    assert clip['frame_ids'] == [100, 102, 102]
    assert clip['img_paths'] == ['bb/é100.jpg', 'bb/é102.jpg', 'bb/é102.jpg']
    assert clip['bbox'].tolist() == [
        [100, 100, 105, 109],
        [102, 102, 107, 111],
        [102, 102, 107, 111],
    ]
    assert clip['keypoints'][:, 0, 0].tolist() == [1000, 1020, 1020]
    assert clip['keypoints_labeled'].tolist() == [[1, 1]] * 3
    for key in ('bbox', 'keypoints', 'keypoints_visible', 'keypoints_labeled'):
        assert clip[key].dtype == np.float32


def test_a_cut_clip_is_a_copy():
    store = TrackStore([make_track('a', 3)])
    store.clip(0, [0])['keypoints'][:] = -1
    assert store.column('keypoints')[0, 0, 0] == 0
    with pytest.raises(ValueError, match='read-only'):
        store.column('keypoints')[:] = 1


def test_copies_share_and_pickles_keep_the_data():
    store = TrackStore([make_track('a', 3)])
    assert copy.deepcopy(store) is store
    again = pickle.loads(pickle.dumps(store))
    assert again.clip(0, [2])['img_paths'] == ['a/é2.jpg']


def test_arrays_of_different_length_are_refused():
    with pytest.raises(ValueError, match='Track a: its arrays'):
        TrackStore([make_track('a', 3, bbox=np.zeros((2, 4)))])


def test_fields_of_several_people():
    ids = np.array([10**10 + 7, 10**10 + 8])
    store = TrackStore(
        [
            make_track(
                'a',
                2,
                track_id=3,
                image_ids=ids,
                bbox_score=np.array([0.5, 0.25]),
            ),
            make_track(
                'a', 2, track_id=4, image_ids=ids, bbox_score=np.ones(2)
            ),
        ]
    )
    clip = store.clip(0, [1, 0])
    assert clip['track_id'] == 3 and type(clip['track_id']) is int
    assert clip['image_ids'] == [10**10 + 8, 10**10 + 7]
    assert clip['bbox_score'].tolist() == [0.25, 0.5]
    other = store.clip(1, [1, 0])
    assert other['track_id'] == 4
    assert other['img_paths'] == clip['img_paths'] == ['a/é1.jpg', 'a/é0.jpg']
    # both people's frames are the same files
    assert len(store._data['img_paths']) == 2
    plain = TrackStore([make_track('a', 2)]).clip(0, [0])
    assert not {'track_id', 'image_ids', 'bbox_score'} & set(plain)


def test_optional_fields_are_of_one_length_and_of_all_tracks():
    with pytest.raises(ValueError, match="Track a: .*'image_ids': 1"):
        TrackStore([make_track('a', 3, image_ids=[1])])
    with pytest.raises(ValueError, match='Track b: it has no track_id') as e:
        TrackStore([make_track('a', 3, track_id=0), make_track('b', 3)])
    assert '\n' not in str(e.value)


def test_sizes_of_frames():
    sizes = np.array([[96, 72], [0, 0], [640, 480]])
    store = TrackStore([make_track('a', 3, frame_sizes=sizes)])
    clip = store.clip(0, [2, 1])
    assert clip['frame_sizes'].tolist() == [[640, 480], [0, 0]]
    assert 'frame_sizes' not in TrackStore([make_track('a', 3)]).clip(0, [0])
    with pytest.raises(ValueError, match='it has no frame_sizes'):
        TrackStore([make_track('a', 3), make_track('b', 3, frame_sizes=sizes)])
