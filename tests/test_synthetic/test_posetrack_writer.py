# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import numpy as np
import pytest

from rpstn_mmpose.synthetic.posetrack_config import PoseTrackConfig
from rpstn_mmpose.synthetic.posetrack_generator import sample_crowd
from rpstn_mmpose.synthetic.posetrack_writer import (
    POSETRACK_JOINTS,
    PoseTrackVideoWriter,
    head_box,
    image_id,
    outline,
    posetrack_joints,
    sequence_name,
)
from rpstn_mmpose.synthetic.skeleton import PENN_JOINTS, POINT_INDEX


def person(**kwargs):
    joints = np.zeros((17, 2))
    joints[0], joints[7] = (10, 20), (30, 60.12345)
    joints[8] = 500, 500  # not seen
    seen = np.zeros(17, bool)
    seen[[0, 7]] = True
    values = dict(track_id=2, joints=joints, seen=seen, head_box=[1, 2, 3, 3])
    return dict(values, **kwargs)


def write(tmp_path, *frames):
    writer = PoseTrackVideoWriter(tmp_path, 12, 'val', (64, 48), len(frames))
    for frame in frames:
        writer.add(**frame)
    writer.close()
    path = tmp_path / 'annotations/val/000012_mpii_test.json'
    return json.loads(path.read_text())


def test_names_and_numbers():
    assert sequence_name(12, 'val') == '000012_mpii_test'
    assert sequence_name(12, 'train') == '000012_mpii_train'
    assert image_id(12834, 0) == 10128340000
    assert image_id(12, 345) == 10000120345


def test_annotation_by_hand(tmp_path):
    content = write(tmp_path, dict(picture=None, labeled=True,
                                   people=[person()]))  # fmt: skip
    (item,) = content['annotations']
    assert item['keypoints'][:3] == [10, 20, 1]
    assert item['keypoints'][21:27] == [30, 60.123, 1, 0, 0, 0]
    np.testing.assert_allclose(
        item['bbox'], [7, 20 - 0.15 * 40.123, 26, 1.3 * 40.123], atol=1e-3
    )
    assert item['num_keypoints'] == 2 and item['track_id'] == 2
    assert item['id'] == 1000012000002 and item['bbox_head'] == [1, 2, 3, 3]
    (image,) = content['images']
    assert 'ignore_regions_x' not in image
    assert (image['width'], image['height']) == (64, 48)
    assert not (tmp_path / 'images').exists()


def test_unlabelled_frames_and_unseen_people_have_no_annotations(tmp_path):
    nobody = person(seen=np.zeros(17, bool))
    content = write(
        tmp_path,
        dict(picture=None, labeled=False, people=[person()]),
        dict(picture=None, labeled=True, people=[nobody]),
    )
    assert content['annotations'] == []
    assert [i['is_labeled'] for i in content['images']] == [False, True]


def test_picture_and_ignore_regions(tmp_path):
    region = np.array([[1, 2], [3, 4], [5, 0]])
    picture = np.zeros((48, 64, 3), np.uint8)
    content = write(
        tmp_path, dict(picture=picture, labeled=True, ignored=[region])
    )
    (image,) = content['images']
    assert image['ignore_regions_x'] == [[1, 3, 5]]
    assert image['ignore_regions_y'] == [[2, 4, 0]]
    assert (tmp_path / image['file_name']).is_file()


def test_outline():
    mask = np.zeros((20, 30), bool)
    assert outline(mask) is None
    mask[5:11, 7:20] = True
    corners = {tuple(p) for p in outline(mask).tolist()}
    assert corners == {(7, 5), (19, 5), (19, 10), (7, 10)}


@pytest.fixture(scope='module')
def figure():
    """Somebody who fills the picture alone, without occluders."""
    from dataclasses import replace

    from rpstn_mmpose.synthetic import get_difficulty

    easy = replace(get_difficulty('easy'), occluder_rate=0.0, back_views=0.0)
    config = PoseTrackConfig(
        people=(1, 1), ignored=0.0, difficulty=easy, image_size=(192, 192)
    ).checked()
    scene, _ = sample_crowd((3, 'demo', 1), 2, config)
    truths = [truths[0] for _, truths in scene.frames(draw=False)]
    return scene.actors[0], truths


def test_joints_of_a_person(figure):
    actor, truths = figure
    for frame, truth in enumerate(truths):
        joints, seen = posetrack_joints(actor, frame, truth)
        named = dict(zip(POSETRACK_JOINTS, joints))
        for index, name in enumerate(PENN_JOINTS[1:], start=1):
            assert np.array_equal(named[name], truth['keypoints'][index])
        points = truth['points'][:, :2]
        head = points[POINT_INDEX['head']]
        # the head's centre lies half way from its top to its lower end
        np.testing.assert_allclose(
            (named['head_top'] + named['head_bottom']) / 2, head
        )
        assert named['head_top'][1] < head[1] < named['head_bottom'][1]
        radius = np.linalg.norm(named['head_top'] - head)
        assert np.linalg.norm(named['nose'] - head) <= radius
        x, y, w, h = head_box(truth)
        assert abs(x + w / 2 - head[0]) < 1.1 and w == h
        assert abs(w - 2 * radius) <= 0.5
        assert not seen[3:5].any()
        assert seen[:3].all() and seen.sum() > 10


def test_head_is_hidden_outside_and_behind_others(figure):
    actor, truths = figure
    truth = dict(truths[0], mask=np.zeros_like(truths[0]['mask']))
    assert not posetrack_joints(actor, 0, truth)[1][:3].any()
    cut = truths[0]['mask'][:5]
    assert not posetrack_joints(actor, 0, dict(truths[0], mask=cut))[1][0]


def test_nose_is_hidden_when_the_face_looks_away(figure):
    actor, truths = figure
    from copy import deepcopy

    away = deepcopy(actor)
    away.track.forward[..., 2] = 0.9
    seen = posetrack_joints(away, 0, truths[0])[1]
    assert seen[:3].tolist() == [False, True, True]
