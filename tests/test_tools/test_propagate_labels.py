# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""tools/propagate_labels.py on videos of its own and on a real one."""

import json
from itertools import islice

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from xtcocotools.coco import COCO

from rpstn_mmpose.apis.video_io import open_source
from rpstn_mmpose.datasets import PoseTrackClipDataset
from rpstn_mmpose.datasets.metainfo import resolve_metainfo_file
from rpstn_mmpose.systems.posewarper import propagation, sparse_labels
from rpstn_mmpose.visualization import VideoWriter
from tests.real_data import require_real_data
from tests.test_apis.tiny import write_video
from tests.test_datasets.posetrack_files import JOINTS
from tests.test_systems.test_posewarper.tiny import (
    build,
    dataset,
    image_model,
    pose_warper,
)

from .load_tool import load_tool

tool = load_tool('propagate_labels.py')
META = parse_pose_metainfo(
    dict(
        from_file=resolve_metainfo_file(
            'configs/_base_/datasets/posetrack18.py'
        )
    )
)


def test_options_are_those_of_the_package():
    """The tool writes them down, for a help that imports nothing."""
    assert tool.METHODS == propagation.METHODS
    assert tool.SIDES == propagation.SIDES
    assert (tool.STEP, tool.LIMIT) == (sparse_labels.STEP, sparse_labels.LIMIT)


def model_config():
    """A tiny PoseWarper of PoseTrack's joints."""
    model = pose_warper()
    model['head'] = dict(model['head'], out_channels=17)
    model['warper'] = dict(model['warper'], num_joints=17)
    data = dict(
        dataset('nowhere'),
        type='PoseTrackClipDataset',
        split='val',
        metainfo=dict(from_file='configs/_base_/datasets/posetrack18.py'),
    )
    return Config(
        dict(
            default_scope='mmpose',
            model=model,
            test_dataloader=dict(dataset=data),
        )
    )


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Config and checkpoint; its warper is new, so that labels stay."""
    folder = tmp_path_factory.mktemp('model')
    config = model_config()
    config.dump(folder / 'tiny.py')
    model = build(config.model, trained=False)
    torch.save(dict(state_dict=model.state_dict()), folder / 'tiny.pth')
    return [
        '--config',
        f'{folder}/tiny.py',
        '--checkpoint',
        f'{folder}/tiny.pth',
    ]


def image(number, name, size=(96, 72)):
    return dict(id=number, file_name=name, width=size[0], height=size[1])


def person(image_id, x, track=None, y=10.0, **others):
    """All joints in a box of 30 x 45, on a cross of lines."""
    points = np.zeros((17, 3))
    points[:, 0] = x + 2 + 1.5 * np.arange(17)
    points[:, 1] = y + 2 + 2.5 * np.arange(17)
    points[:, 2] = 2
    points[3:5] = 0
    out = dict(
        id=image_id * 10 + (track or 0),
        image_id=image_id,
        category_id=1,
        bbox=[x, y, 30, 45],
        keypoints=points.ravel().tolist(),
    )
    if track is not None:
        out['track_id'] = track
    return {**out, **others}


def write(path, images, annotations):
    category = dict(id=1, name='person', keypoints=JOINTS)
    content = dict(
        images=images, annotations=annotations, categories=[category]
    )
    path.write_text(json.dumps(content))
    return path


def folder_of_frames(folder, number=9, size=(96, 72)):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(number):
        picture = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f'{i:06d}.jpg'), picture)
    return folder


def run(video, labels, out, files, *others):
    tool.main(
        [
            str(video),
            '--labels',
            str(labels),
            '--out',
            str(out),
            *files,
            *map(str, others),
        ]
    )
    return json.loads(out.read_text())


def points_of(annotation):
    return np.reshape(annotation['keypoints'], (-1, 3))


def two_people(tmp_path, name='walk/{:06d}.jpg'):
    """One in frames 0 and 8, one in 4."""
    images = [image(n + 1, name.format(n)) for n in (0, 4, 8)]
    annotations = [
        person(1, 10.0, track=3),
        person(9, 26.0, track=3),
        person(5, 50.0, track=5),
    ]
    return write(tmp_path / 'labels.json', images, annotations)


def test_a_folder_of_frames(tmp_path, files, capsys):
    video = folder_of_frames(tmp_path / 'walk')
    labels = two_people(tmp_path)
    given = json.loads(labels.read_text())
    content = run(video, labels, tmp_path / 'out.json', files)
    assert '3 labels, 13 carried over, mean score' in capsys.readouterr().out
    assert sorted(i['file_name'] for i in content['images']) == [
        f'walk/{n:06d}.jpg' for n in range(9)
    ]
    numbers = {i['id']: int(i['file_name'][-10:-4]) for i in content['images']}
    found = {
        (a['track_id'], numbers[a['image_id']]): a
        for a in content['annotations']
    }
    assert sorted(found) == [(3, n) for n in range(9)] + [
        (5, n) for n in range(1, 8)
    ]
    for label in given['annotations']:
        same = found[label['track_id'], label['image_id'] - 1]
        assert same['keypoints'] == label['keypoints']
        assert same['bbox'] == label['bbox']
        assert not same['attributes']['propagated']
    # A new warper repeats the label, where its Gaussian is inside the crop.
    middle = found[5, 5]
    assert middle['attributes']['propagated']
    label = points_of(given['annotations'][2])
    flags = points_of(middle)[:, 2]
    assert (flags[3:5] == 0).all() and (flags[5:14] == 2).all()
    error = np.abs(points_of(middle) - label)[5:14, :2]
    assert error.max() < 0.3
    assert min(middle['scores'][5:14]) > 0.8
    assert found[3, 4]['bbox'] == [18.0, 10.0, 30.0, 45.0]


def test_a_coco_tool_and_our_data_set_read_it(tmp_path, files):
    folder_of_frames(tmp_path / 'images/val/walk')
    labels = two_people(tmp_path, 'images/val/walk/{:06d}.jpg')
    out = tmp_path / 'out.json'
    run(tmp_path, labels, out, files, '--sides', 'nearest')
    coco = COCO(str(out))
    assert len(coco.getImgIds()) == 9
    people = coco.loadAnns(coco.getAnnIds(imgIds=[5]))
    assert {a['track_id'] for a in people} == {3, 5}
    assert all(a['area'] == a['bbox'][2] * a['bbox'][3] for a in people)
    clips = PoseTrackClipDataset(
        data_root=str(tmp_path),
        split='val',
        ann_file='out.json',
        clip_offsets=(-1, 0, 1),
        test_mode=True,
    )
    assert len(clips) == 16
    info = clips.get_data_info(4)
    assert info['frame_ids'] == [3, 4, 5]
    assert info['img_paths'][1].endswith('images/val/walk/000004.jpg')


def test_a_dataset_of_two_videos(tmp_path, files):
    """Each in a folder of its own, with frames that the file does not list."""
    for name in ('run', 'walk'):
        folder_of_frames(tmp_path / 'images' / name, number=4)
    images = [
        image(1, 'images/run/000001.jpg'),
        image(2, 'images/walk/000000.jpg'),
    ]
    labels = write(
        tmp_path / 'labels.json',
        images,
        [person(1, 10.0, track=1), person(2, 20.0, track=1)],
    )
    content = run(tmp_path, labels, tmp_path / 'out.json', files)
    assert sorted(i['file_name'] for i in content['images']) == [
        f'images/{name}/{n:06d}.jpg'
        for name in ('run', 'walk')
        for n in range(4)
    ]
    assert len({i['id'] for i in content['images']}) == 8


def test_a_video_file_labelled_by_cvat(tmp_path, files):
    """Names of frames that CVAT makes; the person's number is an attribute;
    two frames of seven."""
    video = write_video(tmp_path / 'walk.mp4', num_frames=7)
    source = open_source(str(video))
    size = next(iter(source)).image.shape[1::-1]
    images = [image(n + 1, f'frame_{n:06d}.PNG', size) for n in (0, 6)]
    attributes = dict(attributes=dict(occluded=False, track_id=4))
    labels = write(
        tmp_path / 'labels.json',
        images,
        [person(1, 10.0, **attributes), person(7, 14.0, **attributes)],
    )
    content = run(video, labels, tmp_path / 'out.json', files)
    assert [i['file_name'] for i in content['images']] == [
        f'frame_{n:06d}.PNG' for n in range(7)
    ]
    assert {a['attributes']['track_id'] for a in content['annotations']} == {4}


def test_without_track_ids(tmp_path, files):
    """One person needs none; of several nobody knows who is who."""
    video = folder_of_frames(tmp_path / 'walk', number=3)
    images = [image(1, '000000.jpg'), image(3, '000002.jpg')]
    labels = write(
        tmp_path / 'one.json', images, [person(1, 10.0), person(3, 12.0)]
    )
    content = run(video, labels, tmp_path / 'out.json', files)
    assert [a['track_id'] for a in content['annotations']] == [0, 0, 0]
    labels = write(
        tmp_path / 'two.json', images, [person(1, 10.0), person(1, 40.0)]
    )
    assert 'several people without track_id' in refused(video, labels, files)


@pytest.mark.parametrize('method', ['interpolate', 'repeat'])
def test_baselines(method, tmp_path, files):
    video = folder_of_frames(tmp_path / 'walk')
    labels = two_people(tmp_path)
    content = run(
        video, labels, tmp_path / 'out.json', files[:2], '--method', method
    )
    middle = next(
        a
        for a in content['annotations']
        if a['track_id'] == 3 and a['bbox'][0] == 14.0  # frame 2
    )
    moved = 4.0 if method == 'interpolate' else 0.0
    assert points_of(middle)[0].tolist() == [12.0 + moved, 12.0, 2]


def test_every_other_label(tmp_path, files, capsys):
    video = folder_of_frames(tmp_path / 'walk')
    images = [image(n + 1, f'{n:06d}.jpg') for n in range(9)]
    labels = write(
        tmp_path / 'labels.json',
        images,
        [person(n + 1, 10.0 + n, track=0) for n in range(9)],
    )
    run(video, labels, tmp_path / 'out.json', files, '--every', 4)
    text = capsys.readouterr().out
    assert '3 labels, 6 carried over' in text
    # Without ears, 15 joints; one pixel of a box of 45 is near enough.
    line = 'walk, {} frames from a label: 100.0 % of {} visible joints as in'
    one, two = line.format(1, 15 * 4), line.format(2, 15 * 2)
    assert one in text and two in text


def test_predictions_as_the_demo_writes_them(tmp_path, files):
    """--format video, which the report page and the scores read."""
    video = folder_of_frames(tmp_path / 'walk')
    labels = two_people(tmp_path)
    content = run(
        video, labels, tmp_path / 'out.json', files, '--format', 'video'
    )
    records = content['instance_info']
    assert [r['frame_id'] for r in records] == list(range(9))
    assert [len(r['instances']) for r in records] == [1] + [2] * 7 + [1]
    assert content['meta_info']['keypoint_id2name']['0'] == 'nose'
    assert not records[0]['instances'][0]['propagated']
    assert records[1]['instances'][0]['propagated']


def test_labels_of_the_demos_form(tmp_path, files):
    """What --format video wrote, read again: every third frame of it."""
    video = folder_of_frames(tmp_path / 'walk')
    labels = two_people(tmp_path)
    first = tmp_path / 'first.json'
    run(video, labels, first, files, '--format', 'video')
    out = tmp_path / 'out.json'
    content = run(video, first, out, files, '--every', 3)
    assert [i['file_name'] for i in content['images']] == [
        f'{n:06d}.jpg' for n in range(9)
    ]
    given = json.loads(labels.read_text())['annotations'][0]
    assert content['annotations'][0]['keypoints'] == given['keypoints']
    assert content['annotations'][0]['track_id'] == 3
    folder_of_frames(tmp_path / 'short', number=3)
    message = refused(tmp_path / 'short', first, files)
    assert 'people in frame 8, but' in message and 'has 3 frames' in message


def test_the_video_tells_labels_and_others_apart(tmp_path, files):
    """Rings in the place of discs: their middle is the frame's own."""
    video = folder_of_frames(tmp_path / 'walk', size=(192, 144))
    images = [image(1, '000000.jpg', (192, 144))]
    labels = write(
        tmp_path / 'labels.json', images, [person(1, 60.0, track=0, y=40.0)]
    )
    seen = {}

    def spy(image, keypoints, meta, visible, shown):
        seen[len(seen)] = bool(visible.all())
        return image

    original, tool.draw_pose = tool.draw_pose, spy
    try:
        run(
            video,
            labels,
            tmp_path / 'out.json',
            files,
            '--out-video',
            tmp_path / 'out.mp4',
        )
    finally:
        tool.draw_pose = original
    assert seen == {0: True, 1: False, 2: False, 3: False}
    source = open_source(str(tmp_path / 'out.mp4'))
    assert len(list(source)) == 9 and source.size == (192, 144)


def test_what_gets_no_label_is_said(tmp_path, files, capsys):
    video = folder_of_frames(tmp_path / 'walk')
    labels = two_people(tmp_path)
    run(video, labels, tmp_path / 'out.json', files, '--limit', 2)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        'walk, person 3: frames 3 to 5 are too far from a label; label one '
        'of them, or raise --limit'
    ]


def refused(video, labels, files, *others):
    out = labels.parent / 'refused.json'
    with pytest.raises(SystemExit) as caught:
        run(video, labels, out, files, *others)
    message = str(caught.value)
    assert caught.value.code not in (0, None) and '\n' not in message
    assert message.startswith('propagate_labels.py: error: ')
    assert not out.exists()
    return message


def test_labels_of_another_video(tmp_path, files):
    video = folder_of_frames(tmp_path / 'walk', number=4)
    labels = two_people(tmp_path)
    message = refused(video, labels, files)
    assert 'walk/000004.jpg is none of the 4 frames of' in message
    images = [image(1, '000000.jpg', (640, 480))]
    labels = write(tmp_path / 'big.json', images, [person(1, 10.0, track=0)])
    message = refused(video, labels, files)
    assert 'are 640x480 pixels, but' in message and 'is 96x72' in message


def test_other_bad_input(tmp_path, files):
    video = folder_of_frames(tmp_path / 'walk')
    labels = two_people(tmp_path)
    assert 'no such file of labels' in refused(
        video, tmp_path / 'no.json', files
    )
    assert 'no such video' in refused(tmp_path / 'no.mp4', labels, files)
    assert '--every must be at least 1' in refused(
        video, labels, files, '--every', 0
    )
    assert 'needs a checkpoint' in refused(video, labels, files[:2])
    assert 'needs none' in refused(video, labels, files, '--method', 'repeat')
    torn = tmp_path / 'torn.json'
    torn.write_text(labels.read_text()[:100])
    assert 'torn.json: not a whole JSON file' in refused(video, torn, files)
    empty = write(tmp_path / 'none.json', [image(1, '000000.jpg')], [])
    assert 'nobody has a labelled joint' in refused(video, empty, files)
    names = json.loads(labels.read_text())
    names['categories'][0]['keypoints'] = [f'j{i}' for i in range(17)]
    other = tmp_path / 'joints.json'
    other.write_text(json.dumps(names))
    assert 'do not include' in refused(video, other, files)


def test_a_checkpoint_of_stage_1(tmp_path, files):
    from mmpose.registry import MODELS

    config = dict(image_model())
    config['head'] = dict(config['head'], out_channels=17)
    image = MODELS.build(config)
    path = tmp_path / 'stage_1.pth'
    torch.save(dict(state_dict=image.state_dict()), path)
    video = folder_of_frames(tmp_path / 'walk')
    message = refused(
        video, two_people(tmp_path), [*files[:2], '--checkpoint', str(path)]
    )
    assert 'stage_1.pth does not belong to the model of' in message
    assert 'warper.' in message


def test_a_recipe_of_another_model(tmp_path, files):
    """An image model and its own checkpoint: no warper."""
    config = model_config()
    parts = {key: config.model[key] for key in ('backbone', 'head')}
    config.model = image_model(**parts)
    config.dump(tmp_path / 'image.py')
    model = build(config.model, trained=False)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'image.pth')
    message = refused(
        folder_of_frames(tmp_path / 'walk'),
        two_people(tmp_path),
        [
            '--config',
            f'{tmp_path}/image.py',
            '--checkpoint',
            f'{tmp_path}/image.pth',
        ],
    )
    assert 'TopdownPoseEstimator does not warp heatmaps' in message


def test_a_real_video_with_labels_of_a_model(tmp_path, files):
    """Two people; frames 0, 7 and 14 labelled by boxes that somebody drew
    and by the tiny model's own poses in them."""
    real = require_real_data('real_clips/mmaction2_demo_skeleton.mp4')
    clip = tmp_path / 'clip.mp4'
    with VideoWriter(clip, 28) as writer:
        for frame in islice(open_source(str(real)), 20):
            picture = cv2.resize(frame.image, None, fx=0.25, fy=0.25)
            writer.write(picture)
    size = picture.shape[1::-1]
    images = [image(n + 1, f'frame_{n:06d}.PNG', size) for n in (0, 7, 14)]
    w, h = size
    annotations = []
    for entry in images:
        for track, x in enumerate((0.30, 0.52)):
            box = [x * w, 0.25 * h, 0.16 * w, 0.6 * h]
            points = np.zeros((17, 3))
            points[:, 0] = np.linspace(box[0] + 5, box[0] + box[2] - 5, 17)
            points[:, 1] = np.linspace(box[1] + 5, box[1] + box[3] - 5, 17)
            points[:, 2] = 2
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=entry['id'],
                    category_id=1,
                    track_id=track,
                    bbox=box,
                    keypoints=points.ravel().tolist(),
                )
            )
    labels = write(tmp_path / 'labels.json', images, annotations)
    out = tmp_path / 'out.json'
    run(clip, labels, out, files, '--out-video', tmp_path / 'out.mp4')
    coco = COCO(str(out))
    assert len(coco.getImgIds()) == 18  # three behind the last label
    assert len(coco.getAnnIds()) == 36
    for annotation in coco.loadAnns(coco.getAnnIds()):
        assert 0 <= min(annotation['scores']) <= max(annotation['scores']) <= 1
    assert len(list(open_source(str(tmp_path / 'out.mp4')))) == 20
