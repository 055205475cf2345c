# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Files of boxes as other programs write them.

The person of frame k has the box x 8 + 3k to 30 + 3k, y 15 to 82.
"""

import json

import numpy as np
import pytest

from rpstn_mmpose.structures import VideoHints, load_boxes

POSE = [20.5, 30.25, 0.9] * 17


def box(frame):
    return [8 + 3 * frame, 15, 30 + 3 * frame, 82]


def xywh(frame):
    return [8.0 + 3 * frame, 15.0, 22.0, 67.0]


def save(path, content):
    path.write_text(json.dumps(content))
    return path


def check(people, frames, ids=None, scores=None):
    assert people.frame_ids.tolist() == list(frames)
    expected = [box(frame) for frame in frames]
    np.testing.assert_allclose(people.bboxes, expected, atol=1e-4)
    assert people.track_ids.tolist() == (ids or [-1] * len(people))
    if scores is not None:
        np.testing.assert_allclose(people.bbox_scores, scores)


def alphapose(frames, name='{}.jpg', **others):
    return [
        dict(
            image_id=name.format(frame),
            category_id=1,
            keypoints=POSE,
            score=2.75,
            box=xywh(frame),
            **others,
        )
        for frame in frames
    ]


def test_alphapose_of_a_video(tmp_path):
    """0.jpg is the first frame, also where nobody is in it."""
    path = save(tmp_path / 'a.json', alphapose([1, 2, 4], idx=3))
    hints = VideoHints(num_frames=9)
    check(load_boxes(path, hints), [1, 2, 4], [3] * 3, [2.75] * 3)


def test_alphapose_of_a_folder_without_tracking(tmp_path):
    """Everybody has the id 0 then, in lists where boxes were merged."""
    names = [f'/x/frame_{k:03d}.png' for k in (7, 8, 9)]
    content = [
        dict(item, idx=idx)
        for k, (name, idx) in enumerate(
            zip(('frame_007.png', 'frame_009.png'), ([0.0, 0.0], 0.0))
        )
        for item in alphapose([2 * k], name) * 2
    ]
    path = save(tmp_path / 'a.json', content)
    people = load_boxes(path, VideoHints(names=names, num_frames=3))
    check(people, [0, 0, 2, 2], None, [2.75] * 4)


def coco(first, frames, **others):
    return [
        dict(image_id=first + k, category_id=1, bbox=xywh(k), **others)
        for k in frames
    ]


def test_results_of_coco_from_0_and_from_1(tmp_path):
    """As MMDetection's CocoMetric writes bbox.json."""
    for first, count in ((0, 9), (1, 4)):
        content = coco(first, range(4), score=0.5)
        content += coco(first, [0], score=0.9)
        content[-1]['category_id'] = 3  # a car
        path = save(tmp_path / 'a.json', content)
        people = load_boxes(path, VideoHints(num_frames=count))
        check(people, range(4), None, [0.5] * 4)
    content = coco(1, range(4))
    path = save(tmp_path / 'a.json', content)
    people = load_boxes(path, VideoHints(num_frames=9, first_frame=1))
    check(people, range(4), None, [np.nan] * 4)
    with pytest.raises(ValueError, match='may count from 0 or from 1; say'):
        load_boxes(path, VideoHints(num_frames=9))
    content[0]['category_id'] = 0
    path = save(tmp_path / 'a.json', content)
    people = load_boxes(path, VideoHints(num_frames=4, cat_ids=[0]))
    check(people, [0])


def test_annotations_of_coco(tmp_path):
    """As CVAT exports a video; and CocoVID's with frame_id."""
    images = [
        dict(id=k + 1, width=96, height=72, file_name=f'frame_{k:06d}.PNG')
        for k in range(4)
    ]
    people = [
        dict(id=1, iscrowd=0, instance_id=5, **item)
        for item in coco(1, [1, 3])
    ]
    content = dict(
        images=images,
        annotations=people,
        categories=[dict(id=1, name='Person'), dict(id=2, name='dog')],
    )
    content['annotations'].append(dict(coco(1, [0])[0], category_id=2))
    found = load_boxes(save(tmp_path / 'a.json', content))
    check(found, [1, 3], [5, 5])
    assert found.size == (96, 72) and list(found.frames) == [0, 1, 2, 3]
    for k, image in enumerate(images):
        image.update(frame_id=k, video_id=1, file_name=f'v/{7 * k}.jpg')
    check(load_boxes(save(tmp_path / 'a.json', content)), [1, 3], [5, 5])
    images[0]['width'] = 90
    with pytest.raises(ValueError, match='images are of several sizes'):
        load_boxes(save(tmp_path / 'a.json', content))


def test_results_and_truth_of_mot_challenge(tmp_path):
    path = tmp_path / 'det.txt'
    path.write_text(
        '2,-1,11.0,15.0,22.0,67.0,0.75,-1,-1,-1\n'
        '1,-1,8,15,22,67,0.5,-1,-1,-1\n\n'
    )
    check(load_boxes(path), [0, 1], None, [0.5, 0.75])
    path = tmp_path / 'gt.txt'
    path.write_text(
        '1, 4, 8, 15, 22, 67, 1, 1, 0.86\n'
        '2, 4, 11, 15, 22, 67, 1, 1, 1\n'
        '2, 5, 11, 15, 22, 67, 0, 1, 1\n'  # to be ignored
        '2, 6, 11, 15, 22, 67, 1, 3, 1\n'  # a car
        '3, 6, 11, 15, 22, 67, 1, 3, 1\n'
    )
    people = load_boxes(path)
    check(people, [0, 1], [4, 4], [1, 1])
    assert list(people.frames) == [0, 1, 2]


def test_labels_of_yolo_are_fractions(tmp_path):
    """``yolo predict save_txt``, with ``save_conf`` or ``track``."""
    person, car = '0 0.25 0.5 0.125 0.75', '2 0.5 0.5 0.5 0.5'
    for ending, ids, scores in (
        ('', None, [np.nan] * 2),
        (' 0.875', None, [0.875] * 2),
        (' 3', [3, 3], [np.nan] * 2),
        (' 0.875 3', [3, 3], [0.875] * 2),
    ):
        for k in (1, 3):
            (tmp_path / f'walk_{k}.txt').write_text(
                f'{person}{ending}\n{car}{ending}\n'
            )
        people = load_boxes(tmp_path)
        assert people.size == (1, 1) and people.frame_ids.tolist() == [0, 2]
        # 0.25 - 0.0625 and so on, exact in binary.
        expected = [[0.1875, 0.125, 0.3125, 0.875]] * 2
        np.testing.assert_array_equal(people.bboxes, expected)
        assert people.track_ids.tolist() == (ids or [-1, -1])
        np.testing.assert_array_equal(people.bbox_scores, scores)


def test_numbers_of_frames_that_are_told(tmp_path):
    content = {str(k + 1): [box(k)] for k in range(3)}
    path = save(tmp_path / 'a.json', content)
    check(load_boxes(path, VideoHints(first_frame=1)), range(3))
    content = [
        dict(frame_id=k + 5, instances=[dict(bbox=box(k))]) for k in (0, 2)
    ]
    path = save(tmp_path / 'a.json', content)
    check(load_boxes(path, VideoHints(first_frame=5)), [0, 2])
    with pytest.raises(ValueError, match='frame 5, before the first one'):
        load_boxes(path, VideoHints(first_frame=6))


def test_ids_of_text_and_boxes_without_area(tmp_path):
    people = [
        dict(bbox=box(0), track_id='7'),
        dict(bbox=[5, 5, 5, 9], track_id=8),
        dict(bbox=box(0), track_id=9.0),
        dict(bbox=box(0), track_id=None),
    ]
    content = [dict(frame_id=0, instances=people)]
    path = save(tmp_path / 'a.json', content)
    check(load_boxes(path), [0, 0, 0], [7, 9, -1])
    for odd in ('Ann', 1.5, True, 2**32):
        people[0]['track_id'] = odd
        with pytest.raises(
            ValueError, match=r'a.json .*frame 0.* the id'
        ) as e:
            load_boxes(save(path, content))
        assert '\n' not in str(e.value)


@pytest.mark.parametrize(
    'content, message',
    [
        ([dict(image_id=0, keypoints=POSE)], 'entry 0 has no "bbox"'),
        ([dict(image_id=0, bbox=[1, 2, -3, 4])], 'entry 0: the width and'),
        ([dict(image_id=0, bbox=[1, 2, None, 4])], 'entry 0 has no "bbox"'),
        ([dict(image_id=0, bbox=[1, 2, float('nan'), 4])], 'has no "bbox"'),
        ([dict(image_id=0, bbox=[1, 2, 3, 4], score='x')], 'the score must'),
        ([dict(image_id='a.jpg', bbox=[1, 2, 3, 4])], "'a.jpg' has no number"),
        (
            [dict(image_id=f'{k}/1.jpg', bbox=[1, 2, 3, 4]) for k in 'ab'],
            'two images have the same number',
        ),
        (
            [dict(image_id=0, category_id=k, bbox=[0] * 4) for k in (2, 3)],
            'categories 2, 3 are several, and none is 1',
        ),
        (dict(images=[], annotations=[]), '"images" is no list of images'),
        ({'0': [[1, 2, 3, float('nan')]]}, 'must be finite'),
        ({'0': [[9, 2, 3, 4]]}, 'x1 < x2'),
    ],
)
def test_what_is_no_box_is_one_line(tmp_path, content, message):
    path = save(tmp_path / 'a.json', content)
    with pytest.raises(ValueError, match=message) as info:
        load_boxes(path)
    assert str(info.value).startswith(str(path))
    assert '\n' not in str(info.value) and len(str(info.value)) < 400


@pytest.mark.parametrize(
    'name, text, message',
    [
        ('a.txt', '0 0.5 0.5 0.1 0.2', 'line 1 is not of numbers'),
        ('a.txt', '1,2,3', 'line 1 is no frame, id, left'),
        ('a.txt', '1,-1,3,4,-5,6,1', 'line 1: the width and height are'),
        ('a.txt', '1,-1,3,4,nan,6,1', 'line 1 is not of numbers'),
        ('d/w_1.txt', '0 320 240 50 90', 'w_1.txt, line 1 is no class'),
        ('d/w_1.txt', '0 0.1 0.2', 'w_1.txt, line 1 is no class'),
        ('d/w.txt', '0 0.5 0.5 0.1 0.2', "the image 'w' has no number"),
    ],
)
def test_text_that_is_no_list_of_boxes(tmp_path, name, text, message):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as info:
        load_boxes(path if name.startswith('a') else path.parent)
    assert '\n' not in str(info.value)
