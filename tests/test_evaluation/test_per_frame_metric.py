# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
from mmengine.evaluator import BaseMetric, Evaluator
from mmpose.evaluation.metrics import (
    CocoMetric,
    PCKAccuracy,
    PoseTrack18Metric,
    posetrack18_metric,
)

from rpstn_mmpose.evaluation import (
    PerFrameMetric,
    load_posetrack_dir,
    posetrack_ap,
    posetrack_columns,
)
from rpstn_mmpose.structures import split_clip
from tests.real_data import require_real_data
from tests.test_evaluation import posetrack_samples
from tests.test_evaluation.samples import META, clip, single


class Collect(BaseMetric):
    """Reports the frames that it was given."""

    default_prefix = 'inner'

    def process(self, data_batch, data_samples):
        self.results += [s['img_id'] for s in data_samples]

    def compute_metrics(self, results):
        return dict(frames=results, meta=self.dataset_meta is META)


def run(metric, samples, size=None, meta=META):
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = meta
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples) if size is None else size)


def test_wanted_frames_reach_the_inner_metric_once():
    samples = [
        clip(0, num=3, first_frame=1),
        clip(1, num=3, first_frame=2, mask=[0, 0, 1]),
        clip(2, num=3, first_frame=9, mask=[0, 0, 0]),
    ]
    result = run(PerFrameMetric(Collect()), samples)
    assert result['inner/frames'] == ['0001/1', '0001/2', '0001/3', '0001/4']
    assert result['inner/meta']


def test_padding_is_dropped_by_whole_clips():
    samples = [
        clip(0, num=3, first_frame=1),
        clip(1, num=3, first_frame=4),
        clip(0, num=3, first_frame=1),
    ]
    result = run(PerFrameMetric(Collect()), samples, size=2)
    assert result['inner/frames'] == [f'0001/{i}' for i in range(1, 7)]


def test_results_do_not_leak_into_the_next_evaluation():
    metric = PerFrameMetric(Collect())
    for _ in range(2):
        assert len(run(metric, [clip(num=3)])['inner/frames']) == 3


def test_prefix():
    assert 'mine/frames' in run(
        PerFrameMetric(Collect(), prefix='mine'), [clip()]
    )


def test_stock_pck():
    samples = [clip(0, num=3, mask=[1, 1, 0]), clip(1, num=2, shift=30.0)]
    samples[0].pred_instances.keypoints[2] += 999
    metric = PerFrameMetric(dict(type='PCKAccuracy', thr=0.2, prefix='p'))
    # 30 pixels are beyond 0.2 * 120: two of four frames are right.
    assert run(metric, samples) == {'p/PCK': 0.5}
    assert run(metric, [single(), single(shift=30.0)])['p/PCK'] == 0.5


def test_equals_the_inner_metric_on_single_frames():
    samples = [clip(i, num=3, first_frame=1 + 3 * i) for i in range(3)]
    rng = np.random.RandomState(0)
    for sample in samples:
        sample.pred_instances.keypoints += rng.normal(0, 10, (3, 13, 2))
    frames = [f for s in samples for f in split_clip(s)]
    direct = run(PCKAccuracy(thr=0.1, prefix='x'), frames)
    assert 0.1 < direct['x/PCK'] < 0.9
    assert (
        run(PerFrameMetric(PCKAccuracy(thr=0.1, prefix='x')), samples)
        == direct
    )


def test_coco_metric_needs_no_annotation_file():
    samples = [clip(0, num=3), clip(1, num=3, first_frame=4, mask=[0, 1, 1])]
    metric = PerFrameMetric(CocoMetric(score_mode='bbox'))
    assert run(metric, samples)['coco/AP'] == pytest.approx(1)
    # One of the five frames is far off: it is a false positive.
    samples[0].pred_instances.keypoints[0] += 500
    result = run(PerFrameMetric(CocoMetric(score_mode='bbox')), samples)
    assert result['coco/AR'] == pytest.approx(0.8)


def test_metrics_with_an_evaluate_of_their_own_are_refused():

    class Own(Collect):
        def evaluate(self, size):
            return dict()

    with pytest.raises(ValueError, match='cannot run Own'):
        PerFrameMetric(Own())


def test_image_ids_name_the_frames():
    sample = clip(0, num=3, first_frame=1, mask=[1, 0, 1])
    sample.set_metainfo(dict(image_ids=[70, 71, 72]))
    assert run(PerFrameMetric(Collect()), [sample])['inner/frames'] == [70, 72]

    class Truth(Collect):
        def process(self, data_batch, data_samples):
            self.results += [
                s['raw_ann_info']['image_id'] for s in data_samples
            ]

    assert run(PerFrameMetric(Truth()), [sample])['inner/frames'] == [70, 72]


@pytest.fixture
def real_clips():
    """Clips of one frame, 14 people in three images; the truth as guess."""
    folder = require_real_data('mmpose_samples') / 'posetrack18/annotations'
    return folder, posetrack_samples.clips_of(
        load_posetrack_dir(folder / 'val')
    )


@pytest.mark.parametrize('with_file', [False, True])
def test_coco_metric_on_posetrack_clips(with_file, real_clips):
    folder, samples = real_clips
    metric = PerFrameMetric(
        CocoMetric(
            ann_file=str(folder / 'test_posetrack18_val.json')
            if with_file
            else None,
            score_mode='bbox',
            nms_mode='none',
            use_area=False,
        )
    )
    # One of the 14 people is missed.
    samples[0].pred_instances.keypoints += 900
    result = run(metric, samples, meta=dict(posetrack_samples.META))
    assert result['coco/AR'] == pytest.approx(13 / 14)


def test_posetrack18_metric_asks_for_poseval(monkeypatch):
    monkeypatch.setattr(posetrack18_metric, 'has_poseval', False)
    # It is not to be had from a registry; PoseTrackClipMetric does without.
    with pytest.raises(ImportError, match='poseval'):
        PerFrameMetric(dict(type='PoseTrack18Metric'))


def test_posetrack18_metric_writes_files_of_clips(
    real_clips, tmp_path, monkeypatch
):
    """All of MMPose's PoseTrack18Metric but the official program."""
    folder, samples = real_clips
    monkeypatch.setattr(posetrack18_metric, 'has_poseval', True)

    def evaluate(self, outfile_prefix):
        ap = posetrack_ap(folder / 'val', tmp_path)['ap']
        return list(posetrack_columns(ap).items())

    monkeypatch.setattr(
        PoseTrack18Metric, '_do_python_keypoint_eval', evaluate
    )
    metric = PerFrameMetric(
        dict(
            type='PoseTrack18Metric',
            # From this name it knows that the sequences are in val/.
            ann_file=str(folder / 'test_posetrack18_val.json'),
            outfile_prefix=str(tmp_path / 'result'),
        )
    )
    result = run(metric, samples, meta=dict(posetrack_samples.META))
    assert result['posetrack18/Total'] == pytest.approx(100)
    assert len(load_posetrack_dir(tmp_path)) == 3
