# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""ClipPCK on JHMDB's 15 joints, against MMPose's own metric for them."""

import numpy as np
import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.evaluation import JhmdbPCKAccuracy

from rpstn_mmpose.evaluation import ClipPCK
from rpstn_mmpose.evaluation.functional import joint_groups

COLUMNS = ('Head', 'Sho', 'Elb', 'Wri', 'Hip', 'Knee', 'Ank')


@pytest.fixture(scope='module')
def meta():
    return parse_pose_metainfo(
        dict(from_file='configs/_base_/datasets/jhmdb.py')
    )


def clips(num=6, length=5, seed=0):
    rng = np.random.RandomState(seed)
    out = []
    for _ in range(num):
        gt = rng.uniform(20, 220, (length, 15, 2))
        mask = rng.rand(length) > 0.3
        mask[0] = True
        boxes = np.tile([10.0, 15, 200, 230], (length, 1))
        boxes[:, 2] += rng.uniform(0, 60, length)
        out.append(
            dict(
                frame_mask=mask,
                pred_instances=dict(
                    keypoints=gt + rng.normal(0, 25, gt.shape)
                ),
                gt_instances=dict(
                    keypoints=gt,
                    keypoints_visible=(rng.rand(length, 15) > 0.2).astype(
                        np.float32
                    ),
                    keypoints_labeled=np.ones((length, 15), np.float32),
                    bboxes=boxes,
                ),
            )
        )
    return out


def single_frames(samples):
    """The wanted frames as MMPose's own samples."""
    out = []
    for sample in samples:
        for t in np.flatnonzero(sample['frame_mask']):
            out.append(
                {
                    part: {k: v[t : t + 1] for k, v in sample[part].items()}
                    for part in ('pred_instances', 'gt_instances')
                }
            )
    return out


@pytest.mark.parametrize('thr', [0.1, 0.2])
def test_equals_mmposes_metric(meta, thr):
    samples = clips()
    ours = ClipPCK(thr=thr, norm_item=['torso', 'person'])
    theirs = JhmdbPCKAccuracy(thr=thr, norm_item=['bbox', 'torso'])
    for metric in (ours, theirs):
        metric.dataset_meta = meta
    ours.process(None, samples)
    theirs.process(None, single_frames(samples))
    frames = sum(int(sample['frame_mask'].sum()) for sample in samples)
    got = ours.evaluate(len(samples))
    expected = theirs.evaluate(frames)
    for norm, suffix in (('person', 'PCK'), ('torso', 'tPCK')):
        for column in COLUMNS:
            own = column if column in ('Head', 'Hip', 'Knee') else f'{column}.'
            key = next(k for k in expected if k.endswith(f'{column} {suffix}'))
            assert got[f'PCK/{norm}/{own}@{thr}'] == pytest.approx(
                100 * expected[key], abs=1e-3
            )
        key = next(k for k in expected if k.split('/')[-1] == suffix)
        assert got[f'PCK/{norm}/Mean@{thr}'] == pytest.approx(
            100 * expected[key], abs=1e-3
        )
        assert 5 < got[f'PCK/{norm}/Mean@{thr}'] < 95


def test_neck_and_belly_count_in_the_mean_alone(meta):
    """2 of 15 joints right: no column shows it, the mean is 2 / 15."""
    names = [meta['keypoint_id2name'][i] for i in range(15)]
    groups = joint_groups(names)
    used = sorted(sum(groups.values(), []))
    assert [names[i] for i in range(15) if i not in used] == ['neck', 'belly']
    assert {c: len(joints) for c, joints in groups.items()} == {
        'Head': 1,
        'Sho.': 2,
        'Elb.': 2,
        'Wri.': 2,
        'Hip': 2,
        'Knee': 2,
        'Ank.': 2,
    }
    sample = clips(1)[0]
    pred = sample['gt_instances']['keypoints'] + 1000.0
    pred[:, :2] -= 1000.0
    sample['pred_instances']['keypoints'] = pred
    sample['gt_instances']['keypoints_visible'][:] = 1
    metric = ClipPCK()
    metric.dataset_meta = meta
    metric.process(None, [sample])
    got = metric.evaluate(1)
    assert got['PCK/mPCK'] == pytest.approx(100 * 2 / 15)
    assert all(got[f'PCK/torso/{c}@0.2'] == 0 for c in groups)


def test_torso_runs_from_left_shoulder_to_right_hip(meta):
    """Joints 4 and 5 of JHMDB: 60 wide, 80 high, so 100 long."""
    gt = np.zeros((1, 15, 2))
    gt[0, 4], gt[0, 5] = (10, 10), (70, 90)
    sample = dict(
        frame_mask=np.array([True]),
        pred_instances=dict(keypoints=gt + [0, 20]),
        gt_instances=dict(
            keypoints=gt,
            keypoints_visible=np.ones((1, 15)),
            bboxes=np.array([[0.0, 0, 9, 9]]),
        ),
    )
    for shift, expected in ((20.0, 100), (20.001, 0)):
        sample['pred_instances']['keypoints'] = gt + [0, shift]
        metric = ClipPCK(thr=0.2)
        metric.dataset_meta = meta
        metric.process(None, [sample])
        assert metric.evaluate(1)['PCK/mPCK'] == expected
