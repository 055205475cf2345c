# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Poses of other methods, from the files that they come in."""

import json

import numpy as np
import pytest

from rpstn_mmpose.systems.posefix.pose_files import (
    best_match,
    pose_box,
    read_poses,
)

# three joints: x, y, score
POINTS = [10, 20, 0.9, 0, 0, 0, 40, 60, 0.3]


def write(path, content):
    path.write_text(json.dumps(content))
    return str(path)


def entry(**changes):
    return dict(image_id=7, category_id=1, keypoints=POINTS, score=0.5) | (
        changes
    )


def test_results_of_coco(tmp_path):
    """A joint of 0, 0, 0 is absent; the box is 1.2 times the extent of the
    others: 30 x 40 around (25, 40)."""
    poses = read_poses(
        write(tmp_path / 'a.json', [entry(), entry(category_id=2)]), 3
    )
    (pose,) = poses.pop('7')
    assert not poses
    np.testing.assert_allclose(
        pose.keypoints,
        np.float32([[10, 20, 0.9], [np.nan, np.nan, 0], [40, 60, 0.3]]),
    )
    assert pose.score == 0.5
    np.testing.assert_allclose(pose.bbox, [7, 16, 43, 64])


def test_box_and_score_of_the_file(tmp_path):
    """x, y, width, height; without a score the mean of the joints'."""
    with_box = entry(bbox=[1, 2, 30, 40])
    del with_box['score']
    (pose,) = read_poses(write(tmp_path / 'a.json', [with_box]), 3)['7']
    np.testing.assert_allclose(pose.bbox, [1, 2, 31, 42])
    assert pose.score == pytest.approx(0.6)


@pytest.mark.parametrize('flags', [(2, 1), (0, 0)])
def test_flags_are_no_scores(tmp_path, flags):
    """COCO's 0, 1 and 2: all joints get the pose's score. Methods that write
    0 everywhere mean no absent joints."""
    points = [10, 20, flags[0], 5, 6, flags[1], 40, 60, flags[1]]
    (pose,) = read_poses(
        write(tmp_path / 'a.json', [entry(keypoints=points)]), 3
    )['7']
    np.testing.assert_allclose(pose.keypoints[:, 2], 0.5)
    assert np.isfinite(pose.keypoints).all()


def test_posetrack_folder(tmp_path):
    """All files of a folder, with scores of their own and boxes alone."""
    for name, number in (('a', 1), ('b', 2)):
        people = [
            entry(image_id=number, scores=[0.1, 0.2, 0.3], track_id=4),
            dict(image_id=number, track_id=5, bbox=[0, 0, 9, 9]),
        ]
        write(tmp_path / f'{name}.json', dict(images=[], annotations=people))
    poses = read_poses(str(tmp_path), 3)
    assert {key: len(value) for key, value in poses.items()} == {
        '1': 1,
        '2': 1,
    }
    scores = poses['1'][0].keypoints[:, 2]
    np.testing.assert_allclose(scores, np.float32([0.1, 0, 0.3]))


def test_people_by_frame(tmp_path):
    """As the demo writes them: frames from 0, data sets' from 1 or 0."""
    person = dict(
        track_id=0,
        keypoints=[[10, 20], [30, 40], [40, 60]],
        keypoint_scores=[0.9, 0.8, 0.4],
        bbox=[[5, 6, 50, 70]],
        bbox_score=1.0,
    )
    content = dict(
        meta_info=dict(
            keypoint_id2name={'0': 'a', '1': 'b', '2': 'c'},
            video=dict(name='0003'),
        ),
        instance_info=[
            dict(frame_id=0, instances=[]),
            dict(frame_id=1, instances=[person]),
        ],
    )
    path = write(tmp_path / 'a.json', content)
    (pose,) = read_poses(path, 3)['0003/2']
    np.testing.assert_allclose(pose.keypoints[:, 2], [0.9, 0.8, 0.4])
    np.testing.assert_allclose(pose.bbox, [5, 6, 50, 70])
    assert list(read_poses(path, 3, first_frame=0)) == ['0003/1']
    with pytest.raises(ValueError, match='poses of 3 joints, .* set has 4'):
        read_poses(path, 4)


@pytest.mark.parametrize(
    'content, message',
    [
        (7, "must be a list of poses .* 'annotations'"),
        ({}, "must be a list of poses .* 'annotations'"),
        ([[1]], 'pose 0: must have image_id, keypoints and score'),
        ([entry(keypoints=POINTS[:6])], 'keypoints must be 9 finite numbers'),
        ([entry(keypoints='x')], 'keypoints must be 9 finite numbers'),
        ([entry(), entry(score=None, scores=[1])], 'pose 1: scores must be 3'),
        ([entry(score='high')], 'score must be a finite number'),
        ([entry(bbox=[1, 2, 3])], 'bbox must be 4 finite numbers'),
    ],
)
def test_what_is_no_file_of_poses(tmp_path, content, message):
    path = write(tmp_path / 'bad.json', content)
    with pytest.raises(ValueError, match=message) as caught:
        read_poses(path, 3)
    assert str(caught.value).startswith(path)
    assert '\n' not in str(caught.value)


def test_files_that_are_torn_or_not_there(tmp_path):
    (tmp_path / 'torn.json').write_text('[{"image_id": 7, "key')
    with pytest.raises(ValueError, match='torn.json: not a whole JSON file'):
        read_poses(str(tmp_path / 'torn.json'), 3)
    with pytest.raises(FileNotFoundError):
        read_poses(str(tmp_path / 'none.json'), 3)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='no .json file'):
        read_poses(str(tmp_path / 'empty'), 3)


def test_poses_without_a_joint_are_nobody(tmp_path):
    path = write(tmp_path / 'a.json', [entry(keypoints=[0] * 9)])
    assert read_poses(path, 3) == {}


def test_box_of_a_line_and_of_nothing():
    """A side without length is 20 pixels."""
    line = np.array([[10, 30], [10, 80]], float)
    np.testing.assert_allclose(pose_box(line), [0, 25, 20, 85])
    assert np.isnan(pose_box(np.full((2, 3), np.nan))).all()


def test_best_match_is_that_of_the_largest_overlap(tmp_path):
    entries = [
        entry(bbox=[0, 0, 10, 10], score=0.1),
        entry(bbox=[0, 0, 10, 16], score=0.2),
    ]
    poses = read_poses(write(tmp_path / 'a.json', entries), 3)['7']
    box = np.array([0, 0, 10, 20])
    assert best_match(box, poses).score == 0.2
    assert best_match(box + [100, 0, 100, 0], poses) is None
    assert best_match(box, []) is None
    # 160 of 200
    assert best_match(box, poses, min_iou=0.81) is None
