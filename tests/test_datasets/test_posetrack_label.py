# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json
import runpy

import numpy as np
import pytest

from rpstn_mmpose.datasets.posetrack_fields import frame_number
from rpstn_mmpose.datasets.posetrack_label import parse_posetrack
from rpstn_mmpose.datasets.posetrack_pieces import person_pieces
from rpstn_mmpose.datasets.posetrack_video import PersonLabel
from tests.real_data import require_case
from tests.test_datasets.posetrack_files import (
    JOINTS,
    content,
    image,
    image_id,
    person,
)


def parse(data, **kwargs):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return parse_posetrack(data, 'some.json', joints=JOINTS, **kwargs)


def one(images, annotations, **kwargs):
    (video,) = parse(content(images, annotations), **kwargs)
    return video


def test_values():
    points = np.zeros((17, 3))
    points[0] = 10, 20, 1
    points[5] = 30, 40, 0  # annotated, not visible
    points[6] = 0, 0, 1
    video = one(
        [image(1, 1), image(1, 0, labeled=False)],
        [
            person(
                1,
                1,
                9,
                keypoints=points.ravel().tolist(),
                bbox=[-5.0, 60.0, 20.0, 40.0],
            )
        ],
    )
    assert video.video_id == '000001_mpii_test'
    assert video.frame_ids == [0, 1]
    assert video.image_ids == [image_id(1, 0), image_id(1, 1)]
    assert video.labelled.tolist() == [False, True]
    (label,) = video.people[9, 0]
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
    video = one([frame], [person(1, 0, 0, bbox=[-5.0, 60.0, 20.0, 40.0])])
    assert video.people[0, 0][0].bbox.tolist() == [-5, 60, 15, 100]


@pytest.mark.parametrize(
    'bbox',
    [
        None,
        [],
        [1, 2, 3],
        [5.0, 5.0, 0.0, 9.0],
        [float('nan'), 1.0, 2.0, 3.0],
        [200.0, 5.0, 30.0, 30.0],
    ],
)
def test_boxes_made_from_joints(bbox):
    """Joints at (10, 10) and (30, 50): 0.15 * 20 and 0.15 * 40 of margin."""
    video = one([image(1, 0)], [person(1, 0, 0, bbox=bbox)])
    np.testing.assert_allclose(video.people[0, 0][0].bbox, [7, 4, 33, 56])
    assert video.repairs['boxes missing or empty'] == 1
    video = one([image(1, 0)], [person(1, 0, 0, bbox=bbox)], box_margin=0.0)
    assert video.people[0, 0][0].bbox.tolist() == [10, 10, 30, 50]


def test_joints_that_are_not_finite_are_unlabelled():
    points = np.zeros((17, 3))
    points[:3] = [[1, 2, 1], [float('inf'), 3, 1], [4, 5, float('nan')]]
    video = one(
        [image(1, 0)], [person(1, 0, 0, keypoints=points.ravel().tolist())]
    )
    (label,) = video.people[0, 0]
    assert np.flatnonzero(label.labeled).tolist() == [0]
    assert np.isfinite(label.keypoints).all()
    assert video.repairs['joints not finite'] == 2


def test_track_twice_in_a_frame_loses_nobody():
    video = one(
        [image(1, 0), image(1, 1)],
        [person(1, 0, 0), person(1, 1, 0), person(1, 0, 0)],
    )
    assert [len(video.people[0, i]) for i in range(2)] == [2, 1]
    assert video.repairs['tracks twice in a frame'] == 1


def test_joints_are_found_by_name():
    names = ['right_ankle', 'something', *JOINTS[:-1]]
    points = np.arange(3.0 * len(names)).reshape(-1, 3)
    annotation = person(1, 0, 0, keypoints=points.ravel().tolist())
    (video,) = parse(content([image(1, 0)], [annotation], joints=names))
    keypoints = video.people[0, 0][0].keypoints
    assert keypoints[-1].tolist() == [0, 1]
    assert keypoints[0].tolist() == [6, 7]


def test_several_sequences_in_a_file():
    data = content(
        [image(2, 0), image(1, 3), image(1, 0)],
        [person(1, 3, 4), person(2, 0, 5)],
    )
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
    return data[: len(data) // 2].encode()


def without(item, key):
    return {k: v for k, v in item.items() if k != key}


GOOD = content([image(1, 0)], [person(1, 0, 0)])


@pytest.mark.parametrize(
    'data, message',
    [
        (torn(), 'not a whole JSON file'),
        (b'', 'not a whole JSON file'),
        (b'\xff\xfe\x00\x01', 'not a whole JSON file'),
        ([], "no list 'images'"),
        (dict(annolist=[]), 'convert that of 2017 first'),
        (dict(GOOD, images=[]), "its list 'images' is empty"),
        (
            dict(GOOD, images=[without(image(1, 0), 'file_name')]),
            "an image has no 'file_name'",
        ),
        (
            dict(GOOD, images=[without(image(1, 0), 'id')]),
            "000000.jpg has no 'id'",
        ),
        (
            dict(GOOD, images=[image(1, 0), image(1, 0)]),
            'two images are frame 0 of 000001_mpii_test',
        ),
        (
            content([image(1, 0)], [person(1, 5, 0)]),
            'an annotation is of image 10000010005, which is not among',
        ),
        (
            content([image(1, 0)], [without(person(1, 0, 0), 'image_id')]),
            "an annotation has no 'image_id'",
        ),
        (
            content([image(1, 0)], [without(person(1, 0, 0), 'track_id')]),
            "has no 'track_id'",
        ),
        (
            content(
                [image(1, 0)], [person(1, 0, 3, keypoints=[1.0, 2.0, 1.0])]
            ),
            'track 3 of image 10000010000 has 3 numbers for 17 keypoints',
        ),
        (
            content([image(1, 0)], [person(1, 0, 3, bbox=['a', 1, 2, 3])]),
            "'bbox' of track 3 of image 10000010000 must be a list of numbers",
        ),
        (
            content([image(1, 0)], [person(1, 0, 0)], joints=JOINTS[:15]),
            r"do not include \['left_ankle', 'right_ankle'\]",
        ),
        (
            content(
                [
                    image(
                        1,
                        0,
                        ignore_regions_x=[[1, 2, 3]],
                        ignore_regions_y=[[1, 2]],
                    )
                ],
                [],
            ),
            'ignore regions of image 10000010000',
        ),
    ],
)
def test_bad_files(data, message):
    with pytest.raises(ValueError, match=message) as error:
        parse(data)
    text = str(error.value)
    assert text.startswith('some.json: ') and '\n' not in text


def label(row, box=True):
    keypoints = np.zeros((2, 2))
    keypoints[0] = 50, 60
    bbox = np.array([row, 0.0, row + 10.0, 20.0]) if box else None
    return PersonLabel(
        row, bbox, keypoints, np.array([1, 0], bool), np.array([1, 0], bool)
    )


def test_pieces_by_hand():
    labels = [label(2), label(5), label(9)]
    (whole,) = person_pieces(labels, range(12), max_gap=4)
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
    (piece,) = person_pieces([label(5)], range(20), 3, before=2, after=9)
    assert piece.rows.tolist() == [3, 4, 5, 6, 7, 8]
    assert piece.bbox[:, 0].tolist() == [5] * 6
    assert sorted(piece.labels) == [2]
    (piece,) = person_pieces([label(18)], range(20), 9, min_rows=5)
    assert piece.rows.tolist() == [15, 16, 17, 18, 19]
    (piece,) = person_pieces([label(1)], range(3), 9, min_rows=5)
    assert piece.rows.tolist() == [0, 1, 2]
    (piece,) = person_pieces([label(1)], range(9), 9, min_rows=5)
    assert piece.rows.tolist() == [1, 2, 3, 4, 5]


def test_frames_without_a_box_of_their_own():
    (piece,) = person_pieces(
        [label(0), label(2, False), label(3)], range(4), 9
    )
    assert piece.bbox[:, 0].tolist() == [0, 1, 2, 3]
    # nowhere a size: 32 pixels round the joint
    (piece,) = person_pieces([label(1, False)], range(4), 9)
    assert piece.bbox.tolist() == [[34, 44, 66, 76]]


def test_flat_and_nested_ignore_regions():
    """PoseTrack21 has images with one flat polygon."""
    triangle = [[0, 1], [5, 1], [5, 9]]
    x, y = [list(column) for column in zip(*triangle)]
    images = [
        image(1, 0, ignore_regions_x=x, ignore_regions_y=y),
        image(1, 1, ignore_regions_x=[x, [], y], ignore_regions_y=[y, [], x]),
        image(1, 2, ignore_regions_x=[], ignore_regions_y=None),
    ]
    regions = one(images, []).ignore_regions
    assert sorted(regions) == [image_id(1, 0), image_id(1, 1)]
    assert [p.tolist() for p in regions[image_id(1, 0)]] == [triangle]
    assert [p.tolist() for p in regions[image_id(1, 1)]] == [
        triangle,
        [[b, a] for a, b in triangle],
    ]


@pytest.mark.parametrize(
    'x, y',
    [
        ([1, 2, 3], [1, 2]),
        ([[1, 2, 3]], [1, 2, 3, 4]),
        ([[1, 2, 3], 4], [[1, 2, 3], 4]),
        ([[1, 2, 3]], None),
        ([1, 2, 1e31], [1, 2, 3]),
        ([[1, 2, float('nan')]], [[1, 2, 3]]),
        ([['a']], [['b']]),
        ([None], [None]),
        (5, 5),
    ],
)
def test_regions_that_are_none(x, y):
    frame = image(1, 0, ignore_regions_x=x, ignore_regions_y=y)
    with pytest.raises(ValueError, match='^some.json: .*image 10000010000'):
        one([frame], [])


@pytest.mark.parametrize('sequences', [1, 2])
def test_backslashes_of_windows(sequences):
    images = [image(i, frame) for i in range(sequences) for frame in (0, 1)]
    for item in images:
        item['file_name'] = item['file_name'].replace('/', '\\')
    videos = parse(content(images, [person(0, 1, 7)]))
    assert [video.video_id for video in videos] == [
        '000000_mpii_test',
        '000001_mpii_test',
    ][:sequences]
    assert videos[0].file_names == [
        f'images/val/000000_mpii_test/00000{i}.jpg' for i in range(2)
    ]
    assert list(videos[0].people) == [(7, 0)]


def test_backslashes_of_the_case():
    path = require_case('windows_paths') / 'posetrack_merged.json'
    videos = parse_posetrack(path.read_bytes(), str(path), ['nose'])
    assert [video.video_id for video in videos] == [
        '000001_toy_val',
        '000002_toy_val',
    ]
    assert videos[1].file_names[2] == 'images/val/000002_toy_val/000002.jpg'


def test_the_case_of_2021():
    path = require_case('posetrack21_truth') / 'gt/000001_toy_val.json'
    (video,) = parse_posetrack(path.read_bytes(), str(path), ['nose'])
    (polygon,) = video.ignore_regions[1000]
    assert polygon.tolist() == [[600, 10], [630, 10], [630, 60], [600, 60]]
    assert len(video) == 4 and not +video.repairs
    nobody = [
        label
        for labels in video.people.values()
        for label in labels
        if not label.labeled.any()
    ]
    assert len(nobody) == 1 and nobody[0].bbox is not None


def test_cases_of_fields(capsys):
    path = require_case('posetrack_label_tracebacks') / 'run.py'
    runpy.run_path(str(path))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 17 and lines[0].split() == ['good', 'read']
    assert not [
        line for line in lines if 'TRACEBACK' in line or 'WITHOUT' in line
    ]


@pytest.mark.parametrize('nframes', [20, 10**12, 2**53 - 1])
def test_nframes_is_believed_near_to_listed_frames(nframes):
    """Frames 3 and 40 are listed, others at most 5 away are added."""
    images = [image(1, i) for i in (3, 40)]
    for item in images:
        item['nframes'] = nframes
    video = one(images, [], frame_pattern='{:06d}.jpg', reach=5)
    expected = [*range(9), *([40] if nframes == 20 else range(35, 46))]
    assert video.frame_ids == expected
    assert video.image_ids.count(-1) == len(expected) - 2
    assert video.file_names[0] == 'images/val/000001_mpii_test/000000.jpg'


@pytest.mark.parametrize(
    'values, message',
    [
        (
            (20, 21),
            "'nframes' is 20 and 21 in one sequence, that of images/val",
        ),
        (('abc', 20), "'nframes' of image 10000010000 must be a whole number"),
        (
            (float('nan'), 20),
            "'nframes' of image 10000010000 must be a whole n",
        ),
        ((1e300, 20), "'nframes' of image 10000010000 must be a whole number"),
    ],
)
def test_nframes_that_contradict(values, message):
    images = [image(1, i) for i in range(2)]
    for item, value in zip(images, values):
        item['nframes'] = value
    assert len(one(images, [])) == 2  # without the option it is not read
    with pytest.raises(ValueError, match=f'^some.json: {message}'):
        one(images, [], frame_pattern='{:06d}.jpg')


def test_joints_and_boxes_that_are_no_places():
    points = np.zeros((17, 3))
    points[:5] = [
        [1, 2, 1],
        [1e31, 3, 1],
        [4, -1e39, 1],
        [70000, 5, 0],
        [6, 7, 1],
    ]
    frame = image(1, 0)
    for size in (True, False):
        if not size:
            del frame['width']
        video = one(
            [frame],
            [
                person(
                    1,
                    0,
                    0,
                    keypoints=points.ravel().tolist(),
                    bbox=[0.0, 0.0, 1e31, 50.0],
                )
            ],
        )
        (label,) = video.people[0, 0]
        assert np.flatnonzero(label.labeled).tolist() == [0, 4]
        assert video.repairs == {
            'joints not finite': 3,
            'boxes missing or empty': 1,
        }
        # 0.15 of 5 x 5 pixels around the two joints
        np.testing.assert_allclose(label.bbox, [0.25, 1.25, 6.75, 7.75])


def test_sizes_by_frame():
    images = [image(1, 0), image(1, 2), without(image(1, 3), 'width')]
    images[1]['width'] = 640
    video = one(images, [], frame_pattern='{:06d}.jpg', reach=1)
    assert video.frame_ids == [0, 1, 2, 3, 4]
    assert video.sizes.tolist() == [
        [96, 72],
        [0, 0],
        [640, 72],
        [0, 0],
        [0, 0],
    ]


def moved(item, name):
    return dict(item, file_name=name)


@pytest.mark.parametrize(
    'images, kwargs, message',
    [
        (
            [image(1, 0), dict(image(1, 1), id=image_id(1, 0))],
            {},
            'two images have the id 10000010000',
        ),
        (
            [image(1, 0), image(2, 1)],
            dict(video_id='000001'),
            'images of 000001 are in the folders '
            'images/val/000001_mpii_test and '
            'images/val/000002_mpii_test',
        ),
        (
            [
                image(1, 0),
                moved(image(1, 1), 'images/x/000001_mpii_test/1.jpg'),
            ],
            {},
            'are in the folders images/val/.* and images/x/',
        ),
        ([moved(image(1, 0), '000000.jpg')], {}, 'is in no folder'),
        ([image(1, 0, labeled='false')], {}, "'is_labeled' .* is 'false'"),
        ([image(1, 0, labeled=[])], {}, "'is_labeled' of image 10000010000"),
        ([dict(image(1, 0), id=-1)], {}, "'id' of the image .* is -1"),
        ([dict(image(1, 0), id='a')], {}, "'id' of .* must be a whole number"),
        (
            [moved(image(1, 0), f'a/{"9" * 16}.jpg')],
            {},
            'has no number in its',
        ),
    ],
)
def test_contradictions(images, kwargs, message):
    with pytest.raises(ValueError, match=message) as error:
        one(images, [], **kwargs)
    text = str(error.value)
    assert text.startswith('some.json: ') and '\n' not in text


@pytest.mark.parametrize(
    'joints, message',
    [
        (['nose', 'nose'], 'must be names of different joints'),
        (['nose', 5], 'must be names of different joints'),
        ('nose', "'keypoints' of a category must be a list"),
    ],
)
def test_bad_names_of_joints(joints, message):
    data = content([image(1, 0)], [])
    data['categories'][0]['keypoints'] = joints
    with pytest.raises(ValueError, match=f'^some.json: .*{message}'):
        parse(data)
