# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json
import logging
import math

import numpy as np
import pytest
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger

from rpstn_mmpose.evaluation import ClipPCK
from tests.test_evaluation.samples import META, PENN, clip, single


def evaluate(samples, **kwargs):
    evaluator = Evaluator(ClipPCK(**kwargs))
    evaluator.dataset_meta = META
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))


def test_scores_by_hand():
    sample = clip(num=4)
    pred = sample.pred_instances.keypoints
    pred[0, 5, 1] += 15  # torso 70: 14 pixels are the limit
    pred[1, 5, 1] += 13
    pred[2, 6, 1] = np.nan
    pred[3, 0, 1] += 36  # beyond half a torso
    result = evaluate([sample])
    # Left wrist 3 of 4, right wrist 3 of 4, head 3 of 4, others all.
    assert result['PCK/torso/Wri.@0.2'] == pytest.approx(75)
    assert result['PCK/torso/Head@0.2'] == pytest.approx(75)
    for column in ('Sho.', 'Elb.', 'Hip', 'Knee', 'Ank.'):
        assert result[f'PCK/torso/{column}@0.2'] == 100
    mean = (10 * 100 + 3 * 75) / 13
    assert result['PCK/mPCK'] == pytest.approx(mean)
    assert result['PCK/torso/Mean@0.2'] == pytest.approx(mean)
    # NaN is wrong at every threshold; 15 px are correct from 0.3 (21 px)
    # and 36 px from 0.6 (42 px) on; at 0.1 the 13 px are wrong too.
    wrong = [4] + [3] + [2] * 3 + [1] * 5
    area = np.mean([100 * (1 - w / 4 / 13) for w in wrong])
    assert result['PCK/torso/AUC'] == pytest.approx(area)
    assert result['PCK/torso/left_out'] == 0


def test_frames_that_are_not_wanted_do_not_count():
    samples = [
        clip(num=3, mask=[1, 1, 0]),
        clip(num=3, mask=[0, 0, 1], shift=100.0),
    ]
    samples[0].pred_instances.keypoints[2] += 100
    samples[1].pred_instances.keypoints[:2] -= (0, 100)
    assert evaluate(samples)['PCK/mPCK'] == pytest.approx(100 * 2 / 3)
    nothing = clip(num=2, mask=[0, 0])
    assert math.isnan(evaluate([nothing])['PCK/mPCK'])
    assert evaluate([nothing, samples[0]])['PCK/mPCK'] == 100


def test_occluded_joints_have_a_column_of_their_own():
    sample = clip(num=2)
    gt, pred = sample.gt_instances, sample.pred_instances
    gt.keypoints_visible[:, 3] = 0  # occluded in both frames: one wrong
    pred.keypoints[0, 3] += 500
    gt.keypoints_visible[:, 4] = gt.keypoints_labeled[:, 4] = 0
    pred.keypoints[:, 4] = 1e6  # not labelled: nobody's business
    result = evaluate([sample])
    assert result['PCK/mPCK'] == 100
    assert math.isnan(result['PCK/torso/Elb.@0.2'])
    assert result['PCK/mPCK_occluded'] == 50
    assert result['PCK/torso/Occluded@0.2'] == 50


def hidden_clip():
    """Four frames; wrists and a knee hidden, two of these found."""
    sample = clip(num=4)
    gt, pred = sample.gt_instances, sample.pred_instances
    gt.hidden_by = np.zeros((4, 13), np.uint8)
    gt.frames_unseen = np.zeros((4, 13), np.int32)
    # Left wrist: behind somebody in frames 1 to 3, found in the first of
    # them; right wrist: behind a thing in all four, never found; left knee:
    # behind a thing in the last one, found; head: behind its own torso.
    gt.hidden_by[1:, 5], gt.frames_unseen[1:, 5] = 2, [1, 2, 3]
    gt.hidden_by[:, 6], gt.frames_unseen[:, 6] = 1, -1
    gt.hidden_by[3, 9], gt.frames_unseen[3, 9] = 1, 8
    gt.hidden_by[:, 0], gt.frames_unseen[:, 0] = 3, 1
    gt.keypoints_visible[gt.hidden_by > 0] = 0
    pred.keypoints[2:, 5] += 500
    pred.keypoints[:, [0, 6]] += 500
    return sample


KINDS = {
    'by_thing': (0 + 100) / 2,  # right wrist 0 of 4, left knee 1 of 1
    'by_person': 100 / 3,
    'unseen_1': 100,
    'unseen_2-3': 0,
    'unseen_8+': 100,
    'never_seen': 0,
}


def test_kinds_of_hidden_joints(tmp_path):
    path = tmp_path / 'pck.json'
    result = evaluate([hidden_clip()], out_file=str(path))
    for kind, value in KINDS.items():
        assert result[f'PCK/mPCK_{kind}'] == pytest.approx(value)
    assert math.isnan(result['PCK/mPCK_unseen_4-7'])
    # Left wrist 1 of 3, right 0 of 4, knee 1 of 1, head 0 of 4.
    assert result['PCK/mPCK_occluded'] == pytest.approx((100 / 3 + 100) / 4)
    assert result['PCK/mPCK'] == 100
    torso = json.loads(path.read_text())['norms']['torso']
    wrist = torso['joints']['left_wrist']['by_person']
    assert (wrist['correct'], wrist['total']) == (1, 3)
    assert torso['by_person']['scores']['Wri.'] == pytest.approx(100 / 3)


def test_kinds_of_the_frames_that_are_wanted():
    sample = hidden_clip()
    sample.set_metainfo(dict(frame_mask=np.array([0, 1, 1, 0], bool)))
    result = evaluate([sample, clip(num=2)])  # the second does not tell
    assert result['PCK/mPCK_by_person'] == 50
    assert result['PCK/mPCK_by_thing'] == 0
    assert math.isnan(result['PCK/mPCK_unseen_8+'])
    told = [name for name in evaluate([clip(num=2)]) if 'by_' in name]
    assert not told and not any('seen' in k for k in evaluate([clip()]))


def test_kinds_in_the_log(caplog):
    logger = MMLogger.get_instance('kinds_test')
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger='kinds_test'):
        evaluate([hidden_clip()])
    logger.removeHandler(caplog.handler)
    *_, head, scores, joints = caplog.records[0].getMessage().split('\n')
    assert head.split() == [
        'hidden', 'by_thing', 'by_person', 'unseen_1', 'unseen_2-3',
        'unseen_4-7', 'unseen_8+', 'never_seen',
    ]  # fmt: skip
    values = ['50.0', '33.3', '100.0', '0.0', '-', '100.0', '0.0']
    assert scores.split() == ['torso', *values]
    assert joints.split() == ['joints', '5', '3', '1', '2', '0', '1', '4']


def test_two_norms():
    # 20 pixels: above 0.2 * 70, below 0.2 * 120 (the longer box side).
    result = evaluate([clip(shift=20.0)], norm_item=['torso', 'person'])
    assert result['PCK/torso/Mean@0.2'] == 0 == result['PCK/mPCK']
    assert result['PCK/person/Mean@0.2'] == 100
    result = evaluate([clip(shift=20.0)], norm_item=['person', 'torso'])
    assert result['PCK/mPCK'] == 100
    assert 'PCK/torso/Mean@0.2' not in evaluate([clip()], norm_item='person')


def test_frames_without_torso_are_left_out_and_reported():
    sample = clip(num=3, shift=100.0)
    sample.gt_instances.keypoints_labeled[1, 8] = 0
    sample.gt_instances.keypoints_visible[1, 8] = 0
    sample.pred_instances.keypoints[1:, :, 1] -= 100  # 1 and 2 are right
    result = evaluate([sample], norm_item=('torso', 'person'))
    assert result['PCK/torso/left_out'] == 1
    assert result['PCK/person/left_out'] == 0
    assert result['PCK/mPCK'] == pytest.approx(50)
    # Person: right hip counts in two frames, 1 of 2; others 2 of 3.
    assert result['PCK/person/Mean@0.2'] == pytest.approx(
        100 * (12 * 2 / 3 + 1 / 2) / 13
    )


def test_stock_samples_and_mixtures():
    assert evaluate([single(), single(shift=100.0)])['PCK/mPCK'] == 50
    result = evaluate([single(shift=100.0), clip(num=3)])
    assert result['PCK/mPCK'] == 75
    assert math.isnan(result['PCK/mPCK_occluded'])


def test_visibility_of_two_channels():
    """MMPose's data sets give (visible, weight of the target): the first
    tells whether a joint is seen, whatever the second says."""
    sample = clip(num=2)
    visible = np.ones((2, 13, 2), np.float32)
    visible[:, 3] = (0, 1)  # left elbow: hidden, in one frame found
    visible[:, 4] = (1, 0)  # right elbow: seen, in one frame found
    visible[0, 5] = (0, 0)  # left wrist: hidden and right; then seen, wrong
    sample.gt_instances.keypoints_visible = visible
    pred = sample.pred_instances.keypoints
    pred[0, 3] += 500
    pred[1, 4] += 500
    pred[1, 5] += 500
    result = evaluate([sample])
    # Of the left elbow no visible one counts; left wrist 0 of 1, right 2
    # of 2; ten others 100. Mean over 12 joints.
    assert result['PCK/torso/Elb.@0.2'] == 50
    assert result['PCK/torso/Wri.@0.2'] == 50
    assert result['PCK/mPCK'] == pytest.approx((10 * 100 + 50 + 0) / 12)
    # Occluded: left elbow 1 of 2, left wrist 1 of 1.
    assert result['PCK/mPCK_occluded'] == pytest.approx((50 + 100) / 2)


@pytest.mark.parametrize('channels', [1, 2])
def test_visibility_of_stock_samples(channels):
    """Without labels of their own, what is not visible is not labelled."""
    sample = single()
    visible = np.ones((1, 13, channels), np.float32)
    visible[0, :5, 0] = 0
    visible[0, 8, 0] = 1
    sample.gt_instances.keypoints_visible = visible
    sample.pred_instances.keypoints[0, :6] += 500
    result = evaluate([sample], norm_item='person')
    assert result['PCK/person/Wri.@0.2'] == 50
    assert result['PCK/mPCK'] == pytest.approx(100 * 7 / 8)
    assert math.isnan(result['PCK/mPCK_occluded'])
    # The left shoulder is not labelled: there is no torso.
    assert evaluate([sample])['PCK/torso/left_out'] == 1


@pytest.mark.parametrize(
    'order',
    [list(range(12, -1, -1)), [6, 3, 8, 0, 12, 1, 10, 5, 2, 11, 4, 9, 7]],
)
@pytest.mark.parametrize('by_number', [True, False])
def test_joints_in_another_order(order, by_number):
    """Columns and torso go by the joints' names, as do these sums."""
    names = [PENN[k] for k in order]
    items = list(enumerate(names))
    if not by_number:
        # A dict need not be written in the order of its numbers.
        items = items[5:] + items[:5][::-1]
    meta = dict(META, keypoint_id2name=dict(items))
    place = {name: names.index(name) for name in PENN}
    sample = clip(num=4)
    for part, key in (
        ('gt_instances', 'keypoints'),
        ('pred_instances', 'keypoints'),
    ):
        value = getattr(sample, part)[key]
        getattr(sample, part)[key] = value[:, order]
    pred = sample.pred_instances.keypoints
    # The torso is 70 long, between the joints named for it.
    pred[0, place['left_wrist'], 1] += 14.5
    pred[1, place['left_wrist'], 1] += 13.5
    pred[2, place['head'], 1] += 15
    pred[:2, place['right_ankle'], 1] -= 20
    sample.gt_instances.keypoints_visible[3, place['left_knee']] = 0
    pred[3, place['left_knee'], 0] += 99
    metric = Evaluator(ClipPCK())
    metric.dataset_meta = meta
    metric.process([sample])
    result = metric.evaluate(1)
    expected = {
        'Head': 75,
        'Sho.': 100,
        'Elb.': 100,
        'Wri.': (75 + 100) / 2,
        'Hip': 100,
        'Knee': 100,
        'Ank.': (100 + 50) / 2,
        'Occluded': 0,
        'Mean': (10 * 100 + 75 + 75 + 50) / 13,
    }
    for column, value in expected.items():
        assert result[f'PCK/torso/{column}@0.2'] == pytest.approx(value)


def test_threshold_in_the_names():
    result = evaluate([clip(shift=20.0)], thr=0.5, prefix='val')
    assert result['val/torso/Mean@0.5'] == 100


def test_padding_of_the_data_loader_is_dropped():
    """mmengine cuts the records to the number of samples."""
    evaluator = Evaluator(ClipPCK())
    evaluator.dataset_meta = META
    evaluator.process([clip(0), clip(1, shift=100.0), clip(0)])
    assert evaluator.evaluate(2)['PCK/mPCK'] == 50


def test_json(tmp_path):
    sample = clip(num=2)
    sample.gt_instances.keypoints_visible[0, 0] = 0
    sample.pred_instances.keypoints[1, 0] += 1000
    path = tmp_path / 'new' / 'pck.json'
    evaluate([sample], out_file=str(path), thresholds=(0.1, 0.5))
    content = json.loads(path.read_text())
    assert content['thr'] == 0.2 and content['thresholds'] == [0.1, 0.5]
    assert content['frames'] == 2
    assert content['keypoint_names'][0] == 'head'
    torso = content['norms']['torso']
    assert torso['joints']['head'] == dict(
        visible=dict(correct=0, total=1, sweep_correct=[0, 0]),
        occluded=dict(correct=1, total=1, sweep_correct=[1, 1]),
    )
    assert torso['joints']['left_knee']['visible'] == dict(
        correct=2, total=2, sweep_correct=[2, 2]
    )
    assert torso['visible']['scores']['Head'] == 0
    assert torso['occluded']['scores']['Knee'] is None  # NaN
    assert torso['visible']['sweep']['Hip'] == [100, 100]


def test_one_table_is_logged(caplog):
    logger = MMLogger.get_instance('pck_test')
    logger.addHandler(caplog.handler)
    sample = clip(num=2)
    sample.gt_instances.keypoints_labeled[0, 1] = 0
    sample.gt_instances.keypoints_visible[0, 1] = 0
    with caplog.at_level(logging.INFO, logger='pck_test'):
        evaluate([sample], norm_item=('torso', 'person'))
    logger.removeHandler(caplog.handler)
    lines = caplog.records[0].getMessage().split('\n')
    assert lines[1].split() == [
        'PCK@0.2',
        'Head',
        'Sho.',
        'Elb.',
        'Wri.',
        'Hip',
        'Knee',
        'Ank.',
        'Mean',
        'Occluded',
        'AUC',
        'Frames',
    ]
    assert lines[2].split() == ['torso'] + ['100.0'] * 8 + ['-', '100.0', '1']
    assert lines[3].split() == ['person'] + ['100.0'] * 8 + ['-', '100.0', '2']
    assert len({len(line) for line in lines[1:4]}) == 1
    assert lines[4].startswith('1 of 2 frames have no torso length')


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(norm_item='bbox'), "norm_item must be .* got 'bbox'"),
        (dict(norm_item=[]), 'norm_item must be'),
        (dict(thr=0), 'thresholds must be positive'),
        (dict(thresholds=()), 'thresholds must be positive'),
        (dict(thresholds=(0.1, -1)), 'thresholds must be positive'),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ClipPCK(**kwargs)


def test_bad_samples():
    metric = ClipPCK()
    with pytest.raises(ValueError, match='dataset_meta with'):
        metric.process(None, [clip().to_dict()])
    metric.dataset_meta = META
    sample = clip(num=3).to_dict()
    sample['pred_instances']['keypoints'] = np.zeros((2, 13, 2))
    with pytest.raises(ValueError, match=r'\(2, 13, 2\) .* T x 13 x 2'):
        metric.process(None, [sample])
    with pytest.raises(ValueError, match='no sample was evaluated'):
        metric.evaluate(0)
