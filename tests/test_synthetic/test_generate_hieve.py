# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import cv2
import numpy as np
import pytest

from rpstn_mmpose.datasets import HiEveClipDataset
from rpstn_mmpose.datasets.hieve_label import read_hieve_video
from rpstn_mmpose.synthetic import generate_hieve
from tests.test_datasets.posetrack_files import wanted_poses
from tests.test_synthetic.test_generate import digest
from tests.test_tools.load_tool import load_tool

SMALL = dict(
    num_train=2,
    num_val=1,
    num_test=1,
    num_frames=3,
    label_every=2,
    image_size=(96, 64),
    progress=False,
)


@pytest.fixture(scope='module')
def crowd(tmp_path_factory):
    """No pictures, long enough for people to come and go."""
    folder = tmp_path_factory.mktemp('crowd') / 'hieve'
    summary = generate_hieve(
        folder,
        num_train=3,
        num_val=2,
        num_test=1,
        num_frames=21,
        people=(3, 4),
        walkers=0.8,
        ignored=0.5,
        progress=False,
        pictures=False,
    )
    return folder, summary


def test_bytes_depend_on_the_seed_only(tmp_path):
    for name, seed, workers in (('a', 5, 1), ('b', 5, 2), ('c', 6, 1)):
        generate_hieve(
            tmp_path / name, seed=seed, num_workers=workers, **SMALL
        )
    same, parallel, other = (digest(tmp_path / name) for name in 'abc')
    assert same == parallel
    assert same != other


def test_files_on_disk(tmp_path):
    """Videos 1 and 2 of train15, 3 of val4, 20 without labels."""
    summary = generate_hieve(tmp_path, **SMALL)
    assert summary['num_videos'] == dict(train=2, val=1, test=1)
    names = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob('*.*')}
    frames = [f'{frame:06d}' for frame in range(3)]
    assert names == {
        'synthetic_hieve_manifest.json',
        'detections/val4.json',
        'detections/test.json',
        *(f'images/{v}/{f}.jpg' for v in (1, 2, 3, 20) for f in frames),
        *(f'labels/train/track1/{v}.txt' for v in (1, 2, 3)),
        *(f'labels/train/track2&3/{v}.json' for v in (1, 2, 3)),
        *(
            f'labels/train/all-track/{v}/{f}.xml'
            for v in (1, 2, 3)
            for f in frames
        ),
    }
    picture = cv2.imread(str(tmp_path / 'images/20/000002.jpg'))
    assert picture.shape == (64, 96, 3) and picture.std() > 5
    assert generate_hieve(tmp_path, **SMALL)['existed']


def test_three_kinds_of_labels_agree(crowd):
    folder, summary = crowd
    poses = hidden = boxes_alone = 0
    for number in (1, 2, 4, 3, 7):
        videos = [
            read_hieve_video(str(folder / 'labels/train'), number, kind)
            for kind in ('track2&3', 'all-track', 'track1')
        ]
        for video in videos:
            assert not +video.repairs
        lists, frames, lines = (video.by_frame for video in videos)
        assert len(lists) == 21 and sorted(videos[1].actions) == [0, 20]
        for row, labels in enumerate(lists):
            place = videos[0].frame_ids[row]
            others = frames[videos[1].frame_ids.index(place)]
            assert len(labels) == len(others)
            for a, b in zip(labels, others):
                for x, y in zip(a[1:5], b[1:5]):
                    np.testing.assert_allclose(x, y, atol=0.01)
                poses += a.labeled.any()
                boxes_alone += not a.labeled.any()
                hidden += int((a.labeled & ~a.visible).sum())
        assert sum(map(len, lines)) == sum(map(len, lists))
    assert poses == summary['num_poses'] > 100
    assert hidden > 100 and boxes_alone > 0


def test_the_data_set_wants_each_pose_once(crowd):
    folder, summary = crowd
    expected = sum(v['poses'] for v in summary['videos'] if v['video'] == 3)
    dataset = HiEveClipDataset(
        data_root=str(folder), split='val4', videos=[3], test_mode=True
    )
    wanted = wanted_poses(dataset)
    assert len(set(wanted)) == len(wanted) == expected > 20


def test_detections_are_of_the_people(crowd):
    """Most boxes of the labels have a detection whose middle is inside."""
    folder, _ = crowd
    found = json.loads((folder / 'detections/val4.json').read_text())
    video = read_hieve_video(str(folder / 'labels/train'), 3, 'track2&3')
    near = total = 0
    for image_id, labels in zip(video.image_ids, video.by_frame):
        boxes = [d['bbox'] for d in found if d['image_id'] == image_id]
        middles = np.array([[x + w / 2, y + h / 2] for x, y, w, h in boxes])
        for label in labels:
            if label.visible.sum() > 8:
                total += 1
                inside = (middles >= label.bbox[:2]) & (
                    middles <= label.bbox[2:]
                )
                near += bool(inside.all(axis=1).any())
    assert near > 0.8 * total > 10


@pytest.mark.parametrize(
    'options, message',
    [
        (['--num-train', '16'], 'num_train must be at most 15'),
        (['--num-val', '5'], 'num_val must be at most 4'),
        (['--num-test', '0'], 'num_test must be at least 1, got 0'),
        (['--people', '3', '2'], 'people must be the fewest and the most'),
        (['--workers', '0'], 'num_workers must be at least 1, got 0'),
    ],
)
def test_bad_values_of_the_tool_exit_with_one_line(tmp_path, options, message):
    tool = load_tool('dataset_converters/make_synthetic_hieve.py')
    out = tmp_path / 'out'
    with pytest.raises(SystemExit) as caught:
        tool.main([str(out), *options])
    text = str(caught.value.code)
    assert text.startswith('make_synthetic_hieve.py: error: ')
    assert message in text and '\n' not in text and not out.exists()


def test_the_tool_writes_once_and_says_so(tmp_path, capsys):
    tool = load_tool('dataset_converters/make_synthetic_hieve.py')
    options = (
        '--num-train 1 --num-val 1 --num-test 1 --num-frames 2 --size 64x48 '
        '--people 1 1 --labels-only'
    )
    arguments = [str(tmp_path), *options.split()]
    for state in ('written', 'already complete'):
        tool.main(arguments)
        text = capsys.readouterr().out
        assert f': {state}: 1 train, 1 validation and 1 test videos' in text
        assert '6 frames' in text
