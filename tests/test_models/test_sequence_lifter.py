# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""MMPose's lifting parts on windows, on sequences and mirrored."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.registry import DATASETS, METRICS, MODELS
from mmpose.structures import PoseDataSample

from tests.real_data import require_real_data

CODEC = dict(type='VideoPoseLifting', num_keypoints=4)
FLIP = [0, 2, 1, 3]


def lifter(strided=False, **kwargs):
    torch.manual_seed(0)
    kwargs = {'before': 4, 'after': 4, **kwargs}
    return MODELS.build(
        dict(
            type='SequenceLifter',
            backbone=dict(
                type='TCN',
                in_channels=12,
                stem_channels=8,
                num_blocks=1,
                kernel_sizes=(3, 3),
                use_stride_conv=strided,
            ),
            head=dict(
                type='TemporalRegressionHead',
                in_channels=8,
                num_joints=4,
                loss=dict(type='MPJPELoss'),
                decoder=CODEC,
            ),
            **kwargs,
        )
    ).eval()


def sample(length, seed=0, **meta):
    rng = np.random.default_rng(seed)
    data = PoseDataSample(metainfo=dict(flip_indices=FLIP, **meta))
    data.gt_instances = InstanceData(
        keypoints=rng.random((length, 4, 2), np.float32)
    )
    data.gt_instance_labels = InstanceData(
        lifting_target_label=torch.rand(length, 4, 3),
        lifting_target_weight=torch.ones(length, 4),
    )
    return data


def test_a_sequence_is_its_windows():
    model = lifter()
    x = torch.rand(2, 13, 4, 3)
    whole = model(x, None, mode='tensor')
    assert whole.shape == (2, 5, 4, 3)
    for t in range(5):
        one = model(x[:, t : t + 9], None, mode='tensor')
        torch.testing.assert_close(one, whole[:, t : t + 1])
    predicted = model(x, [sample(13), sample(13)], mode='predict')
    for poses, data in zip(whole, predicted):
        people = data.pred_instances
        np.testing.assert_array_equal(people.keypoints, poses.detach())
        assert people.keypoint_scores.tolist() == [[1] * 4] * 5
        np.testing.assert_array_equal(
            data.gt_instances.keypoints, sample(13).gt_instances.keypoints[4:9]
        )


def test_the_loss_is_that_of_the_answered_frames():
    model = lifter()
    x = torch.rand(2, 11, 4, 3)
    samples = [sample(11), sample(11)]
    poses = model(x, None)
    expected = 0
    for found, data in zip(poses, samples):
        true = data.gt_instance_labels.lifting_target_label[4:7]
        expected += (found - true).norm(dim=-1).mean() / 2
    found = model(x, samples, mode='loss')
    torch.testing.assert_close(found['loss_pose3d'], expected)


def test_the_root_is_given_back():
    root = np.array([[0.0, 1, 5], [0, 2, 6]], np.float32)
    model = lifter()
    x = torch.rand(1, 10, 4, 3)
    (data,) = model(x, [sample(10, target_root=root)], mode='predict')
    expected = model(x, None)[0].detach().numpy() + root[:, None]
    np.testing.assert_allclose(data.pred_instances.keypoints, expected)


class TestFlip:
    def test_by_hand(self):
        """The mean of the pose and that of the mirrored sequence."""
        model = lifter(test_cfg=dict(flip_test=True))
        x = torch.rand(1, 9, 4, 3) - 0.5
        mirror = x[:, :, FLIP] * torch.tensor([-1.0, 1, 1])
        other = model(mirror, None)[:, :, FLIP]
        other = other * torch.tensor([-1.0, 1, 1])
        expected = (model(x, None) + other)[0] / 2
        before = x.clone()
        (data,) = model(x, [sample(9)], mode='predict')
        assert torch.equal(x, before)
        np.testing.assert_allclose(
            data.pred_instances.keypoints, expected.detach(), atol=1e-6
        )

    def test_mirrored_in_mirrored_out(self):
        model = lifter(test_cfg=dict(flip_test=True))
        x = torch.rand(1, 9, 4, 3) - 0.5
        mirror = x[:, :, FLIP] * torch.tensor([-1.0, 1, 1])
        (one,) = model(x, [sample(9)], mode='predict')
        (two,) = model(mirror, [sample(9)], mode='predict')
        np.testing.assert_allclose(
            two.pred_instances.keypoints,
            one.pred_instances.keypoints[:, FLIP] * [-1, 1, 1],
            atol=1e-6,
        )


@pytest.mark.parametrize('shape', [(1, 8, 4, 3), (9, 4, 3)])
def test_too_few_frames(shape):
    with pytest.raises(ValueError, match='of at least 9 frames, but got'):
        lifter()(torch.rand(shape), None)


def test_how_many_frames_has_to_be_known():
    with pytest.raises(ValueError, match='a TCN does not tell how many'):
        lifter(before=None, after=None)
    with pytest.raises(ValueError, match='at least 0, but got -1 and 0'):
        lifter(before=-1, after=None)


def test_mmposes_own_files():
    """Human36mDataset and its metric, whose samples have the answered row
    alone, without a change but for the order of the inputs."""
    folder = require_real_data('mmpose_samples/h36m')
    init_default_scope('mmpose')
    codec = dict(CODEC, num_keypoints=17, reshape_keypoints=False)
    keys = ('target_img_path', 'target_root', 'flip_indices')
    data = DATASETS.build(
        dict(
            type='Human36mDataset',
            ann_file='test_h36m_body3d.npz',
            seq_len=9,
            causal=False,
            pad_video_seq=True,
            camera_param_file='cameras.pkl',
            data_root=str(folder),
            pipeline=[
                dict(type='GenerateTarget', encoder=codec),
                dict(type='PackPoseInputs', meta_keys=keys),
            ],
        )
    )
    model = lifter()
    torch.manual_seed(0)
    model.backbone = MODELS.build(
        dict(
            type='TCN',
            in_channels=34,
            stem_channels=8,
            num_blocks=1,
            kernel_sizes=(3, 3),
        )
    )
    model.backbone.eval()
    model.head = MODELS.build(
        dict(
            type='TemporalRegressionHead',
            in_channels=8,
            num_joints=17,
            loss=dict(type='MPJPELoss'),
            decoder=codec,
        )
    )
    batch = pseudo_collate([data[0], data[1]])
    stock = METRICS.build(dict(type='MPJPE', mode='mpjpe'))
    samples = model.test_step(batch)
    stock.process(batch, [sample.to_dict() for sample in samples])
    errors = [
        np.linalg.norm(
            s.pred_instances.keypoints - s.gt_instances.lifting_target, axis=-1
        ).mean()
        for s in samples
    ]
    (found,) = [
        value
        for name, value in stock.compute_metrics(stock.results).items()
        if name == 'MPJPE'
    ]
    assert found == pytest.approx(np.mean(errors), rel=1e-5)
    losses = model(torch.stack(batch['inputs']), batch['data_samples'], 'loss')
    assert losses['loss_pose3d'].item() == pytest.approx(found, rel=1e-4)
