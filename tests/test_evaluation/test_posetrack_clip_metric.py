# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData
from mmpose.registry import METRICS
from mmpose.structures import PoseDataSample

from rpstn_mmpose.evaluation import (
    PoseTrackClipMetric,
    load_posetrack_dir,
    posetrack_ap,
    posetrack_mot,
)
from tests.real_data import require_real_data
from tests.test_evaluation.posetrack_files import (
    JOINTS,
    person,
    sequence,
    write,
)
from tests.test_evaluation.posetrack_samples import (
    META,
    clips_of,
    posetrack_clip,
)
from tests.two_processes import in_two_processes

COLUMNS = ['Head', 'Shou', 'Elb', 'Wri', 'Hip', 'Knee', 'Ankl', 'Total']


def run(metric, samples, size=None, meta=META):
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = meta
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples) if size is None else size)


def columns(result):
    return [result[f'PoseTrack/{column}'] for column in COLUMNS]


@pytest.fixture
def gt_dir(tmp_path):
    """One person in frames 1 to 4 of a sequence of five."""
    truth = [person(i) for i in range(1, 5)]
    return write(tmp_path / 'gt', {'a.json': sequence(truth, 5)})


def guesses(numbers, score=1.0, **kwargs):
    return [person(i, score=score, **kwargs) for i in numbers]


def test_official_figures_and_files(tmp_path):
    folder = require_real_data('posetrack_eval_sample')
    metric = METRICS.build(
        dict(
            type='PoseTrackClipMetric',
            gt_dir=str(folder / 'gt'),
            out_dir=str(tmp_path / 'out'),
        )
    )
    preds = load_posetrack_dir(folder / 'pred')
    result = run(metric, clips_of(preds))
    for kind, keys in (
        ('AP', {'Total': 'ap'}),
        ('MOT', {'mota': 'mota', 'motp': 'motp'}),
    ):
        official = json.loads(
            (folder / f'total_{kind}_metrics.json').read_text()
        )
        for name, key in keys.items():
            assert result[f'PoseTrack/{name}'] == pytest.approx(
                official[key][15], abs=1e-3
            )
    # The files hold the same, and everything that the sample's hold.
    out = load_posetrack_dir(tmp_path / 'out')
    assert list(out) == list(preds)
    for evaluate in (posetrack_ap, posetrack_mot):
        expected = evaluate(folder / 'gt', folder / 'pred')
        for key, values in evaluate(folder / 'gt', out).items():
            assert values == pytest.approx(expected[key])
    for name, content in out.items():
        assert content['images'] == preds[name]['images']
        assert content['categories'] == preds[name]['categories']
        assert len(content['annotations']) == len(preds[name]['annotations'])
        for annotation in content['annotations']:
            assert set(annotation) >= set(preds[name]['annotations'][0])
            assert len(annotation['keypoints']) == 51
            assert annotation['scores'] == annotation['keypoints'][2::3]


def test_real_annotations(tmp_path):
    gt = str(
        require_real_data('mmpose_samples')
        / 'posetrack18'
        / 'annotations'
        / 'val'
    )
    samples = clips_of(load_posetrack_dir(gt))
    assert len(samples) == 14
    # Joints that are not annotated have a score of 0 in these.
    metric = PoseTrackClipMetric(gt, str(tmp_path), keypoint_thr=0.5)
    result = run(metric, samples)
    assert columns(result) == [pytest.approx(100)] * 8
    # Sequences of one frame say nothing about tracking.
    assert np.isnan(result['PoseTrack/mota'])
    images = load_posetrack_dir(tmp_path)['012834_mpii_test.json']['images']
    assert images[0]['file_name'] == 'images/val/012834_mpii_test/000000.jpg'
    assert 'ignore_regions_x' not in images[0]

    for sample in samples:
        sample.set_metainfo(dict(frame_mask=np.zeros(1, bool)))
    assert columns(run(PoseTrackClipMetric(gt), samples)) == [0] * 8


def test_wanted_frames_count_once(gt_dir):
    samples = [
        posetrack_clip(guesses((1, 2, 3)), 0, [1, 1, 0], track_id=0),
        posetrack_clip(guesses((2, 3, 4)), 1, [0, 1, 1], track_id=0),
    ]
    for sample, row in zip(samples, (2, 0)):
        sample.pred_instances.keypoints[row] += 900
    result = run(PoseTrackClipMetric(gt_dir), samples)
    assert columns(result) == [pytest.approx(100)] * 8
    assert result['PoseTrack/mota'] == pytest.approx(100)
    # Padding: mmengine drops the last sample, a repeat, as a whole.
    result = run(PoseTrackClipMetric(gt_dir), samples + samples[:1], size=2)
    assert columns(result) == [pytest.approx(100)] * 8


def test_frames_without_predictions_are_misses(gt_dir):
    # Half of the truth's frames are found; the fifth is not labelled.
    sample = posetrack_clip(guesses((1, 2, 5)), track_id=3)
    result = run(PoseTrackClipMetric(gt_dir), [sample])
    assert columns(result) == [pytest.approx(50)] * 8
    # Tracking: frames 1 to 3, of which the last is a miss and a false joint.
    assert result['PoseTrack/mota'] == pytest.approx(100 / 3)


def test_sequences_without_predictions_are_misses(tmp_path):
    contents = {
        'a.json': sequence([person(1)]),
        'b.json': dict(sequence([person(7)]), images=[dict(id=7)]),
    }
    gt = write(tmp_path / 'gt', contents)
    metric = PoseTrackClipMetric(gt, str(tmp_path / 'out'))
    result = run(metric, [posetrack_clip(guesses((1,)), track_id=0)])
    assert columns(result) == [pytest.approx(50)] * 8
    assert load_posetrack_dir(tmp_path / 'out')['b.json'] == dict(
        images=[dict(id=7)],
        annotations=[],
        categories=contents['b.json']['categories'],
    )


def written_people(gt_dir, folder, samples, **kwargs):
    run(PoseTrackClipMetric(gt_dir, str(folder), **kwargs), samples)
    return load_posetrack_dir(folder)['a.json']['annotations']


def test_ids_of_the_written_people(gt_dir, tmp_path):
    samples = [
        posetrack_clip(guesses((4, 1)), 0, track_id=7),
        posetrack_clip(guesses((2, 1)), 1, track_id=3),
        posetrack_clip(guesses((1, 3), x=900), 2, track_id=0),
    ]
    people = written_people(gt_dir, tmp_path, samples)
    # By image, then in order of the samples.
    assert [
        (p['id'], p['image_id'], p['track_id'], p['category_id'])
        for p in people
    ] == [
        (0, 1, 7, 1),
        (1, 1, 3, 1),
        (2, 1, 0, 1),
        (3, 2, 3, 1),
        (4, 3, 0, 1),
        (5, 4, 7, 1),
    ]


def test_boxes_of_the_written_people(gt_dir, tmp_path):
    """X, y, width and height, of the model's boxes or of the given ones."""
    sample = posetrack_clip(guesses((1, 2)), track_id=0)
    sample.gt_instances.bboxes = np.array([[10.0, 20, 40, 80], [1, 2, 4, 8]])
    people = written_people(gt_dir, tmp_path, [sample])
    assert [p['bbox'] for p in people] == [[10, 20, 30, 60], [1, 2, 3, 6]]
    sample.pred_instances.bboxes = np.array([[5.0, 6, 8, 10], [3, 3, 7, 9]])
    people = written_people(gt_dir, tmp_path, [sample])
    assert [p['bbox'] for p in people] == [[5, 6, 3, 4], [3, 3, 4, 6]]
    # Neither: the extent of the joints, which reach from (100, 100) down to
    # the ankles at 1700; joints that are left out at (0, 0) count.
    del sample.pred_instances.bboxes, sample.gt_instances.bboxes
    sample.pred_instances.keypoints[..., 0] += np.arange(17)
    people = written_people(gt_dir, tmp_path, [sample])
    ears = sample.pred_instances.keypoints[0, 3:5]
    assert ears.tolist() == [[3, 0], [4, 0]]
    assert people[0]['bbox'] == [3, 0, 113, 1700]


def test_scores_of_the_written_people(gt_dir, tmp_path):
    """The box's times the mean of the joints', wherever a box score is."""
    sample = posetrack_clip(guesses((1, 2)), track_id=0)
    sample.pred_instances.keypoint_scores = np.array(
        [[0.5] * 16 + [0.33], np.arange(17) / 17]
    )
    # (8 + 0.33) / 17 and (0 + ... + 16) / 17 / 17.
    means = np.array([8.33 / 17, 136 / 289])
    del sample.gt_instances.bbox_scores
    for part, scores in (
        (None, [1, 1]),
        ('gt_instances', [0.25, 0.5]),
        ('pred_instances', [0.75, 0.1]),
    ):
        if part:
            sample.get(part).bbox_scores = np.array(scores)
        people = written_people(gt_dir, tmp_path, [sample])
        np.testing.assert_allclose(
            [p['score'] for p in people], means * scores
        )
        assert people[0]['scores'][15:] == [0.5, 0.33]
    # Joints below the threshold are left out, but not of the mean.
    people = written_people(gt_dir, tmp_path, [sample], keypoint_thr=0.4)
    np.testing.assert_allclose(
        [p['score'] for p in people], means * [0.75, 0.1]
    )
    assert people[0]['scores'][15:] == [0.5, 0]


def test_an_image_that_is_listed_twice_is_written_once(gt_dir, tmp_path):
    content = load_posetrack_dir(gt_dir)['a.json']
    content['images'].insert(1, dict(content['images'][0]))
    gt = write(tmp_path / 'twice', {'a.json': content})
    sample = posetrack_clip(guesses((1, 2)), track_id=0)
    people = written_people(gt, tmp_path / 'out', [sample])
    assert [p['image_id'] for p in people] == [1, 2]
    images = load_posetrack_dir(tmp_path / 'out')['a.json']['images']
    assert [image['id'] for image in images] == [1, 1, 2, 3, 4, 5]
    # Frames 1, 1 and 2 of 1, 1, 2, 3 and 4.
    assert (
        columns(run(PoseTrackClipMetric(gt), [sample]))
        == [pytest.approx(60)] * 8
    )


def test_a_track_twice_in_an_image_is_refused(gt_dir, tmp_path):
    samples = [
        posetrack_clip(guesses((1, 2)), i, track_id=3) for i in range(2)
    ]
    with pytest.raises(
        ValueError,
        match='a.json: track_id 3 is there twice '
        r'in image 1 \(.*000001.jpg',
    ):
        run(PoseTrackClipMetric(gt_dir, str(tmp_path)), samples)
    # What was predicted is not lost.
    assert len(load_posetrack_dir(tmp_path)['a.json']['annotations']) == 4


def duplicates(track_ids):
    """Right in four frames, and a worse one beside it in frames 1 and 2."""
    samples = [
        posetrack_clip(guesses((1, 2, 3, 4), 0.9), 0, track_id=track_ids[0]),
        posetrack_clip(guesses((1, 2), 0.8, x=101), 1, track_id=track_ids[1]),
    ]
    for sample in samples:
        sample.gt_instances.bboxes[:] = [90, 90, 290, 1790]
    return samples


@pytest.mark.parametrize('track_ids', [(None, None), (-1, -1)])
def test_duplicates_among_detections_are_dropped(track_ids, gt_dir, tmp_path):
    metric = PoseTrackClipMetric(gt_dir, str(tmp_path))
    result = run(metric, duplicates(track_ids))
    people = load_posetrack_dir(tmp_path)['a.json']['annotations']
    assert [p['image_id'] for p in people] == [1, 2, 3, 4]
    assert [p['score'] for p in people] == [pytest.approx(0.9)] * 4
    # Numbers that mean nothing are not evaluated.
    assert 'PoseTrack/mota' not in result

    metric = PoseTrackClipMetric(gt_dir, str(tmp_path), nms_thr=None)
    run(metric, duplicates(track_ids))
    people = load_posetrack_dir(tmp_path)['a.json']['annotations']
    assert [(p['image_id'], p['track_id']) for p in people] == [
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 1),
        (3, 0),
        (4, 0),
    ]


def test_the_box_score_decides_between_duplicates(gt_dir, tmp_path):
    samples = duplicates((None, None))
    samples[0].gt_instances.bbox_scores[:2] = [1.0, 0.5]
    run(PoseTrackClipMetric(gt_dir, str(tmp_path)), samples)
    people = load_posetrack_dir(tmp_path)['a.json']['annotations']
    # 0.9 against 0.8 in frame 1, 0.45 against 0.8 in frame 2.
    assert [p['keypoints'][0] for p in people] == [100, 101, 100, 100]


def test_tracked_people_are_not_taken_for_duplicates(gt_dir, tmp_path):
    metric = PoseTrackClipMetric(gt_dir, str(tmp_path))
    result = run(metric, duplicates((4, 2)))
    people = load_posetrack_dir(tmp_path)['a.json']['annotations']
    assert [p['track_id'] for p in people] == [4, 2, 4, 2, 4, 4]
    # In frames 1 to 3 two of three true joints have a false one beside.
    assert result['PoseTrack/mota'] == pytest.approx(100 / 3)
    # Some tracked, some not: their numbers must not clash.
    result = run(metric, duplicates((4, None)))
    people = load_posetrack_dir(tmp_path)['a.json']['annotations']
    assert [p['track_id'] for p in people] == [4, 5, 4, 5, 4, 4]
    assert 'PoseTrack/mota' not in result


def test_joints_below_the_threshold_are_not_predicted(gt_dir, tmp_path):
    sample = posetrack_clip(guesses((1, 2, 3, 4)), track_id=0)
    nose, neck = JOINTS.index('nose'), JOINTS.index('head_bottom')
    sample.pred_instances.keypoint_scores[:, nose] = 0.29
    sample.pred_instances.keypoint_scores[:, neck] = 0.3
    sample.pred_instances.keypoint_scores[3] = 0.1
    metric = PoseTrackClipMetric(gt_dir, str(tmp_path), keypoint_thr=0.3)
    result = run(metric, [sample])
    # The head's columns: neck and top found in three frames, nose in none.
    assert columns(result) == [pytest.approx(50)] + [pytest.approx(75)] * 6 + [
        pytest.approx(70)
    ]
    people = load_posetrack_dir(tmp_path)['a.json']['annotations']
    assert len(people) == 3  # nobody is left in frame 4
    assert people[0]['keypoints'][:3] == [0, 0, 0]


def test_neck_between_the_shoulders(gt_dir, tmp_path):
    """As PoseWarper was published: joint i lies at y = 100 (i + 1), so that
    the shoulders' mean is far from the true neck, which is then missed."""
    sample = posetrack_clip(guesses((1, 2, 3, 4)), track_id=0)
    scores = sample.pred_instances.keypoint_scores
    scores[:, JOINTS.index('left_shoulder')] = 0.5
    metric = PoseTrackClipMetric(gt_dir, str(tmp_path), neck='shoulders')
    result = run(metric, [sample])
    expected = [200 / 3, *[100] * 6, 1400 / 15]
    assert columns(result) == pytest.approx(expected)
    written = load_posetrack_dir(tmp_path)['a.json']['annotations'][0]
    neck = 3 * JOINTS.index('head_bottom')
    assert written['keypoints'][neck : neck + 3] == [100, 650, 0.75]
    assert written['keypoints'][:3] == [100, 100, 1]


def test_scores_of_joints_times_that_of_the_box(gt_dir, tmp_path):
    """They rank by it and are compared with the threshold; what is written
    of the person stays."""
    sample = posetrack_clip(guesses((1, 2)), track_id=0)
    sample.gt_instances.bbox_scores = np.array([0.5, 1])
    options = dict(score_mode='bbox_keypoint', keypoint_thr=0.6)
    people = written_people(
        gt_dir, tmp_path / 'all', [sample], score_mode='bbox_keypoint'
    )
    assert [p['scores'][0] for p in people] == [0.5, 1]
    assert [p['score'] for p in people] == [
        p['score']
        for p in written_people(gt_dir, tmp_path / 'plain', [sample])
    ]
    people = written_people(gt_dir, tmp_path / 'some', [sample], **options)
    assert [p['image_id'] for p in people] == [2]


@pytest.mark.parametrize('option', ['neck', 'score_mode'])
def test_unknown_protocols(option, gt_dir):
    with pytest.raises(ValueError, match=f'{option} must be one of'):
        PoseTrackClipMetric(gt_dir, **{option: 'nose'})


def test_joints_go_by_name(gt_dir):
    """A model with fewer joints, in another order, and tensors."""
    order = [JOINTS.index(j) for j in JOINTS[::-1] if 'ear' not in j]
    sample = posetrack_clip(guesses((1, 2, 3, 4)), track_id=0)
    pred = sample.pred_instances
    sample.pred_instances = InstanceData(
        keypoints=torch.tensor(pred.keypoints[:, order]),
        keypoint_scores=torch.tensor(pred.keypoint_scores[:, order]),
    )
    meta = dict(
        META, keypoint_id2name={i: JOINTS[j] for i, j in enumerate(order)}
    )
    result = run(PoseTrackClipMetric(gt_dir), [sample], meta=meta)
    assert columns(result) == [pytest.approx(100)] * 8


def test_stock_single_frame_samples(gt_dir):
    people = guesses((1, 2, 3, 4))
    samples = [
        PoseDataSample(
            metainfo=dict(id=i, img_id=p['image_id']),
            pred_instances=InstanceData(
                keypoints=np.array(p['keypoints']).reshape(1, 17, 3)[..., :2],
                keypoint_scores=np.ones((1, 17)),
            ),
        )
        for i, p in enumerate(people)
    ]
    result = run(PoseTrackClipMetric(gt_dir), samples)
    assert columns(result) == [pytest.approx(100)] * 8
    assert 'PoseTrack/mota' not in result


def test_the_truth_is_not_overwritten(gt_dir):
    with pytest.raises(ValueError, match='would be overwritten'):
        PoseTrackClipMetric(gt_dir, out_dir=gt_dir + '/.')


def test_truth_that_cannot_be_used(tmp_path):
    with pytest.raises(FileNotFoundError, match='none: no such folder'):
        PoseTrackClipMetric(str(tmp_path / 'none'))
    content = sequence([person(1)])
    gt = write(tmp_path, {'a.json': content, 'b.json': content})
    with pytest.raises(ValueError, match='image 1 is in .*b.json and in a.js'):
        PoseTrackClipMetric(gt)
    for broken in ([], dict(images=[]), dict(content, images=[{}])):
        gt = write(tmp_path, {'a.json': content, 'b.json': broken})
        with pytest.raises(ValueError) as error:
            PoseTrackClipMetric(gt)
        assert 'b.json: not in PoseTrack18 format' in str(error.value)
        assert '\n' not in str(error.value)


def without(name):
    names = [joint for joint in JOINTS if joint != name]
    return dict(META, keypoint_id2name=dict(enumerate(names)))


def test_models_and_samples_that_do_not_fit(gt_dir):
    metric = PoseTrackClipMetric(gt_dir)

    def message(sample, meta=META):
        with pytest.raises(ValueError) as error:
            run(metric, [sample], meta=meta)
        assert '\n' not in str(error.value)
        return str(error.value)

    sample = posetrack_clip(guesses((1, 2)))
    assert "evaluates 'head_top', which" in message(
        sample, without('head_top')
    )
    assert 'T x 16 x 2' in message(sample, without('left_ear'))
    assert "'keypoint_id2name'" in message(sample, meta={})

    assert 'a prediction is of image 9,' in message(
        posetrack_clip(guesses((1, 9)))
    )
    # Frames that are not wanted may be anywhere, e.g. repeated borders.
    run(metric, [posetrack_clip(guesses((1, 9)), mask=[1, 0])])

    sample.pred_instances.keypoints[1, 3, 0] = np.nan
    assert 'image 2 is not finite' in message(sample)
    sample = posetrack_clip(guesses((1, 2)))
    sample.set_metainfo(dict(image_ids=[1]))
    assert 'a clip of 2 frames must have as many image_ids' in message(sample)
    sample.set_metainfo(dict(image_ids=None))
    assert 'but has None' in message(sample)

    with pytest.raises(ValueError, match='no sample was evaluated'):
        metric.compute_metrics([])


def evaluate(gt_dir):
    """Three clips, so that two ranks need one clip of padding.

    Wanted frames 1 and 2 are right, 3 is wrong, 4 right: 3 of 4, all of
    the same score, so that the last ranks first: precision 1, 1/2, 2/3, 3/4
    at recall 1/4, 1/4, 1/2, 3/4.
    """
    clips = [
        posetrack_clip(guesses((1, 2)), 0, track_id=0),
        posetrack_clip(guesses((2, 3), x=500), 1, [0, 1], track_id=0),
        posetrack_clip(guesses((3, 4)), 2, [0, 1], track_id=0),
    ]
    evaluator = Evaluator([PoseTrackClipMetric(gt_dir)])
    evaluator.dataset_meta = META
    for index in DefaultSampler(clips, shuffle=False):
        evaluator.process([clips[index]])
    return evaluator.evaluate(len(clips))


def test_score_does_not_depend_on_the_number_of_ranks(tmp_path, gt_dir):
    expected = evaluate(gt_dir)
    assert columns(expected) == [pytest.approx(25 + 50 * 3 / 4)] * 8
    # Frames 1 to 3: one missed, one false.
    assert expected['PoseTrack/mota'] == pytest.approx(100 / 3)

    results = in_two_processes(tmp_path, lambda: evaluate(gt_dir))
    assert results == {0: expected, 1: expected}
