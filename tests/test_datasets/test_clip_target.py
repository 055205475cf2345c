# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import math

import numpy as np
import pytest
from mmpose.registry import KEYPOINT_CODECS

from rpstn_mmpose.datasets.transforms import GenerateClipTarget

CODEC = dict(
    type='MSRAHeatmap', input_size=(64, 64), heatmap_size=(16, 16), sigma=2
)


def clip(**kwargs):
    """Input pixel 4 * i is heatmap pixel i."""
    values = dict(
        transformed_keypoints=np.array(
            [[(8, 12), (20, 24), (32, 32)], [(40, 8), (16, 16), (999, 0)]],
            np.float32,
        ),
        keypoints_visible=np.array([(1, 0, 0), (1, 1, 1)], np.float32),
        keypoints_labeled=np.array([(1, 1, 0), (1, 1, 1)], np.float32),
        dataset_keypoint_weights=np.array([1.0, 2.0, 4.0], np.float32),
    )
    return {**values, **kwargs}


def test_gaussians_by_hand():
    results = GenerateClipTarget(encoder=CODEC)(clip())
    heatmaps = results['heatmaps']
    assert heatmaps.shape == (2, 3, 16, 16) and heatmaps.dtype == np.float32
    assert heatmaps[0, 0, 3, 2] == 1
    np.testing.assert_allclose(
        heatmaps[0, 0, 4, 4], math.exp(-(1 + 4) / (2 * 2**2)), rtol=1e-6
    )
    assert heatmaps[1, 0, 2, 10] == 1 and heatmaps[1, 1, 4, 4] == 1
    # Hidden, unlabelled, outside of the crop: no target and no weight.
    assert not heatmaps[0, 1:].any() and not heatmaps[1, 2].any()
    assert results['keypoint_weights'].tolist() == [[1, 0, 0], [1, 1, 0]]
    assert results['keypoint_weights'].dtype == np.float32


def test_occluded_joints_can_take_part():
    results = GenerateClipTarget(encoder=CODEC, occluded_weight=0.25)(clip())
    assert results['keypoint_weights'].tolist() == [[1, 0.25, 0], [1, 1, 0]]
    assert results['heatmaps'][0, 1, 6, 5] == 1
    assert not results['heatmaps'][0, 2].any()


def test_frames_that_are_not_wanted_weigh_nothing():
    results = GenerateClipTarget(encoder=CODEC)(
        clip(frame_mask=np.array([True, False]))
    )
    assert results['keypoint_weights'].tolist() == [[1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize('kind', ['MSRAHeatmap', 'UDPHeatmap'])
def test_frames_that_are_not_wanted_are_not_encoded(kind, monkeypatch):
    codec = dict(CODEC, type=kind)
    transform = GenerateClipTarget(encoder=codec)
    full = transform(clip())
    calls = []
    encode = transform.encoder.encode

    def counted(*args, **kwargs):
        calls.append(1)
        return encode(*args, **kwargs)

    monkeypatch.setattr(transform.encoder, 'encode', counted)
    part = transform(clip(frame_mask=np.array([False, True])))
    assert len(calls) == (kind == 'UDPHeatmap')
    # The wanted row is the same number for number, the other one is empty.
    for key in ('heatmaps', 'keypoint_weights'):
        np.testing.assert_array_equal(part[key][1], full[key][1])
        assert part[key].shape == full[key].shape
        assert part[key].dtype == full[key].dtype
        assert full[key][0].any() and not part[key][0].any()
    none = transform(clip(frame_mask=np.zeros(2, bool)))
    assert not none['keypoint_weights'].any()


def test_joint_weights_of_the_data_set():
    transform = GenerateClipTarget(
        encoder=CODEC, occluded_weight=0.5, use_dataset_keypoint_weights=True
    )
    weights = transform(clip())['keypoint_weights']
    assert weights.tolist() == [[1, 1, 0], [1, 2, 0]]


def test_ground_truth_stays_as_it_is():
    before = clip()
    results = GenerateClipTarget(encoder=CODEC, occluded_weight=1.0)(clip())
    for key in before:
        assert np.array_equal(results[key], before[key])


def test_everything_is_packed_as_labels():
    results = GenerateClipTarget(encoder=CODEC)(clip())
    assert results['field_mapping_table'] == {}
    assert results['label_mapping_table'] == dict(
        heatmaps='heatmaps', keypoint_weights='keypoint_weights'
    )


def test_other_codecs():
    simcc = dict(
        type='SimCCLabel',
        input_size=(64, 64),
        smoothing_type='gaussian',
        sigma=6.0,
        simcc_split_ratio=1.0,
    )
    results = GenerateClipTarget(encoder=simcc)(clip())
    assert results['keypoint_x_labels'].shape == (2, 3, 64)
    assert results['keypoint_x_labels'][1, 0].argmax() == 40
    assert results['keypoint_y_labels'][0, 0].argmax() == 12


@pytest.mark.parametrize('sigma', [1, 1.5, 2])
def test_targets_are_those_of_the_codec(sigma):
    """Frame by frame, with joints on, over and beyond every border."""
    codec = dict(CODEC, sigma=sigma, heatmap_size=(16, 12))
    encoder = KEYPOINT_CODECS.build(codec)
    rng = np.random.RandomState(0)
    keypoints = (rng.rand(40, 6, 2) * 130 - 33).astype(np.float32)
    visible = (rng.rand(40, 6) > 0.2).astype(np.float32)
    results = GenerateClipTarget(encoder=codec)(
        dict(transformed_keypoints=keypoints, keypoints_visible=visible)
    )
    outside = 0
    for row in range(40):
        expected = encoder.encode(
            keypoints[row : row + 1], visible[row : row + 1]
        )
        np.testing.assert_array_equal(
            results['heatmaps'][row], expected['heatmaps']
        )
        np.testing.assert_array_equal(
            results['keypoint_weights'][row], expected['keypoint_weights'][0]
        )
        outside += (expected['keypoint_weights'][0] < visible[row]).sum()
    assert outside > 10
    assert results['heatmaps'].dtype == np.float32


def test_bad_arguments():
    with pytest.raises(ValueError, match='one encoder, but got 2'):
        GenerateClipTarget(encoder=[CODEC, CODEC])
    for weight in (-0.1, 1.5):
        with pytest.raises(ValueError, match='must lie in 0 to 1'):
            GenerateClipTarget(encoder=CODEC, occluded_weight=weight)
