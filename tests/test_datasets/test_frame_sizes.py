# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Frames of another size than the one that was labelled are refused."""

import json

import cv2
import numpy as np
import pytest

from rpstn_mmpose.datasets import (
    CocoTestDevDataset,
    JHMDBClipDataset,
    JHMDBCocoClipDataset,
    PennActionDataset,
    PoseTrackClipDataset,
    VideoClipDataset,
)
from rpstn_mmpose.datasets.transforms import LoadClip, region_decoder
from rpstn_mmpose.structures import VideoPeople
from tests.real_data import require_case, require_real_data
from tests.test_datasets import jhmdb_files, penn_files
from tests.test_datasets.posetrack_files import (
    image,
    person,
    write_posetrack,
    write_sequence,
)

# All files here are of this size.
WIDTH, HEIGHT = 96, 72
LOADERS = dict(
    whole=dict(),
    lazy=dict(lazy=True),
    region=dict(lazy=True, imdecode_backend='nvimgcodec'),
    half=dict(reduce_to=(15, 20)),
    quarter=dict(reduce_to=(7, 10)),
)


def resize(root, size, suffix='*.jpg'):
    """Write the first video's frames again in another size."""
    for path in sorted(root.rglob(suffix)):
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), size))


def refused(load, size, *names):
    """Loading says both sizes and names what differs, in one line."""
    with pytest.raises(ValueError) as error:
        load()
    text = str(error.value)
    assert f'is {size[0]}x{size[1]} pixels' in text
    assert f'is of {WIDTH}x{HEIGHT};' in text and '\n' not in text
    for name in names:
        assert name in text


def penn(root, **kwargs):
    kwargs.setdefault('pipeline', [LoadClip()])
    return PennActionDataset(str(root), 'train', **kwargs)


@pytest.fixture
def penn_video(tmp_path):
    return penn_files.write_penn(tmp_path, lengths=(5,), train=(1,))


@pytest.mark.parametrize('loader', sorted(LOADERS))
def test_every_way_of_loading(penn_video, loader):
    """Half, twice, turned and cut; reduced reading divides 48 and 36."""
    if loader == 'region':
        try:
            region_decoder.load_library()
        except ImportError as error:
            pytest.skip(str(error))
    dataset = penn(penn_video, pipeline=[LoadClip(**LOADERS[loader])])
    results = dataset[0]
    assert results['ori_shape'] == (HEIGHT, WIDTH)
    reduction = dict(half=2, quarter=4).get(loader)
    assert results.get('img_reduction') == reduction
    for size in ((48, 36), (192, 144), (72, 96), (96, 71)):
        resize(penn_video, size)
        refused(
            lambda: dataset[0],
            size,
            'LoadClip: ',
            '0001/000001.jpg',
            'label of video 0001',
        )


def test_a_single_frame_of_another_size(penn_video):
    """The only one of its clip, so that no neighbour shows it."""
    path = penn_video / 'frames/0001/000004.jpg'
    cv2.imwrite(str(path), np.zeros((36, 48, 3), np.uint8))
    dataset = penn(penn_video, clip_length=1)
    assert dataset[2]['ori_shape'] == (HEIGHT, WIDTH)
    refused(lambda: dataset[3], (48, 36), str(path))


def test_mmposes_loader(penn_video):
    """Single images through MMPose's stock pipeline."""
    pipeline = [
        dict(type='LoadImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='TopdownAffine', input_size=(48, 64)),
        dict(type='PackPoseInputs'),
    ]
    dataset = penn(penn_video, pipeline=pipeline, clip_length=1)
    assert dataset[0]['inputs'].shape == (3, 64, 48)
    resize(penn_video, (48, 36))
    refused(lambda: dataset[0], (48, 36), 'PennActionDataset: ', '000001.jpg')


def test_frames_in_memory():
    frames = [np.zeros((4, 6, 3), np.uint8)] * 2
    sizes = np.array([[6, 4], [0, 0]])  # 0: not told
    LoadClip()(dict(img=frames, frame_sizes=sizes))
    with pytest.raises(
        ValueError,
        match='frame 1 is 6x4 pixels, but the label of video v is of 4x6;',
    ):
        sizes[1] = 4, 6
        LoadClip()(dict(img=frames, frame_sizes=sizes, video_id='v'))


@pytest.mark.parametrize('mask', [True, False])
def test_jhmdb(tmp_path, mask):
    """Against the masks; without them the first frame tells the size."""
    jhmdb_files.write_video(tmp_path, 'run', 'a', 6, mask=mask)
    dataset = JHMDBClipDataset(
        str(tmp_path), 'all', clip_length=3, pipeline=[LoadClip()]
    )
    assert dataset[1]['ori_shape'] == (HEIGHT, WIDTH)
    resize(tmp_path, (60, 45), '0000[456].png')
    assert dataset[0]['ori_shape'] == (HEIGHT, WIDTH)
    refused(lambda: dataset[1], (60, 45), '00004.png', 'video run/a')


def jhmdb_coco(root, **size):
    jhmdb_files.write_video(root, 'run', 'a', 3, mask=False)
    images = [
        dict(
            dict(id=i, width=WIDTH, height=HEIGHT),
            **size,
            file_name=f'run/a/{i:05d}.png',
        )
        for i in range(1, 4)
    ]
    people = [
        dict(
            id=i,
            image_id=i,
            bbox=[11, 21, 30, 40],
            category_id=1,
            keypoints=[20 + i, 30, 2] * 15,
        )
        for i in range(1, 4)
    ]
    path = root / 'Sub1_test.json'
    path.write_text(json.dumps(dict(images=images, annotations=people)))
    return JHMDBCocoClipDataset(
        str(root),
        path.name,
        clip_length=3,
        pipeline=[LoadClip()],
        data_prefix=dict(img='Rename_Images'),
    )


def test_jhmdb_in_json(tmp_path):
    dataset = jhmdb_coco(tmp_path)
    assert dataset[0]['ori_shape'] == (HEIGHT, WIDTH)
    resize(tmp_path, (36, 48), '*.png')
    refused(lambda: dataset[0], (36, 48), '00001.png', 'video run/a')


def test_posetrack_frame_by_frame(tmp_path):
    """Frames whose size is not told are taken as they are."""
    write_posetrack(tmp_path, 1, 6, people={0: range(6)}, pictures=True)
    images = [image(1, i) for i in range(6)]
    del images[0]['width'], images[1]['height']
    images[2]['width'] = None
    write_sequence(tmp_path, 1, images, [person(1, i, 0) for i in range(6)])
    dataset = PoseTrackClipDataset(
        str(tmp_path), 'val', clip_length=3, pipeline=[LoadClip()]
    )
    assert dataset[0]['frame_sizes'].tolist() == [[0, 0]] * 3
    assert dataset[1]['frame_sizes'].tolist() == [[96, 72]] * 3
    resize(tmp_path, (64, 48))
    assert dataset[0]['ori_shape'] == (48, 64)
    refused(lambda: dataset[1], (64, 48), '000003.jpg', '000001_mpii_test')


def test_posetracks_detections(tmp_path):
    write_posetrack(tmp_path, 1, 3, people={0: range(3)}, pictures=True)
    path = tmp_path / 'boxes.json'
    path.write_text(
        json.dumps(
            [dict(image_id=image(1, 1)['id'], bbox=[1, 2, 30, 40], score=0.9)]
        )
    )
    dataset = PoseTrackClipDataset(
        str(tmp_path),
        'val',
        clip_length=2,
        pipeline=[LoadClip()],
        bbox_file=str(path),
        test_mode=True,
    )
    assert dataset[0]['ori_shape'] == (HEIGHT, WIDTH)
    resize(tmp_path, (64, 48))
    refused(lambda: dataset[0], (64, 48), '000000.jpg')


def test_people_of_a_video(tmp_path):
    paths = penn_files.write_frames(tmp_path, 'v', 3)
    names = ['nose']
    video = VideoPeople.from_frames(
        {i: [dict(track_id=0, bbox=[1, 2, 30, 40])] for i in range(3)},
        names,
        name='v',
        size=(WIDTH, HEIGHT),
        img_paths=np.array([str(path) for path in paths]),
    )
    meta = dict(
        dataset_name='one',
        paper_info={},
        skeleton_info={},
        joint_weights=[1.0],
        sigmas=[0.1],
        keypoint_info={
            0: dict(name='nose', id=0, color=[0] * 3, type='', swap='')
        },
    )
    dataset = VideoClipDataset(
        video, meta, clip_length=3, pipeline=[LoadClip()]
    )
    assert dataset[0]['ori_shape'] == (HEIGHT, WIDTH)
    resize(tmp_path, (48, 36))
    refused(lambda: dataset[0], (48, 36), '000001.jpg', 'video v/0')


def test_coco_images(tmp_path):
    path = tmp_path / 'info.json'
    path.write_text(
        json.dumps(
            dict(
                images=[
                    dict(id=3, file_name='a.jpg', width=WIDTH, height=HEIGHT)
                ],
                categories=[dict(id=1, name='person')],
            )
        )
    )
    (tmp_path / 'boxes.json').write_text(
        json.dumps(
            [dict(image_id=3, category_id=1, bbox=[1, 2, 30, 40], score=0.5)]
        )
    )
    cv2.imwrite(str(tmp_path / 'a.jpg'), np.zeros((HEIGHT, WIDTH, 3)))
    dataset = CocoTestDevDataset(
        data_root=str(tmp_path),
        ann_file=path.name,
        test_mode=True,
        bbox_file=str(tmp_path / 'boxes.json'),
        data_prefix=dict(img=''),
        pipeline=[dict(type='LoadImage')],
    )
    assert dataset[0]['ori_shape'] == (HEIGHT, WIDTH)
    resize(tmp_path, (48, 36))
    refused(lambda: dataset[0], (48, 36), 'a.jpg', str(path))


@pytest.mark.parametrize('loader', ['whole', 'lazy'])
def test_the_case(loader):
    """96 x 128 pixels by the label, frames of 48 x 64."""
    root = require_case('penn_other_size')
    dataset = PennActionDataset(
        str(root),
        'test',
        clip_length=3,
        pipeline=[LoadClip(**LOADERS[loader])],
    )
    with pytest.raises(
        ValueError,
        match='000001.jpg is 64x48 pixels, but '
        'the label of video 0001 is of 128x96;',
    ):
        dataset[0]


def test_real_frames():
    """The labels of MMPose's samples and of JHMDB fit their frames."""
    root = require_real_data('mmpose_samples')
    for dataset in (
        PoseTrackClipDataset(
            str(root / 'posetrack18'),
            'val',
            test_mode=True,
            clip_length=1,
            pipeline=[LoadClip()],
        ),
        JHMDBCocoClipDataset(
            str(root / 'jhmdb'),
            'test_jhmdb_sub1.json',
            clip_length=1,
            pipeline=[LoadClip(lazy=True)],
        ),
    ):
        sizes = {
            (*dataset[i]['ori_shape'], *dataset[i]['frame_sizes'][0])
            for i in range(len(dataset))
        }
        assert sizes in ({(1080, 1920, 1920, 1080)}, {(240, 320, 320, 240)})


def test_frames_beyond_the_label_are_counted(tmp_path):
    """As after extracting a video at a higher rate."""
    root = penn_files.write_penn(tmp_path / 'penn', (3, 4, 5), (1, 1, 1))
    assert not penn(root).repairs
    penn_files.write_frames(root, '0002', 5)
    penn_files.write_frames(root, '0003', 10)
    assert penn(root).repairs == {'videos with more frames than labels': 2}
    jhmdb_files.write_video(tmp_path / 'j', 'run', 'a', 3)
    jhmdb_files.write(tmp_path / 'j/Rename_Images/run/a/00004.png', b'x')
    dataset = JHMDBClipDataset(str(tmp_path / 'j'), 'all')
    assert dataset.repairs == {'videos with more frames than labels': 1}
