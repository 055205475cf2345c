# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import argparse
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from rpstn_mmpose.apis.tracking import track_boxes
from rpstn_mmpose.evaluation.masked_joints import masked_table, score_masked
from rpstn_mmpose.structures import VideoPeople, load_boxes
from tests.test_visualization.test_video_prediction import small_config
from tests.test_visualization.videos import (
    ShiftModel,
    build_dataset,
    truth,
    write_videos,
)

from .load_tool import load_tool

report = load_tool('analysis_tools/occlusion_report.py')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Data, a config and two checkpoints of its model."""
    from mmengine.registry import init_default_scope
    from mmpose.registry import MODELS

    init_default_scope('mmpose')
    folder = tmp_path_factory.mktemp('all')
    write_videos(folder / 'data', {'0001': 8, '0002': 4})
    config = small_config(folder / 'data')
    config.dump(str(folder / 'config.py'))
    for name in 'ab':
        state = MODELS.build(config.model).state_dict()
        torch.save(dict(state_dict=state), str(folder / f'{name}.pth'))
    return folder


@pytest.fixture(scope='module')
def crowd(tmp_path_factory):
    """A video of two people, 6 frames, and its truth."""
    from rpstn_mmpose.synthetic.generate_crowd import write_crossing_video

    path = tmp_path_factory.mktemp('crowd') / 'crowd.mp4'
    write_crossing_video(
        path, num_frames=6, image_size=(96, 72), num_people=2, progress=False
    )
    return path


def people_of(truth_path):
    """(track_id, frame, person) of a truth, and the names of its joints."""
    data = json.loads(truth_path.read_text())
    return [
        (person['track_id'], record['frame_id'], person)
        for record in data['instance_info']
        for person in record['instances']
    ], data['meta_info']['keypoint_names']


def change(truth_path, out, edit):
    data = json.loads(truth_path.read_text())
    data = edit(data) or data
    out.write_text(json.dumps(data))
    return out


def run(folder, *args):
    report.main(
        [
            str(folder / 'config.py'),
            str(folder / 'a.pth'),
            '--device',
            'cpu',
            *map(str, args),
        ]
    )


def test_scores_by_hand(tmp_path):
    """A model that is 30 pixels off at the left ankle, joint 11, and right
    elsewhere; 4 frames, the wrists hidden from frame 3 on."""
    from rpstn_mmpose.datasets.transforms import MaskRandomJoints
    from rpstn_mmpose.visualization import predict_videos

    write_videos(tmp_path, {'0001': 4})
    dataset = build_dataset(tmp_path, clip_length=2)
    poses = predict_videos(ShiftModel(off=[11]), dataset)
    masks = report.masks_of(dataset, MaskRandomJoints(prob=1), ['0001'])
    assert sorted(masks['0001']) == [1, 2, 3, 4]
    # all visible joints: 4 x 11, and the wrists of two frames
    total = sum(int(mask.sum()) for mask in masks['0001'].values())
    assert total == 4 * 11 + 2 * 2
    # once more with the left ankle of frame 2 and the head of frame 4 alone
    for frame, mask in masks['0001'].items():
        mask[:] = False
        mask[11] = frame == 2
        mask[0] = frame == 4
    out = score_masked(poses, masks, 0.2, 'person')
    assert out['masked']['scores']['Head'] == 100
    assert out['masked']['scores']['Ank.'] == 0
    assert out['masked']['scores']['Mean'] == 50
    assert np.isnan(out['masked']['scores']['Knee'])
    assert sum(out['masked']['total'].values()) == 2
    assert out['visible']['total']['left_ankle'] == 3
    assert out['visible']['correct']['left_ankle'] == 0
    assert out['occluded']['total']['left_wrist'] == 2
    assert out['occluded']['scores']['Mean'] == 100
    table = masked_table(dict(x=out), 'masked').splitlines()
    cells = [cell.strip() for cell in table[2].split('|')[1:-1]]
    assert cells == [
        'x',
        '100.0',
        '-',
        '-',
        '-',
        '-',
        '-',
        '0.0',
        '50.0',
        f'{100 * 12 / 13:.1f}',
        '100.0',
    ]
    cells = [cell.strip() for cell in table[3].split('|')[1:-1]]
    assert cells == [
        'joints counted',
        '1',
        '0',
        '0',
        '0',
        '0',
        '0',
        '1',
        '2',
        '46',
        '4',
    ]
    assert truth(4).shape == (4, 13, 2)


def test_models_see_masked_pictures(folder):
    """Frames have one grey level; what differs from it is a patch."""
    from mmpose.registry import DATASETS

    mask = dict(type='MaskRandomJoints', prob=1, color=(10, 200, 10))
    config = report.with_masks(str(folder / 'config.py'), mask)
    assert [s['type'] for s in config.test_dataloader.dataset.pipeline][
        1
    ] == 'MaskRandomJoints'
    data = DATASETS.build(config.test_dataloader.dataset)[0]
    green = (data['inputs'][1] > 150) & (data['inputs'][0] < 60)
    assert green.sum() > 20
    visible = data['data_samples'].gt_instances.keypoints_visible
    assert not np.asarray(visible).any()


def test_two_models(folder, tmp_path, capsys):
    out, sheet = tmp_path / 'a.json', tmp_path / 'a.png'
    run(
        folder,
        '--second',
        folder / 'config.py',
        folder / 'b.pth',
        '--labels',
        'A',
        'B',
        '--out',
        out,
        '--sheet',
        sheet,
        '--num-joints',
        3,
    )
    data = json.loads(out.read_text())
    assert list(data['models']) == ['A', 'B'] and data['videos'] == 2
    assert data['mask']['num_joints'] == 3
    totals = [m['masked']['total'] for m in data['models'].values()]
    assert totals[0] == totals[1] and 0 < sum(totals[0].values()) <= 3 * 12
    picture = cv2.imread(str(sheet))
    # three rows of 300 with a line of text each, and the legend
    assert picture.shape[0] == 3 * 334 + 34
    # patches are of the mask's colour, in all three rows
    patch = (np.abs(picture.astype(int) - (104, 116, 124)) < 2).all(axis=2)
    assert all(patch[i * 334 : i * 334 + 334].sum() > 100 for i in range(3))
    assert '| joints counted' in capsys.readouterr().out


def test_same_masks_again(folder, tmp_path):
    for name in ('a', 'b'):
        run(
            folder,
            '--out',
            tmp_path / f'{name}.json',
            '--prob',
            0.4,
            '--videos',
            1,
        )
    a, b = ((tmp_path / f'{name}.json').read_text() for name in ('a', 'b'))
    assert a == b
    run(
        folder,
        '--out',
        tmp_path / 'c.json',
        '--prob',
        0.4,
        '--seed',
        5,
        '--videos',
        1,
    )
    assert (
        json.loads((tmp_path / 'c.json').read_text())['models']
        != (json.loads(a)['models'])
    )


@pytest.mark.parametrize(
    'args, message',
    [
        (['--prob', '2'], 'prob must be above 0 and at most 1'),
        (['--num-joints', '0'], 'num_joints must be at least 1'),
        (['--data-root', 'nowhere'], "no folder 'nowhere/labels'"),
        (['--second', 'x.py', 'x.pth'], 'x.py: no such config file'),
        (['--sheet', 'a.txt'], 'a.txt: the name must end in .png'),
        (['--videos', '0'], 'number of videos must be at least 1'),
    ],
)
def test_bad_input_is_one_line(folder, tmp_path, args, message):
    with pytest.raises(SystemExit, match=message) as info:
        run(folder, '--out', tmp_path / 'a.json', *args)
    assert str(info.value.code).startswith('occlusion_report: ')
    assert '\n' not in str(info.value.code)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    'args, message',
    [
        (['--labels', 'a', 'b'], '1 models but 2 --labels'),
        (
            ['--second', 'config.py', 'b.pth'],
            'have the same name; give --labels',
        ),
        (['--prob', '0.1', '--num-joints', '2'], 'not allowed with'),
    ],
)
def test_usage_errors(folder, args, message, capsys):
    with pytest.raises(SystemExit) as info:
        run(folder, *args)
    assert info.value.code == 2
    assert message in capsys.readouterr().err


def test_video_counts_the_joints_of_its_truth(folder, crowd, tmp_path):
    """Everybody's visible joints, all hidden; PCK needs a torso's length."""
    out, sheet = tmp_path / 'a.json', tmp_path / 'a.png'
    truth_path = crowd.with_suffix('.json')
    run(
        folder,
        '--video',
        crowd,
        '--truth',
        truth_path,
        '--prob',
        1,
        '--out',
        out,
        '--sheet',
        sheet,
        '--norm',
        'person',
    )
    people, names = people_of(truth_path)
    data = json.loads(out.read_text())
    assert data['people'] == len({key for key, *_ in people}) == 2
    assert data['video'] == 'crowd' and data['reference'] == 'truth'
    assert 'videos' not in data
    result = data['models']['config']
    visible = np.array([p['keypoints_visible'] for *_, p in people])
    labeled = np.array([p['keypoints_labeled'] for *_, p in people])
    assert result['masked']['total'] == dict(
        zip(names, visible.sum(axis=0).tolist())
    )
    assert result['occluded']['total'] == dict(
        zip(names, (labeled & ~visible & 1).sum(axis=0).tolist())
    )
    assert sum(result['visible']['total'].values()) == 0
    assert cv2.imread(str(sheet)).shape[0] == 2 * 334 + 34


def test_video_scores_of_known_predictions(
    folder, crowd, tmp_path, monkeypatch
):
    """The truth, read here from its file, with both ankles 50 pixels off."""
    people, names = people_of(crowd.with_suffix('.json'))
    poses = {
        (f'crowd/{key}', frame): person['keypoints']
        for key, frame, person in people
    }
    predict = report.predict_videos

    def known(*args, **kwargs):
        found = {}
        for key, item in predict(*args, **kwargs).items():
            points = np.array([poses[key, int(f)] for f in item.frame_ids])
            points[
                :, [names.index('left_ankle'), names.index('right_ankle')]
            ] += 50
            found[key] = replace(item, keypoints=points)
        assert sum(map(len, found.values())) == len(poses)
        return found

    monkeypatch.setattr(report, 'predict_videos', known)
    out = tmp_path / 'a.json'
    run(
        folder,
        '--video',
        crowd,
        '--truth',
        crowd.with_suffix('.json'),
        '--prob',
        0.6,
        '--out',
        out,
    )
    scores = json.loads(out.read_text())['models']['config']['masked'][
        'scores'
    ]
    assert scores['Ank.'] == 0
    assert {scores[key] for key in ('Head', 'Sho.', 'Elb.', 'Knee')} == {100}


def test_frames_are_those_of_the_video(crowd, tmp_path):
    args = argparse.Namespace(
        video=str(crowd),
        truth=str(crowd.with_suffix('.json')),
        boxes=None,
        out=None,
    )
    video = report.load_video(args, str(tmp_path))
    assert video.size == (96, 72) and not video.damaged
    shown = {frame for _, frame, _ in people_of(crowd.with_suffix('.json'))[0]}
    paths = dict(zip(video.frame_ids.tolist(), video.img_paths))
    assert set(paths) == shown
    assert len(list(tmp_path.iterdir())) == len(shown) < 6
    capture = cv2.VideoCapture(str(crowd))
    for frame in range(6):
        # another reader, which may round colours differently
        image = capture.read()[1].astype(int)
        if frame in shown:
            assert np.abs(image - cv2.imread(paths[frame])).mean() < 3
    assert not capture.read()[0]


def test_two_models_are_compared_with_themselves(
    folder, crowd, tmp_path, monkeypatch, capsys
):
    """A model that loses both ankles under patches, and one that stands 40
    pixels off but is steady. Only its own reference gives it 100."""
    predict, calls = report.predict_videos, []
    pose = truth(1)[0] - [20, 0]

    def known(model, data, *args, **kwargs):
        masked = [type(step).__name__ for step in data.pipeline.transforms]
        masked = 'MaskRandomJoints' in masked
        found = predict(model, data, *args, **kwargs)
        points = pose + [10, 5] + (40 if len(calls) > 1 else 0)
        if masked and len(calls) == 1:
            points[[11, 12]] += 60
        calls.append(masked)
        return {
            key: replace(item, keypoints=np.tile(points, (len(item), 1, 1)))
            for key, item in found.items()
        }

    monkeypatch.setattr(report, 'predict_videos', known)
    out = tmp_path / 'a.json'
    run(
        folder,
        '--second',
        folder / 'config.py',
        folder / 'b.pth',
        '--labels',
        'A',
        'B',
        '--video',
        crowd,
        '--boxes',
        crowd.with_suffix('.json'),
        '--prob',
        0.5,
        '--out',
        out,
    )
    assert calls == [False, True, False, True]
    data = json.loads(out.read_text())
    assert data['reference'] == 'the model itself without patches'
    a, b = (data['models'][key]['masked'] for key in 'AB')
    assert a['scores']['Ank.'] == 0 and a['scores']['Knee'] == 100
    assert set(b['scores'].values()) == {100}
    assert a['total'] == b['total'] and sum(a['total'].values()) > 20
    text = capsys.readouterr().out
    assert 'agreement with itself without patches' in text
    assert 'PCK' not in text


@pytest.mark.parametrize(
    'wrap',
    [
        lambda boxes: boxes,
        lambda boxes: dict(enumerate(boxes)),
        lambda boxes: dict(
            meta_info=dict(keypoint_names=['head']),
            instance_info=[
                dict(frame_id=f, instances=[dict(bbox=[box]) for box in found])
                for f, found in enumerate(boxes)
            ],
        ),
    ],
)
def test_boxes_without_ids_are_tracked(tmp_path, wrap):
    """One stands, one walks; they are listed the other way round in odd
    frames."""
    stands = [[10, 10, 30, 60] for _ in range(6)]
    walks = [[50 + 2 * frame, 10, 70 + 2 * frame, 60] for frame in range(6)]
    boxes = [
        [a, b][:: -1 if frame % 2 else 1]
        for frame, (a, b) in enumerate(zip(stands, walks))
    ]
    path = tmp_path / 'boxes.json'
    path.write_text(json.dumps(wrap(boxes)))
    found = track_boxes(load_boxes(path))
    assert found.frames == list(range(6))
    tracks = [found.of(person) for person in found.tracked_ids()]
    assert [track.frame_ids.tolist() for track in tracks] == [
        list(range(6))
    ] * 2
    assert sorted(track.bboxes.tolist() for track in tracks) == [stands, walks]


def test_windows_are_those_of_the_config(crowd, tmp_path):
    """Of a clip model; and of an image model, single frames."""
    from mmpose.registry import DATASETS

    from rpstn_mmpose.recipes import config_path

    args = argparse.Namespace(
        video=str(crowd),
        truth=str(crowd.with_suffix('.json')),
        boxes=None,
        out=None,
    )
    video = report.load_video(args, str(tmp_path))
    mask = dict(type='MaskRandomJoints', prob=1)
    path = config_path('rpstn_res18_1xb8-100e_penn-256x256')
    cfg = report.with_video(report.with_masks(str(path), mask), video)
    data = DATASETS.build(cfg.test_dataloader.dataset)
    assert data[0]['inputs'].shape == (5, 3, 256, 256)
    cfg = report.with_masks(str(path), mask)
    cfg.test_dataloader.dataset.type = 'CocoDataset'
    cfg = report.with_video(cfg, video)
    assert cfg.test_dataloader.dataset.clip_length == 1
    assert 'coco' in cfg.test_dataloader.dataset.metainfo['from_file']
    with pytest.raises(ValueError, match='has no joint nose, left_eye'):
        DATASETS.build(cfg.test_dataloader.dataset)


def test_a_damaged_frame_has_no_prediction():
    """With the model itself as reference: frame 1 of three is damaged."""
    person = dict(track_id=4, bbox=[1, 2, 30, 40])
    video = VideoPeople.from_frames(
        {f: [person] for f in range(3)}, name='v', size=(96, 72), damaged=[1]
    )
    points = np.arange(8.0).reshape(2, 2, 2)
    poses = VideoPeople(
        np.array([0, 2]),
        np.full(2, 4),
        np.zeros((2, 4)),
        keypoints=points,
        joints=['a', 'b'],
    )
    video = report.with_poses(video, {'v/4': poses})
    assert video.joints == ['a', 'b']
    assert np.isnan(video.keypoints[1]).all()
    for row, frame in enumerate((0, 2)):
        np.testing.assert_array_equal(video.keypoints[frame], points[row])


def build_video(frames, joints, **kwargs):
    from rpstn_mmpose.datasets import VideoClipDataset

    video = VideoPeople.from_frames(
        frames, joints, name='v', size=(96, 72), **kwargs
    )
    paths = np.array([f'{i}.png' for i in range(6)])
    video = replace(video, img_paths=paths[video.frame_ids])
    return VideoClipDataset(
        video,
        metainfo=dict(from_file='configs/_base_/datasets/penn_action.py'),
        clip_length=2,
        test_mode=True,
    )


def test_tracks_of_a_video(crowd):
    """Cut where a person is away; joints by name; damaged frames unwanted;
    joints outside of the picture unlabelled."""
    names = people_of(crowd.with_suffix('.json'))[1]
    joints = ['tail', *reversed(names)]
    points = [[float(i), 10.0 * i] for i in range(14)]  # head: [13, 130]
    person = dict(track_id=7, bbox=[[1, 2, 30, 40]], keypoints=points)
    data = build_video(
        {f: [person] for f in (0, 1, 3, 4, 5)}, joints, damaged=[4]
    )
    infos = [data.get_data_info(i) for i in range(len(data))]
    wanted = [
        int(f)
        for info in infos
        for f, m in zip(info['frame_ids'], info['frame_mask'])
        if m
    ]
    assert sorted(wanted) == [0, 1, 3, 5]
    assert infos[0]['frame_ids'] == [0, 1] and len(infos) == 3
    assert all({1, 3} - set(info['frame_ids']) for info in infos)
    info = infos[0]
    assert info['video_id'] == 'v/7' and info['track_id'] == 7
    assert info['img_paths'] == ['0.png', '1.png']
    np.testing.assert_allclose(info['bbox'], [[1, 2, 30, 40]] * 2)
    # rows 1 to 7 of the truth are inside of 72 pixels: the last 7 joints
    expected = [[13.0 - i, 10.0 * (13 - i)] for i in range(6, 13)]
    np.testing.assert_allclose(info['keypoints'][0, 6:], expected)
    for key in ('keypoints_visible', 'keypoints_labeled'):
        assert info[key][0].tolist() == [0] * 6 + [1] * 7


@pytest.mark.parametrize(
    'person, joints, message',
    [
        (dict(bbox=[1, 2, 1, 9]), None, 'v, frame 2, person 0: bbox must be'),
        (dict(bbox='x'), None, 'v, frame 2, person 0: bbox must be'),
        (dict(keypoints=[[1, 2]]), True, 'keypoints must be 13 pairs'),
        (dict(keypoints='x'), True, 'keypoints must be 13 pairs'),
        (dict(keypoints=[[1, 2]]), ['head'], 'v has no joint left_shoulder,'),
    ],
)
def test_bad_people(crowd, person, joints, message):
    names = people_of(crowd.with_suffix('.json'))[1]
    person = dict(dict(track_id=0, bbox=[1, 2, 30, 40]), **person)
    with pytest.raises(ValueError, match=message):
        build_video({2: [person]}, names if joints is True else joints)


def test_a_track_is_of_one_person():
    person = dict(track_id=3, bbox=[1, 2, 30, 40])
    with pytest.raises(ValueError, match='frame 0, person 3 is there twice'):
        build_video({0: [person, person]}, None)
    with pytest.raises(ValueError, match='v: no person in any frame'):
        build_video({0: [person]}, None, damaged=[0])


def no_people(data):
    for record in data['instance_info']:
        record['instances'] = []


def no_ids(data):
    del data['instance_info'][0]['instances'][0]['track_id']


@pytest.mark.parametrize(
    'kind, edit, message',
    [
        ('truth', no_people, 'edited.json: no person in any frame'),
        ('boxes', no_people, 'edited.json: no person in any frame'),
        ('truth', no_ids, 'edited.json, frame 0: a person has no track_id'),
        (
            'truth',
            lambda data: data['meta_info']['video'].update(width=97),
            'of another video: of 97x72 pixels, but .* has 96x72',
        ),
        (
            'truth',
            lambda data: data['instance_info'].pop() and None,
            'of another video: it has 5 frames, but .* has 6',
        ),
        (
            'truth',
            lambda data: data['meta_info']['keypoint_names'].__setitem__(
                0, 'nose'
            ),
            'edited.json has no joint head; it has nose, left_sh',
        ),
        ('truth', lambda data: dict(a=1), 'holds no people by frame'),
        (
            'boxes',
            lambda data: [[[1, 2, 9, 9]]] * 5,
            'of another video: it has 5 frames, but .* has 6',
        ),
        (
            'boxes',
            lambda data: {7: [[1, 2, 9, 9]]},
            'has boxes for frame 7, but .* has 6 frames, counted from 0',
        ),
        ('boxes', lambda data: [[[9, 2, 1, 9]]], 'frame 0: the box'),
        (
            'boxes',
            lambda data: {-1: [[1, 2, 9, 9]]},
            'holds no boxes by frame',
        ),
        ('boxes', lambda data: dict(a=1), 'holds no boxes by frame'),
    ],
)
def test_people_of_another_video(folder, crowd, tmp_path, kind, edit, message):
    path = change(crowd.with_suffix('.json'), tmp_path / 'edited.json', edit)
    with pytest.raises(SystemExit, match=message) as info:
        run(
            folder,
            '--video',
            crowd,
            f'--{kind}',
            path,
            '--out',
            tmp_path / 'out.json',
        )
    assert '\n' not in str(info.value.code)
    assert [item.name for item in tmp_path.iterdir()] == ['edited.json']


def test_no_video(folder, crowd, tmp_path):
    people = crowd.with_suffix('.json')
    with pytest.raises(SystemExit, match='nowhere.mp4: no such video'):
        run(folder, '--video', 'nowhere.mp4', '--truth', people)
    with pytest.raises(SystemExit, match='crowd.json is not a video'):
        run(folder, '--video', people, '--truth', people)
    with pytest.raises(SystemExit, match='nowhere.json: no such file'):
        run(folder, '--video', crowd, '--truth', 'nowhere.json')
    with pytest.raises(SystemExit, match='is the input; choose another'):
        run(folder, '--video', crowd, '--truth', people, '--out', people)
    assert people_of(people)[0]


@pytest.mark.parametrize(
    'args, message',
    [
        (['--video', 'a.mp4'], '--video needs one of --truth and --boxes'),
        (['--video', 'a.mp4', '--truth', 'a', '--boxes', 'b'], 'needs one of'),
        (['--truth', 'a.json'], 'belong to a --video'),
        (['--video', 'a', '--truth', 'b', '--videos', '1'], 'to a test set'),
        (
            ['--video', 'a', '--boxes', 'b', '--sheet', 'c.png'],
            'shows the truth',
        ),
    ],
)
def test_usage_errors_of_a_video(folder, args, message, capsys):
    with pytest.raises(SystemExit) as info:
        run(folder, *args)
    assert info.value.code == 2
    assert message in ' '.join(capsys.readouterr().err.split())
