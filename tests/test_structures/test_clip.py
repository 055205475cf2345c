# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.structures import PoseDataSample, merge_data_samples

from rpstn_mmpose.structures import split_clip, wanted_frames
from tests.test_evaluation.samples import body, clip, single


def test_one_stock_sample_a_row():
    sample = clip(clip_id=4, num=3, first_frame=11, mask=[1, 0, 1])
    sample.gt_instances.keypoints[1] += 7
    sample.gt_instance_labels = InstanceData(
        heatmaps=torch.arange(3.0)[:, None, None, None] * torch.ones(13, 4, 4)
    )
    frames = split_clip(sample)
    assert len(frames) == 3
    for row, frame in enumerate(frames):
        assert isinstance(frame, PoseDataSample)
        meta = frame.metainfo
        assert meta['frame_id'] == 11 + row
        assert meta['img_id'] == f'0001/{11 + row}'
        assert meta['img_path'] == f'{row}.jpg'
        assert meta['id'] == 12 + row
        assert meta['input_center'].tolist() == [2 * row, 2 * row + 1]
        assert meta['input_scale'].tolist() == [50, 50]
        assert meta['ori_shape'] == (200, 200)
        assert not {'frame_ids', 'img_paths', 'frame_mask'} & set(meta)
        assert frame.gt_instances.keypoints.shape == (1, 13, 2)
        assert frame.pred_instances.keypoint_scores.shape == (1, 13)
        assert frame.gt_instances.bboxes.shape == (1, 4)
        assert (frame.gt_instance_labels.heatmaps == row).all()
    np.testing.assert_allclose(frames[1].gt_instances.keypoints[0], body() + 7)
    np.testing.assert_allclose(frames[2].gt_instances.keypoints[0], body())


def test_numbers_of_the_data_set():
    sample = clip(num=3, mask=[1, 0, 1])
    sample.set_metainfo(
        dict(track_id=4, image_ids=[10**10, 10**10 + 1, 10**10 + 2])
    )
    sample.gt_instances.bbox_scores[:] = [0.5, 0.25, 0.125]
    for samples in (
        split_clip(sample, only_wanted=True),
        split_clip(sample.to_dict(), only_wanted=True),
    ):
        assert [s.get('img_id') for s in samples] == [10**10, 10**10 + 2]
        assert [s.get('track_id') for s in samples] == [4, 4]
        assert [s.get('frame_id') for s in samples] == [1, 3]
        assert [s.get('raw_ann_info')['image_id'] for s in samples] == [
            10**10,
            10**10 + 2,
        ]
        assert all('image_ids' not in s for s in samples)
    last = split_clip(sample)[2]
    assert type(last.metainfo['img_id']) is int
    assert last.gt_instances.bbox_scores.tolist() == [0.125]


def test_only_wanted_rows():
    frames = split_clip(clip(num=3, mask=[0, 1, 1]), only_wanted=True)
    assert [f.metainfo['frame_id'] for f in frames] == [2, 3]
    assert split_clip(clip(num=2, mask=[0, 0]), only_wanted=True) == []


def test_dicts_of_mmengines_evaluator():
    frames = split_clip(clip(num=2, mask=[0, 1]).to_dict(), only_wanted=True)
    assert len(frames) == 1 and isinstance(frames[0], dict)
    assert frames[0]['img_id'] == '0001/2'
    assert frames[0]['gt_instances']['keypoints'].shape == (1, 13, 2)
    assert 'frame_mask' not in frames[0]


def test_stock_sample_stays_as_it_is():
    frames = split_clip(single(), only_wanted=True)
    assert len(frames) == 1
    assert frames[0].metainfo['img_id'] == 9
    assert frames[0].metainfo['id'] == 5
    assert wanted_frames(single()).tolist() == [True]


def test_heatmaps_of_all_frames_in_one_field():
    sample = clip(num=2)
    heatmaps = torch.arange(26.0)[:, None, None] * torch.ones(4, 4)
    sample.pred_fields = PixelData(heatmaps=heatmaps)
    frames = split_clip(sample)
    assert frames[1].pred_fields.heatmaps.shape == (13, 4, 4)
    assert (frames[1].pred_fields.heatmaps[0] == 13).all()
    # MMPose's own helper accepts the result: it maps heatmaps back.
    frames[1].set_metainfo(dict(ori_shape=(20, 30)))
    merged = merge_data_samples([frames[1]])
    assert merged.pred_fields.heatmaps.shape == (13, 20, 30)


def test_coco_annotation_by_hand():
    sample = clip(clip_id=0, num=1)
    gt = sample.gt_instances
    gt.keypoints_visible[0, :2] = 0
    gt.keypoints_labeled[0, 1] = 0
    ann = split_clip(sample)[0].metainfo['raw_ann_info']
    assert ann['bbox'] == [0, 0, 120, 60] and ann['area'] == 7200
    assert ann['image_id'] == '0001/1' and ann['category_id'] == 1
    assert ann['num_keypoints'] == 12 and ann['iscrowd'] == 0
    assert ann['keypoints'][:9] == [0, 5, 1, 0, 0, 0, 20, 5, 2]


def test_prediction_only():
    sample = PoseDataSample()
    sample.pred_instances = InstanceData(keypoints=np.zeros((2, 13, 2)))
    frames = split_clip(sample)
    assert len(frames) == 2 and 'gt_instances' not in frames[0]


def test_bad_samples():
    with pytest.raises(ValueError, match='needs a sample with gt_instances'):
        split_clip(PoseDataSample())
    with pytest.raises(ValueError, match='2 entries for 3 rows'):
        split_clip(clip(num=3, mask=[1, 0]))
