# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json
import zipfile

import numpy as np
import pytest
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.structures import PoseDataSample

from rpstn_mmpose.datasets import resolve_metainfo_file
from rpstn_mmpose.datasets.hieve_label import parse_poses
from rpstn_mmpose.evaluation.metrics import HiEveMetric
from tests.test_datasets.hieve_files import box_of, points_of, write_hieve

META = parse_pose_metainfo(
    dict(from_file=resolve_metainfo_file('configs/_base_/datasets/hieve.py'))
)
FRAMES = {0: [0, 1], 1: [0], 2: []}


@pytest.fixture
def ann_dir(tmp_path):
    """Video 3: two people, then one who fights, then nobody."""
    write_hieve(tmp_path, {3: FRAMES}, actions={(3, 1, 0): 'fighting'})
    return str(tmp_path / 'labels/train')


def pose_of(frame, track):
    """The labelled joints; all others are far away."""
    points = np.full((14, 2), 900.0)
    for joint, (x, y, _) in points_of(frame, track).items():
        points[joint] = x, y
    return points


def sample(frame, track, points=None, score=0.5, tracked=True, video=3):
    """A stock sample of one frame."""
    item = PoseDataSample(metainfo=dict(img_id=video * 10**6 + frame))
    if tracked:
        item.set_metainfo(dict(track_id=track))
    points = pose_of(frame, track) if points is None else points
    item.pred_instances = InstanceData(
        keypoints=points[None],
        keypoint_scores=np.full((1, 14), score),
        bboxes=np.array([box_of(frame, track)]),
        bbox_scores=np.ones(1),
    )
    return item.to_dict()


def run(metric, samples, meta=META):
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = meta
    for item in samples:
        evaluator.process([item])
    return evaluator.evaluate(len(samples))


def metric(ann_dir, **kwargs):
    return HiEveMetric(ann_dir, videos=[3], **kwargs)


def test_all_found(ann_dir):
    samples = [sample(0, 0), sample(0, 1), sample(1, 0)]
    for options in (
        {},
        dict(labels='all-track'),
        dict(definition='oks', reference='box', weight_form='linear'),
    ):
        result = run(metric(ann_dir, **options), samples)
        assert len(result) == 8
        assert list(result.values()) == pytest.approx([100] * 8)


def test_weights_by_hand(ann_dir):
    """Frame 0 is not found: its guess, of rank 1, is elsewhere. Its people
    are 30 pixels apart in boxes 16 wide: CI 0, no action, weight 2 + 1.
    Frame 1: somebody fights, weight 2 + e."""
    samples = [sample(0, 0, np.full((14, 2), 500.0), score=0.9), sample(1, 0)]
    result = run(metric(ann_dir), samples)
    # of 3 people one, at precision 1/2
    assert result['HiEve/AP@avg'] == pytest.approx(100 / 3 / 2)
    w = 2 + np.e
    expected = 100 * w / (2 * 3 + w) * w / (3 + w)
    assert result['HiEve/w-AP@avg'] == pytest.approx(expected)
    result = run(metric(ann_dir, actions=False), samples)
    assert result['HiEve/w-AP@avg'] == pytest.approx(100 / 3 / 2)


def test_frames_of_nobody_count(ann_dir):
    """A guess in frame 2, which is empty, is false."""
    samples = [sample(0, 0), sample(0, 1), sample(1, 0)]
    ghost = sample(2, 0, score=0.9)
    result = run(metric(ann_dir), [*samples, ghost])
    # in front of all: precision 1/2, 2/3, 3/4, whose envelope is 3/4
    assert result['HiEve/AP@0.5'] == pytest.approx(75)


def test_duplicates_of_untracked_people_are_dropped(ann_dir):
    twice = [sample(1, 0, tracked=False, score=s) for s in (0.5, 0.9)]
    samples = [sample(0, 0, tracked=False), sample(0, 1, tracked=False)]
    assert run(metric(ann_dir), samples + twice)[
        'HiEve/AP@0.5'
    ] == pytest.approx(100)
    # Of two that fit equally the first is taken; the other one, which is
    # false, ranks in front: 0, 1/2, 2/3, 3/4, whose envelope is 3/4.
    result = run(metric(ann_dir, nms_thr=None), samples + twice)
    assert result['HiEve/AP@0.5'] == pytest.approx(75)


def test_submission_read_back(ann_dir, tmp_path):
    """By plain json, number by number, and by the reader of labels."""
    out = tmp_path / 'new/hieve.zip'
    samples = [sample(0, 1), sample(0, 0), sample(1, 0, tracked=False)]
    for item in samples:
        item['pred_instances']['keypoint_scores'][0, 5] = 0.05
    run(metric(ann_dir, out_file=str(out), keypoint_thr=0.2), samples)
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == ['3.json']
        data = archive.read('3.json')
    entries = json.loads(data)['annolist']
    assert [e['image'] for e in entries] == [
        [{'name': f'00000{i}.jpg'}] for i in range(3)
    ]
    assert [len(e['annorect']) for e in entries] == [2, 1, 0]
    for frame, track, rect in (
        (0, 1, entries[0]['annorect'][0]),
        (0, 0, entries[0]['annorect'][1]),
        (1, 0, entries[1]['annorect'][0]),
    ):
        assert rect['track_id'] == [track]
        sides = [rect[key][0] for key in ('x1', 'y1', 'x2', 'y2')]
        assert sides == box_of(frame, track)
        (score,) = rect['score']
        assert score == pytest.approx((13 * 0.5 + 0.05) / 14)
        points = rect['annopoints'][0]['point']
        assert [p['id'] for p in points] == [[i] for i in range(14) if i != 5]
        for item in points:
            place = pose_of(frame, track)[item['id'][0]].tolist()
            assert [item['x'][0], item['y'][0]] == place
            assert item['score'] == [0.5]
    video = parse_poses(data, '3.json', 3)
    assert [label.row for label in video.people[0, 0]] == [0, 1]


def test_videos_without_labels(tmp_path):
    """Every video has its file, with all frames up to the last guess."""
    out = tmp_path / 'test.zip'
    tester = HiEveMetric(split='test', videos=[31, 20], out_file=str(out))
    assert run(tester, [sample(2, 0, video=20)]) == {}
    with zipfile.ZipFile(out) as archive:
        files = {n: json.loads(archive.read(n)) for n in archive.namelist()}
    assert list(files) == ['20.json', '31.json']
    assert [len(e['annorect']) for e in files['20.json']['annolist']] == [
        0,
        0,
        1,
    ]
    assert files['31.json'] == dict(annolist=[])


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(split='val'), "split must be one of .* got 'val'"),
        (dict(labels='track1'), "labels must be one of .* got 'track1'"),
        (dict(definition='x'), "definition must be one of .* got 'x'"),
        (dict(reference='x'), "reference must be one of .* got 'x'"),
        (dict(weight_form='x'), "weight_form must be one of .* got 'x'"),
        (dict(out_file='a.json'), "must end with .zip, but is 'a.json'"),
        (dict(ann_dir=None), 'without ann_dir there is nothing to compare'),
        (dict(videos=[99]), 'no video 99 in HiEve'),
    ],
)
def test_bad_options(ann_dir, options, message):
    with pytest.raises(ValueError, match=f'^HiEveMetric: .*{message}'):
        HiEveMetric(**{**dict(ann_dir=ann_dir, videos=[3]), **options})


def test_predictions_that_cannot_be(ann_dir):
    for frame, video in ((7, 3), (0, 8)):
        with pytest.raises(ValueError, match='is no frame of the videos'):
            run(metric(ann_dir), [sample(frame, 0, video=video)])
    meta = dict(META, keypoint_id2name={0: 'nose'})
    with pytest.raises(ValueError, match="joints must be HiEve's"):
        run(metric(ann_dir), [sample(0, 0)], meta)
    with pytest.raises(ValueError, match='is not finite'):
        run(metric(ann_dir), [sample(0, 0, pose_of(0, 0) * np.nan)])
    with pytest.raises(FileNotFoundError, match='no labels of video 7'):
        HiEveMetric(ann_dir, split='val4', videos=[3, 7])
