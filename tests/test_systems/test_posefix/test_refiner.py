# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The network, its losses and its decoding, by hand."""

import math

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from mmpose.utils import register_all_modules

import rpstn_mmpose  # noqa: F401, registers
from rpstn_mmpose.systems.posefix.coarse_to_fine_loss import (
    expected_points,
    spread_points,
)
from rpstn_mmpose.systems.posefix.estimator import pose_maps

from ...test_apis.tiny import build as build_lively

register_all_modules()

JOINTS, WIDTH, HEIGHT = 3, 32, 64


def config(relation=None, **options):
    return dict(
        type='PoseRefiner',
        sigma=2.0,
        data_preprocessor=dict(
            type='PoseDataPreprocessor',
            mean=[120.0] * 3,
            std=[50.0] * 3,
            bgr_to_rgb=True,
        ),
        backbone=dict(
            type='ResNet', depth=18, stem_channels=8, base_channels=8
        ),
        head=dict(
            type='PoseFixHead',
            in_channels=64,
            out_channels=JOINTS,
            deconv_out_channels=(8, 8, 8),
            relation=relation,
            decoder=dict(type='RegressionLabel', input_size=(WIDTH, HEIGHT)),
        ),
        test_cfg=dict(flip_test=True),
        **options,
    )


def build(*args, **options):
    torch.manual_seed(0)
    model = MODELS.build(config(*args, **options))
    model.init_weights()
    return model


def sample(pose, size=(WIDTH, HEIGHT)):
    out = PoseDataSample(
        metainfo=dict(
            input_size=size,
            input_center=np.array([50.0, 60.0]),
            input_scale=np.array([64.0, 128.0]),
            flip_indices=[0, 2, 1],
        )
    )
    out.gt_instances = InstanceData(
        bboxes=np.zeros((1, 4)),
        bbox_scores=np.ones(1),
        input_poses=np.asarray(pose, np.float32)[None],
    )
    return out


POSE = [[10.0, 20.0, 0.5], [math.nan, math.nan, 0.0], [31.0, 63.0, 0.7]]


def test_maps_by_hand():
    """Sigma 2: exp(-(3^2 + 4^2) / 8) three pixels right and four down."""
    maps = pose_maps(torch.tensor([POSE]), (HEIGHT, WIDTH), 2.0)
    assert maps.shape == (1, 3, HEIGHT, WIDTH)
    assert maps[0, 0, 20, 10] == 1
    assert maps[0, 0, 24, 13].item() == pytest.approx(math.exp(-25 / 8))
    assert not maps[0, 1].any()
    assert maps[0, 2, 63, 31] == 1


def test_maps_are_scaled_like_the_image():
    """255 grey levels, as the image divided by 50."""
    model = build()
    inputs = model.with_pose(
        torch.zeros(1, 3, HEIGHT, WIDTH), torch.tensor([POSE])
    )
    assert inputs.shape == (1, 6, HEIGHT, WIDTH)
    assert inputs[0, 3, 20, 10].item() == pytest.approx(255 / 50)
    plain = build(level=0)
    assert not plain.with_pose(
        torch.zeros(1, 3, HEIGHT, WIDTH), torch.tensor([POSE])
    ).any()


def test_first_convolution_is_that_of_all_channels():
    """A convolution of 3 + K channels; the image's weights keep their name,
    so that the checkpoint of an image model lacks the pose's alone."""
    model = build()
    conv = model.backbone.conv1
    inputs = torch.randn(2, 6, HEIGHT, WIDTH)
    whole = torch.nn.Conv2d(6, 8, 7, stride=2, padding=3, bias=False)
    with torch.no_grad():
        whole.weight.copy_(torch.cat([conv.weight, conv.pose_weight], 1))
    torch.testing.assert_close(conv(inputs), whole(inputs))
    plain = dict(config()['backbone'])
    theirs = MODELS.build(plain).state_dict()
    missing = model.backbone.load_state_dict(theirs, strict=False)
    assert missing.missing_keys == ['conv1.pose_weight']
    assert missing.unexpected_keys == []
    assert conv.pose_weight.std() > 0


def test_decoding_by_hand():
    """One pixel; two pixels alike; a softmax of 1 and 3."""
    logits = torch.full((1, 3, 4, 5), -1e4)
    logits[0, 0, 2, 3] = 0
    logits[0, 1, 0, 1] = logits[0, 1, 3, 4] = 7
    logits[0, 2, 1, 0], logits[0, 2, 1, 4] = 0, math.log(3)
    points = expected_points(logits)
    torch.testing.assert_close(
        points, torch.tensor([[[3.0, 2.0], [2.5, 1.5], [3.0, 1.0]]])
    )
    # a map of 8 x 16 over a crop of 32 x 64: four pixels of the crop each
    head = build().head
    logits = torch.full((1, 3, 16, 8), -1e4)
    logits[0, :, 5, 6] = 0
    pred = head.decode(head.shares(logits)[:, None])[0]
    np.testing.assert_allclose(pred.keypoints[0], [[24, 20]] * 3)


def test_target_of_four_cells():
    """(1.25, 2.5): shares 0.375 left, 0.125 right, of both rows. In the
    corner one cell is left."""
    points = torch.tensor([[[1.25, 2.5], [4.75, 3.5], [2.0, 1.0]]])
    cells, shares = spread_points(points, (4, 5))
    maps = torch.zeros(3, 20)
    maps.scatter_add_(1, cells[0], shares[0])
    maps = maps.view(3, 4, 5)
    expected = torch.zeros(3, 4, 5)
    expected[0, 2:4, 1], expected[0, 2:4, 2] = 0.375, 0.125
    expected[1, 3, 4] = 1  # of 0.25 * 0.5
    expected[2, 1, 2] = 1
    torch.testing.assert_close(maps, expected)


def test_losses_by_hand():
    """Even logits over 4 x 5 pixels: entropy ln 20 of every joint that
    counts, mean at (2, 1.5). Two of three joints count."""
    loss = MODELS.build(dict(type='CoarseToFineLoss'))
    points = torch.tensor([[[1.0, 2.5], [2.25, 0.0], [99.0, math.nan]]])
    weights = torch.tensor([[1.0, 1.0, 0.0]])
    logits = torch.zeros(1, 3, 4, 5, requires_grad=True)
    of_maps, of_points = loss(logits, points, weights)
    assert of_maps.item() == pytest.approx(2 * math.log(20) / 3)
    # |2 - 1| + |1.5 - 2.5| + |2 - 2.25| + |1.5 - 0|, of 6 numbers
    assert of_points.item() == pytest.approx((1 + 1 + 0.25 + 1.5) / 6)
    (of_maps + of_points).backward()
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[0, 2].any() and logits.grad[0, 0].any()
    doubled = MODELS.build(
        dict(type='CoarseToFineLoss', heatmap_weight=0, coordinate_weight=2)
    )
    of_maps, of_points = doubled(logits, points, weights)
    assert of_maps == 0 and of_points.item() == pytest.approx(3.75 / 3)


def test_losses_of_the_network():
    """``keypoint_labels`` are shares of the crop, as RegressionLabel makes
    them; (8, 32) of 32 x 64 is (2, 8) of a map of 8 x 16."""
    model = build()
    samples = [sample(POSE)]
    samples[0].gt_instance_labels = InstanceData(
        keypoint_labels=torch.tensor([[[0.25, 0.5]] * 3]),
        keypoint_weights=torch.tensor([[1.0, 0.0, 0.0]]),
    )
    # even logits have their mean at (3.5, 7.5)
    torch.nn.init.zeros_(model.head.final_layer.weight)
    torch.nn.init.zeros_(model.head.final_layer.bias)
    inputs = torch.rand(1, 3, HEIGHT, WIDTH)
    losses = model.loss(inputs, samples)
    assert losses['loss_coordinate'].item() == pytest.approx((1.5 + 0.5) / 6)
    assert losses['loss_heatmap'].item() == pytest.approx(
        math.log(128) / 3, rel=1e-6
    )


def test_relation_is_the_identity_at_first():
    """So a trained PoseFix is a start; 2 K^2 weights are all it adds."""
    plain = build_lively(config())
    related = build(relation=dict(type='JointRelationExtractor')).eval()
    state = plain.state_dict()
    missing = related.load_state_dict(state, strict=False).missing_keys
    assert missing == [
        'head.relation.conv_g.weight',
        'head.relation.conv_o.weight',
    ]
    inputs = torch.rand(1, 3, HEIGHT, WIDTH)
    with torch.no_grad():
        expected, got = (
            m.predict(inputs, [sample(POSE)])[0].pred_instances
            for m in (plain, related)
        )
        np.testing.assert_array_equal(got.keypoints, expected.keypoints)
        related.head.relation.conv_o.weight.fill_(1)
        got = related.predict(inputs, [sample(POSE)])[0].pred_instances
    assert abs(got.keypoints - expected.keypoints).max() > 1e-3
    new = sum(p.numel() for p in related.parameters()) - sum(
        p.numel() for p in plain.parameters()
    )
    assert new == 2 * JOINTS**2


def mirror_of(image, pose):
    """Image and pose as in a mirror; joints 1 and 2 are left and right."""
    pose = np.array(pose)[[0, 2, 1]]
    pose[:, 0] = WIDTH - 1 - pose[:, 0]
    return image.flip(-1), pose


def test_flip_test_means_both_and_is_the_same_in_a_mirror():
    """Places of the crop and of the mirrored crop with the mirrored pose,
    x -> W - 1 - x, averaged; so a mirrored input gives mirrored poses."""
    model = build_lively(config())
    with torch.no_grad():
        model.head.final_layer.weight.mul_(300)
    inputs = torch.rand(1, 3, HEIGHT, WIDTH)
    flipped, pose = mirror_of(inputs, POSE)

    def places(image, pose, flip_test):
        model.test_cfg['flip_test'] = flip_test
        with torch.no_grad():
            found = model.predict(image, [sample(pose)])[0].pred_instances
        # back into the crop: 64 pixels of the picture are 32 of the crop
        return (found.keypoints[0] - [50, 60]) / 2 + [16, 32]

    one, other = places(inputs, POSE, False), places(flipped, pose, False)
    assert abs(one[:, 0].mean() - other[:, 0].mean()) > 0.01
    back = other[[0, 2, 1]] * [-1, 1] + [WIDTH - 1, 0]
    both = places(inputs, POSE, True)
    np.testing.assert_allclose(both, (one + back) / 2, atol=1e-4)
    in_mirror = places(flipped, pose, True)
    np.testing.assert_allclose(
        in_mirror[[0, 2, 1]] * [-1, 1] + [WIDTH - 1, 0], both, atol=1e-4
    )


def test_scores_are_those_of_the_input():
    """The absent joint's is the mean of 0.5 and 0.7."""
    model = build().eval()
    inputs = torch.rand(2, 3, HEIGHT, WIDTH)
    nothing = [[math.nan, math.nan, 0.0]] * 3
    with torch.no_grad():
        found = model.predict(inputs, [sample(POSE), sample(nothing)])
    scores = [f.pred_instances.keypoint_scores[0] for f in found]
    np.testing.assert_allclose(scores[0], [0.5, 0.6, 0.7])
    np.testing.assert_allclose(scores[1], [0, 0, 0])
    assert np.isfinite(found[1].pred_instances.keypoints).all()


def test_distributions_are_given_as_fields():
    model = build().eval()
    model.test_cfg['output_heatmaps'] = True
    with torch.no_grad():
        found = model.predict(torch.rand(1, 3, HEIGHT, WIDTH), [sample(POSE)])
    maps = found[0].pred_fields.heatmaps
    assert maps.shape == (JOINTS, 16, 8)
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(JOINTS))


def test_an_image_alone_is_an_empty_pose():
    """As MMPose's 'tensor' mode asks, which knows no samples."""
    model = build().eval()
    inputs = torch.rand(1, 3, HEIGHT, WIDTH)
    with torch.no_grad():
        alone = model(inputs, None, mode='tensor')
        empty = model(
            torch.cat([inputs, torch.zeros(1, 3, HEIGHT, WIDTH)], 1),
            None,
            mode='tensor',
        )
    torch.testing.assert_close(alone, empty)


def test_bad_options_and_samples():
    with pytest.raises(ValueError, match='sigma must be above 0'):
        MODELS.build(dict(config(), sigma=0))
    grey = dict(config()['backbone'], in_channels=1)
    with pytest.raises(ValueError, match='first convolution of ResNet takes'):
        MODELS.build(dict(config(), backbone=grey))
    lost = sample(POSE)
    del lost.gt_instances.input_poses
    with pytest.raises(ValueError, match='AddInputPose'):
        build().loss(torch.rand(1, 3, HEIGHT, WIDTH), [lost])
