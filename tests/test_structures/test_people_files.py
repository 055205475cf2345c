# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import numpy as np
import pytest

from rpstn_mmpose.structures import joint_names, load_boxes, load_people
from tests.real_data import require_case

NAMES = dict(keypoint_id2name={'1': 'hip', '0': 'nose'})


def save(path, content):
    path.write_text(json.dumps(content))
    return path


def walk(frame, **others):
    """The person of the case boxes_of_mmpose_demo, in frame 0 and on."""
    box = [8 + 3 * frame, 15, 30 + 3 * frame, 82]
    return dict(bbox=[box], bbox_score=0.9, **others)


def records(first, count=4, **others):
    return [
        dict(frame_id=first + f, instances=[walk(f, **others)])
        for f in range(count)
    ]


@pytest.mark.parametrize(
    'content',
    [
        # MMPose's demo counts from 1, its inferencer and this package from 0.
        dict(meta_info=NAMES, instance_info=records(1)),
        records(0),
        dict(meta_info=dict(NAMES, video={}), instance_info=records(0)),
        {str(f): [[*walk(f)['bbox'][0], 0.9]] for f in (2, 0, 3, 1)},
        [[[*walk(f)['bbox'][0], 0.9]] for f in range(4)],
    ],
)
def test_frames_count_from_0(tmp_path, content):
    people = load_boxes(save(tmp_path / 'a.json', content))
    assert people.frame_ids.tolist() == list(people.frames) == [0, 1, 2, 3]
    expected = [walk(f)['bbox'][0] + [0.9] for f in range(4)]
    boxes = people.boxes_by_frame()
    np.testing.assert_allclose([boxes[f][0] for f in range(4)], expected)
    assert people.track_ids.tolist() == [-1] * 4
    assert people.listed == isinstance(content, list)


@pytest.mark.parametrize('name', ['results_walk', 'inferencer_walk'])
def test_files_of_mmpose(name):
    case = require_case('boxes_of_mmpose_demo')
    boxes = load_boxes(case / f'{name}.json').boxes_by_frame()
    assert sorted(boxes) == list(range(12))
    for frame, found in boxes.items():
        expected = [8 + 3 * frame, 15, 30 + 3 * frame, 82, 0.9]
        np.testing.assert_allclose(found, [expected], rtol=1e-6)


def test_poses_of_mmposes_demo_count_from_0(tmp_path):
    pose = dict(keypoints=[[1, 2], [3, 4]], keypoint_scores=[0.5, 1])
    content = dict(meta_info=NAMES, instance_info=records(1, **pose))
    people = load_people(save(tmp_path / 'a.json', content))
    assert people.frame_ids.tolist() == [0, 1, 2, 3]
    assert people.joints == ['nose', 'hip']
    np.testing.assert_array_equal(people.keypoints, [[[1, 2], [3, 4]]] * 4)
    np.testing.assert_array_equal(people.keypoint_scores, [[0.5, 1]] * 4)


def test_a_cut_that_begins_at_frame_1_stays(tmp_path):
    """This package names the video; and frames with gaps are nobody's."""
    for content in (
        dict(meta_info=dict(video={}), instance_info=records(1)),
        dict(meta_info={}, instance_info=records(1)[::2]),
    ):
        people = load_boxes(save(tmp_path / 'a.json', content))
        assert people.frames[0] == 1


def test_scores_and_ids_of_the_file_are_kept(tmp_path):
    content = dict(meta_info={}, instance_info=records(0, track_id=7))
    people = load_boxes(save(tmp_path / 'a.json', content))
    assert people.track_ids.tolist() == [7] * 4
    assert people.bbox_scores.tolist() == [0.9] * 4
    case = require_case('boxes_with_scores')
    people = load_boxes(case / 'with_ids.json')
    assert people.track_ids.tolist() == [7] * 6
    people = load_boxes(case / 'detections.json')
    assert people.bbox_scores[:4].tolist() == pytest.approx(
        [0.95, 0.6, 0.02, 0.02]
    )
    assert len(people) == 6 * 7


def test_facts_of_the_video(tmp_path):
    content = dict(
        meta_info=dict(
            NAMES,
            dataset_name='toy',
            video=dict(
                name='v', fps=10, width=96, height=72, announced_frames=5
            ),
        ),
        instance_info=[
            dict(frame_id=0, instances=[]),
            dict(frame_id=1, damaged=True, instances=[]),
        ],
    )
    people = load_people(save(tmp_path / 'a.json', content))
    assert (people.name, people.fps, people.size) == ('v', 10.0, (96, 72))
    assert (people.dataset, people.announced_frames) == ('toy', 5)
    assert (people.frames, people.damaged, len(people)) == ([0, 1], [1], 0)


@pytest.mark.parametrize(
    'content, message',
    [
        (3, 'a.json holds no boxes by frame: it is no list and no object'),
        ({'a': 1}, "holds no boxes by frame: 'a' is no number of a frame"),
        ({'-1': []}, 'holds no boxes by frame: there is a frame -1'),
        ([3], 'holds no boxes by frame: frame 0 has no list of boxes'),
        ([[[1, 2, 3]]], 'frame 0: boxes must be N x 4'),
        ([[[5, 2, 3, 9]]], 'a.json, frame 0: the box'),
        ([dict(frame_id=0)], 'frame 0 has no "instances" list'),
        ([dict(frame_id=0, instances=[{}])], 'a.json, frame 0: the box'),
        (records(0) + records(3), 'frame 4 has the "frame_id" 3'),
        (dict(instance_info=3), '"instance_info" is no list of frames'),
    ],
)
def test_files_without_boxes_are_one_line(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as info:
        load_boxes(save(tmp_path / 'a.json', content))
    assert '\n' not in str(info.value) and 'a.json' in str(info.value)
    assert len(str(info.value)) < 400


def test_names_of_joints():
    assert joint_names(NAMES) == ['nose', 'hip']
    numbers = {k: f'j{k}' for k in (10, 2, 0, 1, 3, 4, 5, 6, 7, 8, 9)}
    assert joint_names(dict(keypoint_id2name=numbers))[-1] == 'j10'
    assert joint_names(dict(keypoint_names=['a'])) == ['a']
    for meta in (
        {},
        dict(keypoint_names=[3]),
        dict(keypoint_id2name={5: 'a'}),
    ):
        assert joint_names(meta) is None
