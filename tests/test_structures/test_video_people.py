# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.structures import PeopleError, VideoPeople


def person(track_id, x=0.0, **others):
    return dict(track_id=track_id, bbox=[x, 0, x + 10, 20], **others)


@pytest.fixture
def people():
    """Person 4 in frames 2 and 5, person 1 in 2, somebody in 7; 6 is empty."""
    frames = {7: [person(-1, 50)], 2: [person(4), person(1, 30)], 6: []}
    frames[5] = [person(4, 3)]
    return VideoPeople.from_frames(frames, name='v', size=(64, 32))


def test_rows_are_in_order_of_time(people):
    assert people.frames == [2, 5, 6, 7] and people.num_frames == 4
    assert people.frame_ids.tolist() == [2, 2, 5, 7]
    assert people.track_ids.tolist() == [4, 1, 4, -1]
    assert people.bboxes[:, 0].tolist() == [0, 30, 3, 50]
    assert np.isnan(people.bbox_scores).all()
    assert people.keypoints is None and len(people) == 4


def test_selection(people):
    assert people.at(2).track_ids.tolist() == [4, 1]
    assert len(people.at(6)) == len(people.at(3)) == len(people.at(9)) == 0
    assert people.of(4).frame_ids.tolist() == [2, 5]
    assert people.take([3, 0]).frame_ids.tolist() == [7, 2]
    assert people.of(4).frames == people.frames
    assert people.tracked_ids() == [4, 1]
    boxes = people.boxes_by_frame()
    assert list(boxes) == [2, 5, 6, 7]
    np.testing.assert_array_equal(boxes[5], [[3, 0, 13, 20, 1]])
    assert boxes[6].shape == (0, 5)


def test_nobody():
    people = VideoPeople.from_frames({0: [], 1: []}, ['a'])
    assert len(people) == 0 and people.num_frames == 2
    assert people.bboxes.shape == (0, 4) and people.twice() is None
    assert people.tracked_ids() == [] and len(people.at(0)) == 0
    assert people.boxes_by_frame()[1].shape == (0, 5)


def test_twice_in_a_frame(people):
    assert people.twice() is None
    strangers = VideoPeople.from_frames({0: [person(-1), person(-1)]})
    assert strangers.twice() is None
    both = VideoPeople.from_frames({3: [person(2), person(2, 5)]})
    assert both.twice() == (3, 2)


def test_flags_that_are_not_told_are_those_inside_of_the_picture():
    points = [[0, 0], [63, 31], [63.5, 3], [-1, 3], [None, 3]]
    inside = [True, True, False, False, False]
    people = VideoPeople.from_frames(
        {0: [person(0, keypoints=points)]}, list('abcde'), size=(64, 32)
    )
    assert people.keypoints_visible is None
    assert [flags.tolist() for flags in people.flags()] == [[inside]] * 2
    told = [0, 1, 1, 0, 0]
    frames = {
        0: [person(0, keypoints=points, keypoints_visible=told)],
        1: [person(0, keypoints=points)],
    }
    people = VideoPeople.from_frames(frames, list('abcde'), size=(64, 32))
    expected = [[bool(flag) for flag in told], inside]
    assert people.keypoints_visible.tolist() == expected
    with pytest.raises(PeopleError, match='v: the people have no keypoints'):
        VideoPeople.from_frames({0: [person(0)]}, name='v').flags()


def test_joints_that_the_frame_does_not_show():
    """A file of a model without a memory has no such flags."""
    pose = dict(keypoints=[[1, 2], [3, 4]])
    told = dict(pose, keypoints_hidden=[False, True])
    people = VideoPeople.from_frames({0: [told], 1: [pose]}, ['a', 'b'])
    assert people.keypoints_hidden.tolist() == [[False, True], [False, False]]
    assert people.at(0).keypoints_hidden.tolist() == [[False, True]]
    plain = VideoPeople.from_frames({0: [pose]}, ['a', 'b'])
    assert plain.keypoints_hidden is None
    with pytest.raises(PeopleError, match='as many flags'):
        VideoPeople.from_frames(
            {0: [dict(pose, keypoints_hidden=[True])]}, ['a', 'b']
        )


def test_some_people_have_no_pose():
    frames = {0: [person(0), person(1, keypoints=[[1, 2], [3, 4]])]}
    people = VideoPeople.from_frames(frames)
    assert np.isnan(people.keypoints[0]).all()
    assert people.keypoints[1].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    'item, message',
    [
        (3, 'frame 8: a person is no object'),
        (person('a'), "frame 8: track_id must be a whole number, but is 'a'"),
        (person(True), 'track_id must be a whole number, but is True'),
        (person(0, keypoints=[[1, 2]]), 'person 0: keypoints must be 2 pairs'),
        (person(0, keypoints=[[1], [2]]), 'keypoints must be 2 pairs'),
        (
            person(0, keypoints=[[1, 2]] * 2, keypoints_visible=[1]),
            'keypoints must be 2 pairs of numbers, and as many flags',
        ),
        (person(0, keypoint_scores=[1]), 'must be 2 numbers'),
        (person(0, keypoint_scores=[1, float('nan')]), 'must be 2 numbers'),
    ],
)
def test_people_of_another_form(item, message):
    with pytest.raises(PeopleError, match=message):
        VideoPeople.from_frames({8: [item]}, ['a', 'b'])


@pytest.mark.parametrize(
    'box',
    [None, [], [1, 2, 3], [[1, 2, 3, None]], 'abcd', list('1234'), [[1], 2]],
)
def test_what_is_no_box_is_not_known(box):
    people = VideoPeople.from_frames({0: [dict(bbox=box)]})
    assert np.isnan(people.bboxes).all() and people.track_ids.tolist() == [-1]
