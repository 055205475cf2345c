# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import hashlib
import json
import runpy
from pathlib import Path

import cv2
import numpy as np
import pytest

from rpstn_mmpose.synthetic.crowd import crossing_scene
from rpstn_mmpose.synthetic.generate_crowd import (
    generate_detection,
    people_of_frame,
    write_crossing_video,
)
from rpstn_mmpose.synthetic.scene import BY_OCCLUDER, OUTSIDE, VISIBLE
from rpstn_mmpose.synthetic.skeleton import PENN_JOINTS

TOOL = (
    Path(__file__).resolve().parents[2]
    / 'tools/dataset_converters/make_synthetic_crowd.py'
)
SMALL = dict(num_train=4, num_test=2, image_size=(96, 72), progress=False)


@pytest.fixture
def main():
    return runpy.run_path(str(TOOL))['main']


def digest(folder):
    files = sorted(p for p in folder.rglob('*') if p.is_file())
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(
            p.read_bytes()
        ).hexdigest()
        for p in files
    }


def test_people_of_frame_by_hand():
    keypoints = np.stack([np.arange(13.0) * 4, np.full(13, 30.0)], axis=1)
    hidden = np.full(13, VISIBLE, np.uint8)
    hidden[1] = BY_OCCLUDER  # left shoulder
    hidden[12] = OUTSIDE
    truth = dict(
        keypoints=keypoints, hidden_by=hidden, visible=hidden == VISIBLE
    )
    gone = dict(truth, hidden_by=np.full(13, OUTSIDE, np.uint8))
    (person,) = people_of_frame([gone, truth], (100, 60))
    assert person['track_id'] == 1
    # Joints 0 to 11 span 44 pixels; a margin of 8 % of that, cut at 0.
    assert np.allclose(person['bbox'], [0, 26.48, 47.52, 33.52])
    # Penn Action's names: the anatomical left shoulder is its right one.
    names = list(PENN_JOINTS)
    right, left = (names.index(f'{s}_shoulder') for s in ('right', 'left'))
    assert not person['keypoints_visible'][right]
    assert person['keypoints_visible'][left]
    assert person['keypoints_labeled'][right]
    assert person['keypoints'][right].tolist() == [4.0, 30.0]
    gone = names.index('left_ankle')
    assert not person['keypoints_labeled'][gone]
    assert person['keypoints_labeled'].sum() == 12


def test_video_and_its_truth(tmp_path):
    out = tmp_path / 'a' / 'crowd.mp4'
    settings = dict(num_frames=5, seed=1, progress=False)
    path = write_crossing_video(out, **settings)
    assert path == tmp_path / 'a' / 'crowd.json'
    assert sorted(p.name for p in path.parent.iterdir()) == [
        'crowd.json',
        'crowd.mp4',
    ]
    truth = json.loads(path.read_text())
    assert truth['meta_info']['keypoint_names'] == list(PENN_JOINTS)
    assert [r['frame_id'] for r in truth['instance_info']] == list(range(5))

    video = cv2.VideoCapture(str(out))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 5
    assert video.get(cv2.CAP_PROP_FPS) == 20
    scene = crossing_scene(5, seed=1)
    for record, (picture, truths) in zip(
        truth['instance_info'], scene.frames()
    ):
        frame = video.read()[1]
        assert frame.shape == picture.shape
        # What a lossy codec leaves.
        difference = np.abs(frame.astype(int) - picture)
        assert difference.mean() < 4
        for person in record['instances']:
            wanted = truths[person['track_id']]
            found = np.array(person['keypoints'])
            # the same set of places; the sides have changed names
            order = np.lexsort(found.T), np.lexsort(wanted['keypoints'].T)
            assert np.allclose(
                found[order[0]], wanted['keypoints'][order[1]], atol=0.006
            )
    first = digest(path.parent)
    write_crossing_video(out, **settings)
    assert digest(path.parent) == first


def test_detection_set_is_coco_and_does_not_depend_on_workers(tmp_path):
    from xtcocotools.coco import COCO

    manifest = generate_detection(tmp_path / 'a', **SMALL)
    generate_detection(tmp_path / 'b', num_workers=2, **SMALL)
    assert digest(tmp_path / 'a') == digest(tmp_path / 'b')
    for split, count in (('train', 4), ('test', 2)):
        coco = COCO(str(tmp_path / 'a' / 'annotations' / f'{split}.json'))
        assert len(coco.imgs) == count and coco.getCatIds(['person']) == [1]
        assert len(coco.anns) == manifest['people'][split]
        for image in coco.imgs.values():
            picture = cv2.imread(
                str(tmp_path / 'a' / split / image['file_name'])
            )
            assert picture.shape == (72, 96, 3)
        for box in (a['bbox'] for a in coco.anns.values()):
            assert box[0] >= 0 and box[0] + box[2] <= 95.01
            assert box[1] >= 0 and box[1] + box[3] <= 71.01
            assert box[2] > 0 and box[3] > 0


def test_hardly_visible_people_are_crowd(tmp_path):
    """In many pictures some have fewer than three visible joints."""
    from rpstn_mmpose.synthetic.crowd import group_scene

    # 96 x 72 pictures without drawing are fast.
    expected = []
    for index in range(30):
        scene = group_scene((96, 72), 0, 'test', index)
        _, truths = next(scene.frames(draw=False))
        expected += [
            int(t['visible'].sum() < 3)
            for t in truths
            if (t['hidden_by'] != OUTSIDE).any()
        ]
    generate_detection(tmp_path / 'a', **dict(SMALL, num_test=30))
    data = json.loads((tmp_path / 'a/annotations/test.json').read_text())
    assert [a['iscrowd'] for a in data['annotations']] == expected
    assert 0 < sum(expected) < len(expected) / 4


def test_folder_is_kept_refused_or_made_again(tmp_path):
    out = tmp_path / 'a'
    assert not generate_detection(out, **SMALL)['existed']
    first = digest(out)
    assert generate_detection(out, **SMALL)['existed']
    with pytest.raises(ValueError, match=r'other settings \(seed\)'):
        generate_detection(out, **dict(SMALL, seed=1))
    # a run that was killed before its manifest had its name
    (out / 'synthetic_manifest.json').rename(
        out / 'synthetic_manifest.partial.json'
    )
    (out / 'train' / '000001.jpg').write_bytes(b'half')
    assert not generate_detection(out, **SMALL)['existed']
    assert digest(out) == first
    (tmp_path / 'b').mkdir()
    (tmp_path / 'b' / 'mine.txt').write_text('')
    with pytest.raises(ValueError, match='not a synthetic data set'):
        generate_detection(tmp_path / 'b', **SMALL)
    with pytest.raises(ValueError, match='is a file'):
        generate_detection(tmp_path / 'b' / 'mine.txt', **SMALL)


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(num_train=0), 'num_train must be at least 1, got 0'),
        (dict(num_workers=0), 'num_workers must be at least 1'),
        (dict(seed=-1), 'seed must not be negative'),
        (dict(image_size=(16, 16)), 'at least 32 pixels'),
        (dict(difficulty='brutal'), "unknown preset 'brutal'"),
    ],
)
def test_bad_settings(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        generate_detection(tmp_path / 'a', **dict(SMALL, **changes))
    assert not (tmp_path / 'a').exists()


def test_tool(main, tmp_path, capsys):
    out = str(tmp_path / 'a')
    arguments = [
        'detection',
        out,
        '--num-train',
        '2',
        '--num-test',
        '1',
        '--size',
        '64x48',
    ]
    main(arguments)
    assert ': written: 2 train and 1 test pictures' in capsys.readouterr().out
    main(arguments)
    assert 'already complete' in capsys.readouterr().out
    video = tmp_path / 'v.mp4'
    main(['video', str(video), '--num-frames', '2', '--num-people', '3'])
    assert '2 frames; truth in' in capsys.readouterr().out
    assert video.is_file() and video.with_suffix('.json').is_file()


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['video', 'v.avi'], 'must end in .mp4'),
        (['video', 'v.mp4', '--num-people', '9'], 'between 2 and 6'),
        (['detection', 'd', '--num-test', '0'], 'num_test must be at least 1'),
    ],
)
def test_bad_values_are_one_line(
    main, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message) as caught:
        main(arguments)
    text = str(caught.value.code)
    assert text.startswith('make_synthetic_crowd.py: error: ')
    assert '\n' not in text and list(tmp_path.iterdir()) == []
