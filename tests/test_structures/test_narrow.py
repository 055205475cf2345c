# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.structures import PoseDataSample

from rpstn_mmpose.structures import narrow

T, K = 3, 2


def clip():
    """Row t of everything holds the number t."""
    rows = np.arange(T)
    sample = PoseDataSample(
        metainfo=dict(
            id=5,
            video_id='v',
            img_id='v/10',
            img_path='a0',
            frame_ids=[10, 11, 12],
            img_paths=['a0', 'a1', 'a2'],
            frame_mask=np.array([True, False, True]),
            input_center=rows[:, None, None] * np.ones((1, 1, 2)),
            input_scale=10 + rows[:, None, None] * np.ones((1, 1, 2)),
            input_size=(64, 48),
        )
    )
    sample.gt_instances = InstanceData(
        bboxes=rows[:, None] * np.ones((1, 4)),
        keypoints=rows[:, None, None] * np.ones((1, K, 2)),
    )
    sample.gt_instance_labels = InstanceData(
        keypoint_weights=torch.arange(T)[:, None] * torch.ones(1, K)
    )
    sample.pred_fields = PixelData(
        heatmaps=torch.arange(T * K)[:, None, None] * torch.ones(1, 4, 3)
    )
    return sample


@pytest.mark.parametrize('rows', [[1], [2], [0, 2], [1, 2], [2, 0]])
def test_rows_of_all_parts_shrink_together(rows):
    out = narrow(clip(), rows)
    frames = [10 + row for row in rows]
    assert out.metainfo['frame_ids'] == frames
    assert out.metainfo['img_paths'] == [f'a{row}' for row in rows]
    assert out.metainfo['img_path'] == f'a{rows[0]}'
    assert out.metainfo['img_id'] == f'v/{frames[0]}'
    assert out.metainfo['frame_mask'].tolist() == [row != 1 for row in rows]
    assert out.metainfo['input_center'][:, 0, 0].tolist() == rows
    assert out.metainfo['input_scale'].shape == (len(rows), 1, 2)
    assert out.metainfo['input_size'] == (64, 48)
    assert out.metainfo['id'] == 5
    assert out.gt_instances.bboxes[:, 0].tolist() == rows
    assert out.gt_instances.keypoints.shape == (len(rows), K, 2)
    assert out.gt_instance_labels.keypoint_weights[:, 1].tolist() == rows
    channels = [row * K + joint for row in rows for joint in range(K)]
    assert out.pred_fields.heatmaps[:, 0, 0].tolist() == channels


def test_numbers_of_the_data_set_go_before_names():
    sample = clip()
    sample.set_metainfo(dict(image_ids=[100, 101, 102], img_id=100))
    assert narrow(sample, [1]).metainfo['img_id'] == 101


def test_all_rows_are_the_sample_itself():
    sample = clip()
    assert narrow(sample, range(T)) is sample


def test_a_dict_of_the_evaluator():
    sample = clip().to_dict()
    out = narrow(sample, [1])
    assert out['gt_instances']['keypoints'].tolist() == [[[1, 1], [1, 1]]]
    assert out['frame_ids'] == [11] and out['img_id'] == 'v/11'


def test_a_row_that_is_not_there():
    with pytest.raises(IndexError):
        narrow(clip(), [3])
