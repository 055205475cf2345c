# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import numpy as np
import pytest

from rpstn_mmpose.datasets.hieve_frames import parse_frames
from rpstn_mmpose.datasets.hieve_label import (
    parse_boxes,
    parse_poses,
    read_hieve_video,
)
from rpstn_mmpose.datasets.hieve_video import (
    HIEVE_ACTIONS,
    HIEVE_JOINTS,
    HIEVE_VIDEOS,
    check_videos,
)
from tests.test_datasets.hieve_files import (
    JOINTS,
    entry,
    point,
    poses,
    rect,
    write_hieve,
    xml,
    xml_object,
)


def parse(content, number=3):
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    return parse_poses(content, 'some/3.json', number)


def one(points, **kwargs):
    """The label of a single person with these points."""
    video = parse(dict(annolist=[entry(0, [rect(0, 1, points, **kwargs)])]))
    (label,) = video.people[1, 0]
    return video, label


def test_numbers_of_the_data_set():
    assert list(HIEVE_JOINTS) == JOINTS
    assert len(HIEVE_ACTIONS) == 14
    assert HIEVE_VIDEOS['val4'] == (3, 7, 8, 17)
    assert HIEVE_VIDEOS['train15'] == (
        *(1, 2, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19),
    )
    assert HIEVE_VIDEOS['test'] == tuple(range(20, 33))


def test_all_kinds_tell_the_same(tmp_path):
    """Numbers by hand: track 1 in frame 2 is at 42, its chest at 47, 20."""
    root = write_hieve(
        tmp_path,
        {3: {2: [1, 0], 0: [0], 5: []}},
        actions={(3, 0, 0): 'fighting', (3, 2, 1): 'riding'},
    )
    videos = {
        kind: read_hieve_video(str(root / 'labels/train'), 3, kind)
        for kind in ('track2&3', 'all-track', 'track1')
    }
    for kind, video in videos.items():
        frames = [0, 2] if kind == 'track1' else [0, 2, 5]
        assert video.video_id == '3' and video.frame_ids == frames
        assert video.image_ids == [3 * 10**6 + frame for frame in frames]
        assert video.file_names[1] == '3/000002.jpg'
        assert sorted(video.people) == [(0, 0), (1, 0)]
        assert [label.row for label in video.people[0, 0]] == [0, 1]
        (label,) = video.people[1, 0]
        assert label.bbox.tolist() == [40, 8, 56, 60]
        joints = [] if kind == 'track1' else [0, 1, 9, 13]
        assert np.flatnonzero(label.labeled).tolist() == joints
        joints = [] if kind == 'track1' else [0, 1, 13]
        assert np.flatnonzero(label.visible).tolist() == joints
        if kind != 'track1':
            assert label.keypoints[[1, 9]].tolist() == [[47, 20], [42, 40]]
        assert not label.keypoints[2].any()
        assert not +video.repairs
        assert [len(frame) for frame in video.by_frame[:2]] == [1, 2]
    assert videos['all-track'].sizes.tolist() == [[96, 72]] * 3
    assert not videos['track2&3'].sizes.any()
    assert videos['all-track'].actions == {0: {'fighting'}, 2: {'riding'}}
    assert videos['track2&3'].actions == {}
    # 3 poses of 4 joints each, of which one is hidden
    assert videos['track2&3'].scores == {1.0: 9, 0.0: 3}


def test_holes_and_odd_orders():
    """Joints by id, whatever the order; -1 and what is left out are not
    annotated; bare numbers, text and lists of one are numbers."""
    video, label = one(
        [
            point(13, 30, 50),
            dict(id=2, x='11', y=21.5),
            point(0, -1, -1),
            point(1, 0, 0, 0),
            point(5, 12, 22, -1),
            point(6, 13, 23, 0),
            point(7, 14, 24, 0.4),
            point(13, 99, 99),
            dict(id=[8], x=[None], y=[1]),
            dict(id=[9], x=[float('nan')], y=[1]),
            dict(id=[10], x=[1e31], y=[1]),
        ]
    )
    assert np.flatnonzero(label.labeled).tolist() == [2, 6, 7, 13]
    assert np.flatnonzero(label.visible).tolist() == [2, 7, 13]
    assert label.keypoints[[13, 2, 6]].tolist() == [
        [30, 50],
        [11, 21.5],
        [13, 23],
    ]
    assert +video.repairs == {
        'joints twice in a person': 1,
        'joints not finite': 3,
    }


@pytest.mark.parametrize(
    'body',
    [[], [dict(point=[])], [{}], None, dict(point=None), dict(point=[])],
    ids=str,
)
def test_people_without_a_pose_have_a_box(body):
    _, label = one([], annopoints=body)
    assert not label.labeled.any()
    assert label.bbox.tolist() == [38, 8, 54, 60]


@pytest.mark.parametrize('side', [None, [5.0], [float('nan')], [1e31]])
def test_boxes_without_area_are_made_from_joints(side):
    """Joints at (10, 10) and (30, 50), with 0.15 of margin."""
    video, label = one([point(0, 10, 10), point(9, 30, 50, 0)], x1=side,
                       x2=[5.0])  # fmt: skip
    np.testing.assert_allclose(label.bbox, [7, 4, 33, 56])
    assert video.repairs['boxes missing or empty'] == 1


def test_nothing_known_of_somebody():
    video = parse(dict(annolist=[entry(0, [rect(0, 1, [], x2=[0.0])])]))
    assert not any(video.people.values())
    assert video.repairs['annotations without box and joints'] == 1


def test_track_twice_in_a_frame_loses_nobody():
    video = parse(poses({0: [4, 4], 1: [4]}))
    assert [len(video.people[4, i]) for i in range(2)] == [2, 1]
    assert video.repairs['tracks twice in a frame'] == 1


def test_ignore_regions():
    corners = [dict(x=[0], y=[1]), dict(x=[5], y=[1]), dict(x=5, y=9)]
    item = entry(0, [])
    item['ignore_regions'] = [dict(point=corners), dict(x1=[3]), 'here']
    video = parse(dict(annolist=[item]))
    (polygon,) = video.ignore_regions[3000000]
    assert polygon.tolist() == [[0, 1], [5, 1], [5, 9]]
    assert video.repairs['ignore regions of another form'] == 2


def good():
    return dict(annolist=[entry(0, [rect(0, 1)])])


def changed(**kwargs):
    return dict(annolist=[{**entry(0, [rect(0, 1)]), **kwargs}])


@pytest.mark.parametrize(
    'content, message',
    [
        (json.dumps(good())[:90].encode(), 'not a whole JSON file'),
        (b'', 'not a whole JSON file'),
        ([], "no list 'annolist'"),
        (dict(images=[]), "no list 'annolist'"),
        (changed(image=[]), "an entry's 'image' must have a 'name'"),
        (changed(image=[dict(name='x.jpg')]), 'has no number in its name'),
        (dict(annolist=good()['annolist'] * 2), 'two entries are of frame 0'),
        (changed(annorect=[5]), 'a person of frame 0 must be an object'),
        (
            changed(annorect=[rect(0, 1, track_id=None)]),
            "'track_id' of a person of frame 0 must be a whole number",
        ),
        (
            changed(annorect=[rect(0, 1, [point(14, 1, 1)])]),
            'track 1 of frame 0 has a joint 14; joints are 0 to 13',
        ),
        (
            changed(annorect=[rect(0, 1, [point(3, 'a', 1)])]),
            'joint 3 of track 1 of frame 0 must be a list of numbers',
        ),
        (
            changed(annorect=[rect(0, 1, x1=['left'])]),
            'the box of track 1 of frame 0 must be a list of numbers',
        ),
    ],
)
def test_bad_files_of_poses(content, message):
    with pytest.raises(ValueError, match=message) as error:
        parse(content)
    text = str(error.value)
    assert text.startswith('some/3.json: ') and '\n' not in text


def frames(*contents, number=3):
    files = {f'f/{i:06d}.xml': text for i, text in enumerate(contents)}
    return parse_frames(
        {
            p: t if isinstance(t, bytes) else t.encode()
            for p, t in files.items()
        },
        number,
    )


def test_frames_in_json():
    """What a frame's file is in JSON, whatever the file is called."""
    item = dict(
        name='P-7',
        action=11,
        bndbox={
            'xmin': '5', 'ymin': 6, 'xmax': '40', 'ymax': 50.0,
            'Nose': '10,11,0', 'Left-ankle': [20, 30, 1],
            'Chest': '-1,-1,-1', 'Hat': '1,2,3',
        },
    )  # fmt: skip
    size = dict(width='96', height=72, depth=3)
    for content in (
        dict(annotation=dict(size=size, object=[item])),
        dict(size=size, object=item),
    ):
        video = frames(json.dumps(content))
        (label,) = video.people[7, 0]
        assert label.bbox.tolist() == [5, 6, 40, 50]
        assert np.flatnonzero(label.labeled).tolist() == [0, 13]
        assert np.flatnonzero(label.visible).tolist() == [0]
        assert video.actions == {0: {'fighting'}}
        assert video.sizes.tolist() == [[96, 72]]
        assert +video.repairs == {'entries of no joint': 1}


def test_boxes_end_at_the_picture():
    text = xml(0, [xml_object(0, 1)]).replace('>54.0<', '>500<')
    (label,) = frames(text).people[1, 0]
    assert label.bbox.tolist() == [38, 8, 95, 60]


def test_actions_by_name_and_number():
    given = ['Fall Over', 'crouching_bowing', '1', '0', '', '15', 'dancing']
    text = xml(0, [xml_object(0, i, a) for i, a in enumerate(given)])
    video = frames(text, xml(1, [xml_object(1, 0)]))
    assert video.actions == {
        0: {'fall-over', 'crouching-bowing', 'walking-alone'}
    }
    assert video.repairs['actions of other names'] == 2


@pytest.mark.parametrize(
    'text, message',
    [
        (xml(0, [xml_object(0, 1)])[:-9], 'not a whole XML file'),
        ('<a>\x00</a>', 'not a whole XML file'),
        ('{"a": ', 'not a whole JSON file'),
        ('[]', "no 'annotation' with objects"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a/>', 'a DOCTYPE is not read'),
        (
            xml(0, ['<object><name>nobody</name></object>']),
            "'name' must end with the person's number",
        ),
        (xml(0, ['<object><name>P-4</name></object>']), "4 has no 'bndbox'"),
        (
            xml(0, [xml_object(0, 1).replace('Nose>45,12,0', 'Nose>45,12')]),
            "'Nose' of track 1 must be x, y and a flag",
        ),
        (
            xml(0, [xml_object(0, 1).replace('Nose>45,12,0', 'Nose>1,2,7')]),
            "'Nose' of track 1 must be x, y and a flag",
        ),
        (
            xml(0, []).replace('>96<', '>wide<'),
            "'width' of size must be a whole number",
        ),
    ],
)
def test_bad_files_of_frames(text, message):
    with pytest.raises(ValueError, match=message) as error:
        frames(text)
    found = str(error.value)
    assert found.startswith('f/000000.xml: ') and '\n' not in found


def test_boxes_of_track1():
    text = """
4,7,10,20,30,40,1,-1,-1,-1
0, 7, 10.5, 20, 30, 40, 0.9
0,8,1,2,3,4,0,-1,-1,-1
0 9 5 5 0 9
"""
    video = parse_boxes(text.encode(), '3.txt', 3)
    assert video.frame_ids == [0, 4]
    first, second = video.people[7, 0]
    assert first.bbox.tolist() == [10.5, 20, 40.5, 60]
    assert second.row == 1 and not second.labeled.any()
    assert video.ignore_regions[3000000][0].tolist() == [
        [1, 2],
        [4, 2],
        [4, 6],
        [1, 6],
    ]
    assert list(video.people) == [(7, 0)]
    assert +video.repairs == {'annotations without box and joints': 1}
    moved = parse_boxes(b'5,7,1,2,3,4', '3.txt', 3, first_frame=1)
    assert moved.frame_ids == [4] and moved.file_names == ['3/000004.jpg']


@pytest.mark.parametrize(
    'line',
    ['1,2,3', 'a,b,c,d,e,f', '1.5,2,3,4,5,6', '0,1,2,3,4,5', 'inf,1,2,3,4,5'],
)
def test_bad_lines_of_track1(line):
    text = f'3,1,2,3,4,5\n{line}\n'.encode()
    with pytest.raises(ValueError, match='^3.txt: line 2 must be') as error:
        parse_boxes(text, '3.txt', 3, first_frame=1)
    assert '\n' not in str(error.value)
    with pytest.raises(ValueError, match='^3.txt: not a text file'):
        parse_boxes(b'\xff\xfe\x00', '3.txt', 3)


@pytest.mark.parametrize('kind', ['track2&3', 'all-track', 'track1'])
def test_videos_without_labels(tmp_path, kind):
    root = write_hieve(tmp_path, {3: {0: [0]}})
    with pytest.raises(
        FileNotFoundError, match='no labels of video 4 in'
    ) as e:
        read_hieve_video(str(root / 'labels/train'), 4, kind)
    assert '\n' not in str(e.value) and kind in str(e.value)


@pytest.mark.parametrize('videos', [[], [3, 3], [33], [0], ['3']])
def test_videos_that_there_are_not(videos):
    with pytest.raises(ValueError, match='^HiEve: .*video'):
        check_videos(videos, 'HiEve')
    assert check_videos([3, 32], 'HiEve') == (3, 32)
