# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import numpy as np
import pytest

from rpstn_mmpose.datasets.posetrack_fields import frame_number
from rpstn_mmpose.datasets.posetrack_label import PersonLabel, parse_posetrack
from rpstn_mmpose.datasets.posetrack_pieces import person_pieces
from tests.test_datasets.posetrack_files import (JOINTS, content, image,
                                                 image_id, person)


def parse(data, **kwargs):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return parse_posetrack(data, 'some.json', joints=JOINTS, **kwargs)


def one(images, annotations, **kwargs):
    video, = parse(content(images, annotations), **kwargs)
    return video


def test_values():
    points = np.zeros((17, 3))
    points[0] = 10, 20, 1
    points[5] = 30, 40, 0  # annotated, not visible
    points[6] = 0, 0, 1
    video = one([image(1, 1), image(1, 0, labeled=False)], [
        person(1, 1, 9, keypoints=points.ravel().tolist(),
               bbox=[-5., 60., 20., 40.])
    ])
    assert video.video_id == '000001_mpii_test'
    assert video.frame_ids == [0, 1]
    assert video.image_ids == [image_id(1, 0), image_id(1, 1)]
    assert video.labelled.tolist() == [False, True]
    label, = video.people[9, 0]
    assert label.row == 1
    assert np.flatnonzero(label.labeled).tolist() == [0, 5, 6]
    assert np.flatnonzero(label.visible).tolist() == [0, 6]
    assert label.keypoints[5].tolist() == [30, 40]
    # inside of 96 x 72 pixels
    assert label.bbox.tolist() == [0, 60, 15, 71]
    assert not +video.repairs


def test_pictures_of_unknown_size_clip_nothing():
    frame = image(1, 0)
    del frame['width']
    video = one([frame], [person(1, 0, 0, bbox=[-5., 60., 20., 40.])])
    assert video.people[0, 0][0].bbox.tolist() == [-5, 60, 15, 100]


@pytest.mark.parametrize('bbox', [
    None, [], [1, 2, 3], [5., 5., 0., 9.], [float('nan'), 1., 2., 3.],
    [200., 5., 30., 30.]
])
def test_boxes_made_from_joints(bbox):
    """Joints at (10, 10) and (30, 50): 0.15 * 20 and 0.15 * 40 of margin."""
    video = one([image(1, 0)], [person(1, 0, 0, bbox=bbox)])
    np.testing.assert_allclose(video.people[0, 0][0].bbox, [7, 4, 33, 56])
    assert video.repairs['boxes missing or empty'] == 1
    video = one([image(1, 0)], [person(1, 0, 0, bbox=bbox)], box_margin=0.)
    assert video.people[0, 0][0].bbox.tolist() == [10, 10, 30, 50]


def test_joints_that_are_not_finite_are_unlabelled():
    points = np.zeros((17, 3))
    points[:3] = [[1, 2, 1], [float('inf'), 3, 1], [4, 5, float('nan')]]
    video = one([image(1, 0)],
                [person(1, 0, 0, keypoints=points.ravel().tolist())])
    label, = video.people[0, 0]
    assert np.flatnonzero(label.labeled).tolist() == [0]
    assert np.isfinite(label.keypoints).all()
    assert video.repairs['joints not finite'] == 2


def test_track_twice_in_a_frame_loses_nobody():
    video = one([image(1, 0), image(1, 1)],
                [person(1, 0, 0), person(1, 1, 0), person(1, 0, 0)])
    assert [len(video.people[0, i]) for i in range(2)] == [2, 1]
    assert video.repairs['tracks twice in a frame'] == 1


def test_joints_are_found_by_name():
    names = ['right_ankle', 'something', *JOINTS[:-1]]
    points = np.arange(3. * len(names)).reshape(-1, 3)
    annotation = person(1, 0, 0, keypoints=points.ravel().tolist())
    video, = parse(content([image(1, 0)], [annotation], joints=names))
    keypoints = video.people[0, 0][0].keypoints
    assert keypoints[-1].tolist() == [0, 1]
    assert keypoints[0].tolist() == [6, 7]


def test_several_sequences_in_a_file():
    data = content([image(2, 0), image(1, 3), image(1, 0)],
                   [person(1, 3, 4), person(2, 0, 5)])
    first, second = parse(data)
    assert first.video_id == '000001_mpii_test' and len(first) == 2
    assert list(first.people) == [(4, 0)] and list(second.people) == [(5, 0)]


def test_frame_numbers():
    assert frame_number('a/000012.jpg', 'p') == 12
    assert frame_number('a/00000001.jpg', 'p') == 1
    assert frame_number('frame_7.png', 'p') == 7
    with pytest.raises(ValueError, match="p: the frame 'a/b.jpg' has no"):
        frame_number('a/b.jpg', 'p')


def torn():
    data = json.dumps(content([image(1, 0)], [person(1, 0, 0)]))
    return data[:len(data) // 2].encode()


def without(item, key):
    return {k: v for k, v in item.items() if k != key}


GOOD = content([image(1, 0)], [person(1, 0, 0)])


@pytest.mark.parametrize('data, message', [
    (torn(), 'not a whole JSON file'),
    (b'', 'not a whole JSON file'),
    (b'\xff\xfe\x00\x01', 'not a whole JSON file'),
    ([], "no list 'images'"),
    (dict(annolist=[]), 'convert that of 2017 first'),
    (dict(GOOD, images=[]), "its list 'images' is empty"),
    (dict(GOOD, images=[without(image(1, 0), 'file_name')]),
     "an image has no 'file_name'"),
    (dict(GOOD, images=[without(image(1, 0), 'id')]),
     "000000.jpg has no 'id'"),
    (dict(GOOD, images=[image(1, 0), image(1, 0)]),
     'two images are frame 0 of 000001_mpii_test'),
    (content([image(1, 0)], [person(1, 5, 0)]),
     'an annotation is of image 10000010005, which is not among'),
    (content([image(1, 0)], [without(person(1, 0, 0), 'image_id')]),
     "an annotation has no 'image_id'"),
    (content([image(1, 0)], [without(person(1, 0, 0), 'track_id')]),
     "has no 'track_id'"),
    (content([image(1, 0)], [person(1, 0, 3, keypoints=[1., 2., 1.])]),
     'track 3 of image 10000010000 has 3 numbers for 17 keypoints'),
    (content([image(1, 0)], [person(1, 0, 3, bbox=['a', 1, 2, 3])]),
     "'bbox' of track 3 of image 10000010000 must be a list of numbers"),
    (content([image(1, 0)], [person(1, 0, 0)], joints=JOINTS[:15]),
     r"do not include \['left_ankle', 'right_ankle'\]"),
    (content([
        image(1, 0, ignore_regions_x=[[1, 2, 3]], ignore_regions_y=[[1, 2]])
    ], []), 'ignore regions of image 10000010000'),
])
def test_bad_files(data, message):
    with pytest.raises(ValueError, match=message) as error:
        parse(data)
    text = str(error.value)
    assert text.startswith('some.json: ') and '\n' not in text


def label(row, box=True):
    keypoints = np.zeros((2, 2))
    keypoints[0] = 50, 60
    bbox = np.array([row, 0., row + 10., 20.]) if box else None
    return PersonLabel(row, bbox, keypoints, np.array([1, 0], bool),
                       np.array([1, 0], bool))


def test_pieces_by_hand():
    labels = [label(2), label(5), label(9)]
    whole, = person_pieces(labels, range(12), max_gap=4)
    assert whole.rows.tolist() == list(range(2, 10))
    assert whole.bbox[:, 0].tolist() == list(range(2, 10))
    assert sorted(whole.labels) == [0, 3, 7]
    first, second = person_pieces(labels, range(12), max_gap=3)
    assert first.rows.tolist() == [2, 3, 4, 5]
    assert second.rows.tolist() == [9] and sorted(second.labels) == [0]


def test_gaps_count_in_frames_not_in_rows():
    labels = [label(0), label(1)]
    assert len(person_pieces(labels, [0, 8], max_gap=8)) == 1
    assert len(person_pieces(labels, [0, 9], max_gap=8)) == 2


def test_held_ends():
    piece, = person_pieces([label(5)], range(20), 3, before=2, after=9)
    assert piece.rows.tolist() == [3, 4, 5, 6, 7, 8]
    assert piece.bbox[:, 0].tolist() == [5] * 6
    assert sorted(piece.labels) == [2]
    piece, = person_pieces([label(18)], range(20), 9, min_rows=5)
    assert piece.rows.tolist() == [15, 16, 17, 18, 19]
    piece, = person_pieces([label(1)], range(3), 9, min_rows=5)
    assert piece.rows.tolist() == [0, 1, 2]
    piece, = person_pieces([label(1)], range(9), 9, min_rows=5)
    assert piece.rows.tolist() == [1, 2, 3, 4, 5]


def test_frames_without_a_box_of_their_own():
    piece, = person_pieces([label(0), label(2, False), label(3)], range(4), 9)
    assert piece.bbox[:, 0].tolist() == [0, 1, 2, 3]
    # nowhere a size: 32 pixels round the joint
    piece, = person_pieces([label(1, False)], range(4), 9)
    assert piece.bbox.tolist() == [[34, 44, 66, 76]]
