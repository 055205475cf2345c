# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import cv2
import numpy as np
import pytest

from rpstn_mmpose.apis import TrajectoryRecorder

META = dict(
    keypoint_id2name={0: 'head', 1: 'foot'},
    keypoint_colors=np.uint8([[0, 255, 0], [255, 0, 0]]))


def person(key, value):
    return dict(
        track_id=key,
        keypoints=[[value, 0], [0, value]],
        keypoint_scores=[1, 1])


def test_long_videos_are_thinned_out():
    recorder = TrajectoryRecorder(META, max_points=10)
    for frame in range(100):
        recorder.add(frame, [person(0, frame)] + [person(1, 0)] *
                     (30 <= frame < 50))
        assert all(len(p.frames) <= 10 for p in recorder.paths.values())
    assert recorder.step == 16
    assert recorder.paths[0].frames == list(range(0, 100, 16))
    assert recorder.paths[1].frames == [32, 48]
    assert [p[0, 0] for p in recorder.paths[0].points] == list(
        range(0, 100, 16))
    assert (recorder.paths[0].count, recorder.paths[1].count) == (100, 20)


def test_many_people_are_not_all_kept():
    recorder = TrajectoryRecorder(META, max_people=2)
    for frame in range(60):
        recorder.add(frame, [person(0, 1), person(1 + frame // 3, 1)])
    assert len(recorder.paths) <= 5 and 0 in recorder.paths
    assert recorder.num_people == 21


def test_the_picture_has_the_joints_colours(tmp_path):
    recorder = TrajectoryRecorder(META)
    for frame in range(20):
        if frame not in (8, 9):
            recorder.add(frame, [person(0, frame), person(3, 10)])
    recorder.add(20, [person(-1, 5)])
    assert sorted(recorder.paths) == [0, 3]
    recorder.plot(tmp_path / 'new' / 'a.png', fps=10)
    image = cv2.imread(str(tmp_path / 'new' / 'a.png')).astype(int)
    # two rows of 2.3 inches and 1.1 for the rest, at 110 dots an inch
    assert image.shape == (627, 1320, 3)
    for color in ((0, 255, 0), (0, 0, 255)):
        assert (abs(image - color).max(axis=2) < 40).sum() > 500
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['a.png']


def test_nobody(tmp_path):
    recorder = TrajectoryRecorder(META)
    recorder.add(0, [])
    with pytest.raises(ValueError, match='no tracked person to plot'):
        recorder.plot(tmp_path / 'a.png', fps=10)
    with pytest.raises(ValueError, match='max_points must be at least 2'):
        TrajectoryRecorder(META, max_points=1)
