# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Every k-th labelled frame, and labels with scores."""

import numpy as np
import pytest
from mmpose.registry import TRANSFORMS

from rpstn_mmpose.datasets import PennActionDataset, PoseTrackClipDataset
from rpstn_mmpose.datasets.sparse_labels import annotated_frames, keep_every
from rpstn_mmpose.datasets.tracks import Track

from .penn_files import write_penn
from .posetrack_files import image, person, write_sequence


def track(frames, video='a', annotated=None):
    return Track(video, annotated, frame_ids=np.array(frames))


def test_every_third_of_all():
    tracks = [track(range(1, 11))]
    kept = keep_every(tracks, 3, seed=0)['a']
    assert kept[0] in (1, 2, 3)
    assert kept.tolist() == list(range(kept[0], 11, 3))
    assert annotated_frames(tracks[0]).tolist() == kept.tolist()


def test_frames_are_counted_over_all_people():
    """Labelled frames of the video: 0, 2, 4, 5, 7, 9."""
    people = [
        track([0, 1, 2, 3, 4], annotated=np.array([1, 0, 1, 0, 1], bool)),
        track([4, 5, 6, 7, 8, 9], annotated=np.array([1, 1, 0, 1, 0, 1])),
    ]
    kept = keep_every(people, 2)['a'].tolist()
    assert kept in ([0, 4, 7], [2, 5, 9])
    labelled = [annotated_frames(person).tolist() for person in people]
    assert labelled in ([[0, 4], [4, 7]], [[2], [5, 9]])


def test_the_draw_is_the_videos_own():
    """And differs from video to video, and from seed to seed."""

    def first(video, seed, *others):
        tracks = [track(range(20), video), *others]
        return keep_every(tracks, 7, seed)[video][0]

    names = [f'{number:04d}' for number in range(30)]
    starts = [first(name, 0) for name in names]
    assert set(starts) == set(range(7))
    assert starts != [first(name, 1) for name in names]
    others = [track(range(5), f'b{i}') for i in range(3)]
    assert starts == [first(name, 0, *others) for name in names]


def test_a_short_video_keeps_a_label():
    for number in range(20):
        kept = keep_every([track([3, 4], f'{number}')], 7)[f'{number}']
        assert len(kept) == 1 and kept[0] in (3, 4)
    assert len(keep_every([track([])], 7)['a']) == 0


def test_in_a_data_set(tmp_path):
    """The frames between are in clips, and wanted in none."""
    root = write_penn(tmp_path, lengths=(9, 4), train=(1, 1), frames=False)

    def build(**options):
        return PennActionDataset(str(root), 'train', **options)

    pairs = build(
        label_every=4, window=dict(type='NearPair', clip_offsets=(1,))
    )
    infos = [pairs.get_data_info(i) for i in range(len(pairs))]
    wanted = [(i['video_id'], i['frame_ids'][0]) for i in infos]
    for video, number in (('0001', 9), ('0002', 4)):
        frames = [frame for name, frame in wanted if name == video]
        assert frames == list(range(frames[0], number + 1, 4))
        assert frames[0] <= 4
    for info in infos:
        last = 9 if info['video_id'] == '0001' else 4
        expected = min(info['frame_ids'][0] + 1, last)
        assert info['frame_ids'][1] == expected
        assert info['frame_mask'].tolist() == [True, False]
    clips = build(label_every=4, clip_length=3)
    found = [
        (info['video_id'], frame)
        for info in map(clips.get_data_info, range(len(clips)))
        for frame in np.array(info['frame_ids'])[info['frame_mask']]
    ]
    assert sorted(set(found)) == sorted(wanted)
    again = build(label_every=4, clip_length=3)
    assert len(again) == len(clips)


@pytest.mark.parametrize('every', [0, -1, 2.0, True])
def test_bad_numbers(every, tmp_path):
    root = write_penn(tmp_path, frames=False)
    with pytest.raises(ValueError, match='label_every must be an integer'):
        PennActionDataset(str(root), 'train', label_every=every)


def test_an_evaluation_counts_all(tmp_path):
    with pytest.raises(ValueError, match='label_every=3 would leave frames'):
        PennActionDataset(str(tmp_path), 'test', label_every=3, test_mode=True)


def write_scored(root, scores):
    """Frames 0 and 1 of a person; the second has scores."""
    write_sequence(
        root,
        1,
        [image(1, frame) for frame in (0, 1)],
        [person(1, 0, 5), person(1, 1, 5, scores=scores)],
    )
    return PoseTrackClipDataset(str(root), 'val', clip_length=2)


def target(**options):
    codec = dict(
        type='MSRAHeatmap', input_size=(96, 72), heatmap_size=(24, 18), sigma=2
    )
    return TRANSFORMS.build(
        dict(type='GenerateClipTarget', encoder=codec, **options)
    )


def test_scores_are_weights(tmp_path):
    """Joints 2 and 16 are labelled; those of frame 0 count whole."""
    scores = np.linspace(0, 1, 17)
    info = write_scored(tmp_path, scores.tolist()).get_data_info(0)
    plain = target()(dict(info))['keypoint_weights']
    weighted = target(score_weights=True)(dict(info))['keypoint_weights']
    assert plain[:, [2, 16]].tolist() == [[1, 1], [1, 1]]
    np.testing.assert_allclose(weighted[0], plain[0])
    np.testing.assert_allclose(weighted[1, [2, 16]], [2 / 16, 1])
    assert (weighted[:, 3:16] == 0).all()


def test_scores_change_sides_with_their_joints(tmp_path):
    scores = np.linspace(0, 1, 17)
    dataset = write_scored(tmp_path, scores.tolist())
    info = dataset.get_data_info(0)
    frames = [np.zeros((72, 96, 3), np.uint8)] * 2
    info.update(img=frames, img_shape=(72, 96))
    info['bbox_center'] = info['bbox'][:, :2]
    flip = TRANSFORMS.build(dict(type='ClipRandomFlip', prob=1.0))
    flipped = flip(info)['keypoint_scores']
    np.testing.assert_allclose(
        flipped[1], scores[dataset.metainfo['flip_indices']], rtol=1e-6
    )


def test_labels_without_scores(tmp_path):
    """PoseTrack's own."""
    info = write_scored(tmp_path, []).get_data_info(0)
    assert 'keypoint_scores' not in info
    with pytest.raises(ValueError, match='score_weights is for labels with'):
        target(score_weights=True)(info)


@pytest.mark.parametrize(
    'scores', [[0.5], [2.0] * 17, [None] * 17, 'high', [-0.1] * 17]
)
def test_scores_that_are_none(scores, tmp_path):
    """They are counted, and weigh nothing less."""
    dataset = write_scored(tmp_path, scores)
    assert dataset.repairs['scores not from 0 to 1'] == 1
    assert 'keypoint_scores' not in dataset.get_data_info(0)
