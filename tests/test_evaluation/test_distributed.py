# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Two real processes: the score must not depend on how clips are dealt."""

import json

import numpy as np
import pytest
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmpose.evaluation.metrics import PCKAccuracy

from rpstn_mmpose.evaluation import ClipPCK, CocoSubmission, PerFrameMetric
from tests.test_evaluation.samples import META, clip
from tests.two_processes import in_two_processes


def evaluate():
    """Score three clips, so that two ranks need one clip of padding.

    Wanted frames: 3, 1 and 2; all wrong in the first clip, right in the
    others: 3 of 6 correct. Counting the padding (the first clip) twice would
    give 3 of 9, cutting frames to the number of clips fewer than 6.
    """
    clips = [
        clip(0, num=3, first_frame=1, shift=200.0),
        clip(1, num=3, first_frame=4, mask=[0, 0, 1]),
        clip(2, num=3, first_frame=7, mask=[1, 0, 1]),
    ]
    evaluator = Evaluator(
        [ClipPCK(), PerFrameMetric(PCKAccuracy(thr=0.2, prefix='stock'))]
    )
    evaluator.dataset_meta = META
    dealt = list(DefaultSampler(clips, shuffle=False))
    for index in dealt:
        evaluator.process([clips[index]])
    result = evaluator.evaluate(len(clips))
    return dealt, result['PCK/mPCK'], float(result['stock/PCK'])


def prediction(identity, image):
    """A COCO pose whose every number tells whose it is."""
    return dict(
        id=identity,
        img_id=image,
        gt_instances=dict(bbox_scores=np.ones(1)),
        pred_instances=dict(
            keypoints=np.arange(34.0).reshape(1, 17, 2) + 100 * identity,
            keypoint_scores=np.full((1, 17), 0.5),
        ),
    )


def submit():
    """Write three poses, two of them in one image; the padding is the first
    pose again."""
    metric = CocoSubmission(out_dir='out')
    metric.dataset_meta = dict(
        dataset_name='made up', num_keypoints=17, sigmas=np.full(17, 0.05)
    )
    samples = [prediction(0, 5), prediction(1, 7), prediction(2, 5)]
    for index in DefaultSampler(samples, shuffle=False):
        metric.process(None, [samples[index]])
    metric.evaluate(len(samples))
    path = 'out/person_keypoints_test-dev2017_rpstn_results.json'
    with open(path) as file:
        entries = json.load(file)
    return sorted(
        (entry['image_id'], entry['keypoints'][0]) for entry in entries
    )


def test_score_does_not_depend_on_the_number_of_ranks(tmp_path):
    assert evaluate() == ([0, 1, 2], pytest.approx(50), 0.5)
    results = in_two_processes(tmp_path, evaluate)
    for rank, dealt in ((0, [0, 2]), (1, [1, 0])):
        assert results[rank] == (dealt, pytest.approx(50), 0.5)


def test_a_submission_holds_each_pose_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = [(5, 0.0), (5, 200.0), (7, 100.0)]
    assert submit() == expected
    (tmp_path / 'two').mkdir()
    results = in_two_processes(tmp_path / 'two', submit)
    assert results == {0: expected, 1: expected}
