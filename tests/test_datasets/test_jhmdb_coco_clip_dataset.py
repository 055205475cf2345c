# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json
from collections import Counter

import numpy as np
import pytest
from mmpose.datasets import JhmdbDataset

from rpstn_mmpose.datasets import JHMDBCocoClipDataset
from tests.real_data import require_case, require_real_data

SAMPLE = 'mmpose_samples/jhmdb'


def images(video, frames, first_id=0):
    return [
        dict(
            id=first_id + i,
            file_name=f'{video}/{i:05d}.png',
            width=320,
            height=240,
        )
        for i in frames
    ]


def annotation(image, bbox=(11, 21, 30, 40), flag=2):
    points = [[21 + k, 31 + k, flag] for k in range(15)]
    return dict(
        id=image['id'],
        image_id=image['id'],
        bbox=list(bbox),
        keypoints=sum(points, []),
        category_id=1,
    )


def write(tmp_path, content):
    path = tmp_path / 'Sub1_test.json'
    path.write_text(
        content if isinstance(content, str) else json.dumps(content)
    )
    return path


def load(tmp_path, **kwargs):
    return JHMDBCocoClipDataset(
        data_root=str(tmp_path), ann_file='Sub1_test.json', **kwargs
    )


def test_equals_mmposes_data_set_on_its_sample():
    root = require_real_data(SAMPLE)
    theirs = JhmdbDataset(
        data_root=str(root), ann_file='test_jhmdb_sub1.json', test_mode=True
    )
    ours = JHMDBCocoClipDataset(
        data_root=str(root),
        ann_file='test_jhmdb_sub1.json',
        clip_length=1,
        test_mode=True,
    )
    assert len(ours) == len(theirs) == 3
    by_path = {theirs[i]['img_path']: theirs[i] for i in range(3)}
    for i in range(3):
        info = ours.get_data_info(i)
        other = by_path[info['img_path']]
        for key in ('bbox', 'keypoints', 'keypoints_visible', 'bbox_score'):
            np.testing.assert_allclose(info[key], other[key], rtol=1e-6)
    assert (
        ours.metainfo['keypoint_id2name']
        == theirs.metainfo['keypoint_id2name']
    )


def test_videos_and_frames_by_file_name(tmp_path):
    """Out of order, with a gap, an unlabelled frame and odd lengths."""
    first = images('run/b', [4, 1, 2, 3, 7, 6, 9], first_id=100)
    second = images('run/a', range(1, 4), first_id=200)
    content = dict(
        images=first + second,
        annotations=[
            annotation(image)
            for image in first + second
            if image['id'] not in (103, 201)
        ],
    )
    write(tmp_path, content)
    dataset = load(
        tmp_path,
        test_mode=True,
        clip_length=5,
        data_prefix=dict(img='pictures'),
    )
    assert dataset.tracks.video_ids.tolist() == ['run/a', 'run/b']
    count = Counter()
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        for frame, mask in zip(info['frame_ids'], info['frame_mask']):
            count[info['video_id'], frame] += int(mask)
    expected = {('run/b', f): 1 for f in (1, 2, 4, 6, 7, 9)}
    expected.update({('run/a', f): 1 for f in (2, 3)})
    assert {k: v for k, v in count.items() if v} == expected
    info = dataset.get_data_info(1)
    assert info['frame_ids'] == [1, 2, 3, 4, 6]
    assert info['img_paths'][4] == f'{tmp_path}/pictures/run/b/00006.png'
    # The unlabelled frame 3 has its neighbour's box and no joints.
    assert info['bbox'].tolist() == [[10, 20, 40, 60]] * 5
    assert info['keypoints_labeled'].sum(axis=1).tolist() == [
        15,
        15,
        0,
        15,
        15,
    ]
    assert info['keypoints'][0, 1].tolist() == [21, 31]


def test_boxes_end_at_the_border_and_flags_count(tmp_path):
    image = images('run/a', [1])
    label = annotation(image[0], bbox=(-3, 200, 400, 100), flag=1)
    label['keypoints'][5] = 0  # joint 1 is not labelled
    write(tmp_path, dict(images=image, annotations=[label]))
    info = load(tmp_path, clip_length=1).get_data_info(0)
    assert info['bbox'].tolist() == [[0, 199, 319, 239]]
    assert info['keypoints_visible'][0].tolist() == [1, 0] + [1] * 13


def _two(content):
    content['annotations'].append(annotation(content['images'][0]))


def _shape(content):
    content['annotations'][0]['keypoints'].pop()


def _nested(content):
    content['annotations'][0]['bbox'] = [1, [2], 3, 4]


def _name(content):
    content['images'][0]['file_name'] = '00001.png'


def _same_frame(content):
    content['images'].append(dict(content['images'][0], id=77))


def _none(content):
    content['annotations'].clear()


def _no_size(content):
    del content['images'][0]['width']


@pytest.mark.parametrize(
    'change, message',
    [
        (_two, 'image 1 has several annotations'),
        (_shape, 'must have 45 keypoint numbers'),
        (_nested, "'bbox' of the annotation of image 1 must be a list of num"),
        (_name, "'00001.png' must be VIDEO/NUMBER.png"),
        (_same_frame, 'run/a has two images of the same frame'),
        (_none, 'no image is annotated'),
        (_no_size, "the image run/a/00001.png has no 'width' or no 'height'"),
    ],
)
def test_bad_annotations_name_the_file(tmp_path, change, message):
    image = images('run/a', [1])
    content = dict(images=image, annotations=[annotation(image[0])])
    change(content)
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as error:
        load(tmp_path)
    assert str(error.value).startswith(f'{path}: ')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('content', ['', '{"images": [', '[]', '{}', '"x"'])
def test_other_json(tmp_path, content):
    path = write(tmp_path, content)
    with pytest.raises(ValueError) as error:
        load(tmp_path)
    assert str(error.value).startswith(f'{path}: not ')


def test_binary_file(tmp_path):
    path = tmp_path / 'Sub1_test.json'
    path.write_bytes(b'\x89PNG\xff\xfe')
    with pytest.raises(ValueError, match='not a whole JSON') as error:
        load(tmp_path)
    assert str(error.value).startswith(f'{path}: ')


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='no file .*Sub1_test.json'):
        load(tmp_path)


def test_numbers_that_are_no_places_are_counted(tmp_path):
    image = images('run/a', [1, 2])
    labels = [annotation(item) for item in image]
    labels[0]['keypoints'][3:6] = [1e31, 5, 2]
    labels[0]['keypoints'][6:9] = [5, float('nan'), 2]
    labels[1]['keypoints'][0:3] = [None, 70000, 0]
    labels[1]['bbox'] = [1, 2, 1e39, 5]
    write(tmp_path, dict(images=image, annotations=labels))
    dataset = load(tmp_path, clip_length=2)
    assert dataset.repairs == {'NaN joints': 3, 'boxes not finite': 1}
    info = dataset.get_data_info(0)
    assert info['keypoints_labeled'].sum(axis=1).tolist() == [13, 14]
    # The centre of the box, which is 11, 21, 30, 40 in the file.
    assert info['keypoints'][0, 1:3].tolist() == [[25, 40], [25, 40]]
    assert np.isfinite(info['bbox']).all()


def test_backslashes_of_windows(tmp_path):
    image = images('run/a', [1, 2, 3])
    for item in image:
        item['file_name'] = item['file_name'].replace('/', '\\')
    labels = [annotation(item) for item in image]
    write(tmp_path, dict(images=image, annotations=labels))
    info = load(tmp_path, clip_length=3).get_data_info(0)
    assert info['video_id'] == 'run/a'
    assert info['img_paths'] == [
        f'{tmp_path}/run/a/0000{i}.png' for i in (1, 2, 3)
    ]


def test_the_case_of_windows():
    folder = require_case('windows_paths')
    dataset = JHMDBCocoClipDataset(str(folder), 'jhmdb_sub1.json')
    info = dataset.get_data_info(0)
    assert info['video_id'] == 'Walk_1'
    assert info['img_path'] == f'{folder}/Walk_1/00001.png'


def _change(path, value):

    def change(content):
        *first, last = path
        for key in first:
            content = content[key]
        content[last] = value

    return change


@pytest.mark.parametrize(
    'change, message',
    [
        (_change(['images'], 5), "have a list 'images'"),
        (_change(['images', 0], 5), "an image has no 'file_name'"),
        (
            _change(['images', 0, 'id'], [1]),
            "'id' of the image run/a/00001.png",
        ),
        (
            _change(['images', 0, 'width'], {}),
            "'width' of the image run/a/00001",
        ),
        (
            _change(['images', 0, 'file_name'], 'run/' + '9' * 5000 + '.png'),
            'must be VIDEO/NUMBER.png',
        ),
        (
            _change(['annotations'], 5),
            "'annotations' of the file must be a list",
        ),
        (
            _change(['annotations', 0], [1]),
            "entry 0 of 'annotations' must be an",
        ),
        (
            _change(['annotations', 0, 'image_id'], {}),
            "'image_id' of an annotat",
        ),
        (
            _change(['annotations', 0, 'keypoints'], ['a'] * 45),
            "'keypoints' of t",
        ),
        (_change(['images', 1, 'id'], 1), 'two images have the id 1'),
    ],
)
def test_fields_of_another_kind(tmp_path, change, message):
    image = images('run/a', [1, 2])
    content = dict(images=image, annotations=[annotation(image[0])])
    change(content)
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as error:
        load(tmp_path)
    text = str(error.value)
    assert text.startswith(f'{path}: ') and '\n' not in text
