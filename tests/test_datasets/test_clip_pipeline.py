# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The whole pipeline, from files to packed samples."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.models import TopdownPoseEstimator
from mmpose.structures import PoseDataSample

from rpstn_mmpose.datasets import PennActionDataset
from rpstn_mmpose.datasets.transforms import PackClipInputs
from rpstn_mmpose.structures import narrow
from tests.test_datasets.penn_files import (
    label_arrays,
    write_frames,
    write_label,
)

CODEC = dict(
    type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=1
)
CROP = dict(type='TopdownAffine', input_size=(48, 64))
TRAIN = [
    dict(type='LoadClip'),
    dict(type='GetBBoxCenterScale'),
    dict(type='ClipRandomFlip'),
    dict(
        type='ForEachFrame',
        transforms=[dict(type='RandomBBoxTransform'), CROP],
    ),
    dict(type='GenerateClipTarget', encoder=CODEC),
    dict(type='PackClipInputs'),
]
TEST = [
    dict(type='LoadClip'),
    dict(type='GetBBoxCenterScale'),
    dict(type='ForEachFrame', transforms=[CROP]),
    dict(type='GenerateClipTarget', encoder=CODEC),
    dict(type='PackClipInputs'),
]
STOCK = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    CROP,
    dict(type='GenerateTarget', encoder=CODEC),
    dict(type='PackPoseInputs'),
]


def penn(root, pipeline, **kwargs):
    return PennActionDataset(
        data_root=str(root), split='train', pipeline=pipeline, **kwargs
    )


def test_packed_training_sample(penn_root):
    packed = penn(penn_root, TRAIN)[0]
    assert packed['inputs'].shape == (5, 3, 64, 48)
    assert packed['inputs'].dtype == torch.uint8
    sample = packed['data_samples']
    assert isinstance(sample, PoseDataSample)
    gt = sample.gt_instances
    shapes = dict(
        bboxes=(5, 4),
        bbox_scores=(5,),
        bbox_scales=(5, 2),
        keypoints=(5, 13, 2),
        keypoints_visible=(5, 13),
        keypoints_labeled=(5, 13),
    )
    for key, shape in shapes.items():
        assert isinstance(gt[key], np.ndarray) and gt[key].shape == shape
    labels = sample.gt_instance_labels
    assert labels.heatmaps.shape == (5, 13, 16, 12)
    assert labels.keypoint_weights.shape == (5, 13)
    assert labels.heatmaps.dtype == torch.float32
    assert 'gt_fields' not in sample
    meta = sample.metainfo
    assert meta['video_id'] == '0001' and meta['frame_ids'] == [1, 2, 3, 4, 5]
    assert meta['frame_mask'].tolist() == [True] * 5
    assert meta['input_center'].shape == meta['input_scale'].shape == (5, 1, 2)
    for key in (
        'id',
        'img_path',
        'img_paths',
        'ori_shape',
        'img_shape',
        'input_size',
        'flip',
        'flip_indices',
        'category_id',
        'dataset_name',
    ):
        assert key in meta


def test_rows_equal_mmposes_single_frame_pipeline(penn_root):
    clips = penn(penn_root, TEST, test_mode=True)
    frames = penn(penn_root, STOCK, clip_length=1, test_mode=True)
    assert len(frames) == 12
    single = {f['data_samples'].metainfo['img_path']: f for f in frames}
    for clip in clips:
        sample = clip['data_samples']
        for row, path in enumerate(sample.metainfo['img_paths']):
            other = single[path]['data_samples']
            assert torch.equal(clip['inputs'][row], single[path]['inputs'])
            for key in ('input_center', 'input_scale'):
                assert np.array_equal(
                    sample.metainfo[key][row, 0], other.metainfo[key]
                )
            for key in (
                'keypoints',
                'bboxes',
                'keypoints_labeled',
                'bbox_scales',
            ):
                assert np.array_equal(
                    sample.gt_instances[key][row], other.gt_instances[key][0]
                )
            heatmaps = sample.gt_instance_labels.heatmaps[row]
            weights = sample.gt_instance_labels.keypoint_weights[row]
            if sample.metainfo['frame_mask'][row]:
                assert torch.equal(heatmaps, other.gt_fields.heatmaps)
                assert torch.equal(
                    weights, other.gt_instance_labels.keypoint_weights[0]
                )
            else:
                assert not weights.any() and not heatmaps.any()


@pytest.mark.parametrize('pipeline', [TRAIN, TEST, STOCK])
def test_what_hides_joints_reaches_the_metrics(tmp_path, pipeline):
    arrays = label_arrays(6)
    arrays['hidden_by'] = np.zeros((6, 13), np.uint8)
    arrays['hidden_by'][2:4, 5:7] = 2
    arrays['visibility'] = (arrays['hidden_by'] == 0).astype(np.uint8)
    write_label(tmp_path, '0001', arrays)
    write_frames(tmp_path, '0001', 6)
    length = 1 if pipeline is STOCK else 6
    samples = [
        item['data_samples']
        for item in penn(tmp_path, pipeline, clip_length=length)
    ]
    for key, values in (
        ('hidden_by', [0, 0, 2, 2, 0, 0]),
        ('frames_unseen', [0, 0, 1, 2, 0, 0]),
    ):
        rows = np.concatenate([s.gt_instances[key] for s in samples])
        assert rows[:, 5].tolist() == rows[:, 6].tolist() == values
        assert not rows[:, :5].any() and not rows[:, 7:].any()
    row = narrow(samples[-1], [len(rows) - 3 if length > 1 else 0])
    told = row.gt_instances.hidden_by[0, 5]
    assert told == (2 if length > 1 else 0)


def test_targets_mark_the_keypoints_whatever_the_augmentation(penn_root):
    """A heatmap's peak lies where its keypoint went."""
    dataset = penn(
        penn_root,
        [
            *TRAIN[:3],
            dict(
                type='ForEachFrame',
                transforms=[
                    dict(type='RandomBBoxTransform', rotate_prob=0.0),
                    CROP,
                ],
            ),
            *TRAIN[4:],
        ],
    )
    checked = 0
    for _ in range(4):
        sample = dataset[0]['data_samples']
        heatmaps = sample.gt_instance_labels.heatmaps.numpy()
        meta = sample.metainfo
        points = sample.gt_instances.keypoints
        center, scale = meta['input_center'], meta['input_scale']
        # By hand: 12 x 16 heatmap pixels cover the crop.
        place = ((points - center) / scale + 0.5) * (12, 16)
        for t, k in np.ndindex(5, 13):
            if not ((place[t, k] >= 0) & (place[t, k] < (11, 15))).all():
                continue
            y, x = np.unravel_index(heatmaps[t, k].argmax(), (16, 12))
            error = np.abs(place[t, k] - (x, y))
            assert heatmaps[t, k, y, x] == 1 and (error < 0.51).all()
            checked += 1
    assert checked > 100


def test_stock_estimator_maps_predictions_back(penn_root):
    """MMPose's own code turns T x K x 2 input pixels into image pixels."""
    sample = penn(penn_root, TEST)[0]['data_samples']
    meta = sample.metainfo
    center, scale = meta['input_center'], meta['input_scale']
    points = sample.gt_instances.keypoints.astype(np.float64)
    in_crop = (points - center + scale / 2) / scale * (48, 64)
    model = TopdownPoseEstimator(
        backbone=dict(type='ResNet', depth=18),
        head=dict(
            type='HeatmapHead',
            in_channels=512,
            out_channels=13,
            loss=dict(type='KeypointMSELoss'),
            decoder=CODEC,
        ),
    )
    pred = InstanceData(keypoints=in_crop, keypoint_scores=np.ones((5, 13)))
    out = model.add_pred_to_datasample([pred], None, [sample])[0]
    np.testing.assert_allclose(
        out.pred_instances.keypoints, points, rtol=0, atol=1e-4
    )
    assert out.pred_instances.bboxes.shape == (5, 4)


def test_short_video_and_offsets(penn_root):
    dataset = penn(penn_root, TEST, clip_length=8)
    sample = dataset[0]['data_samples']
    assert sample.metainfo['frame_mask'].tolist() == [True] * 7 + [False]
    weights = sample.gt_instance_labels.keypoint_weights
    assert weights[:7].any(dim=1).all() and not weights[7].any()
    dataset = penn(penn_root, TEST, clip_offsets=(-1, 0, 1))
    weights = dataset[0]['data_samples'].gt_instance_labels.keypoint_weights
    assert weights.any(dim=1).tolist() == [False, True, False]


def test_pack_refuses_single_images():
    with pytest.raises(ValueError, match='use PackPoseInputs'):
        PackClipInputs()(dict(img=np.zeros((4, 4, 3), np.uint8)))


def test_meta_keys_and_transformed_keypoints(penn_root):
    pipeline = TEST[:4] + [
        dict(type='PackClipInputs', meta_keys=('id',), pack_transformed=True)
    ]
    sample = penn(penn_root, pipeline)[0]['data_samples']
    assert set(sample.metainfo) == {'id'}
    assert sample.gt_instances.transformed_keypoints.shape == (5, 13, 2)
