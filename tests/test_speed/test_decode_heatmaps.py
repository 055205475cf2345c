# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Decoding in torch, beside MMPose's codecs, which decode map by map."""

import cv2
import numpy as np
import pytest
import torch
from mmpose.codecs import MegviiHeatmap, MSRAHeatmap, UDPHeatmap
from mmpose.registry import MODELS

from rpstn_mmpose.speed.decode_heatmaps import (
    check_decodable,
    decode_heatmaps,
    decode_to_numpy,
)
from tests.test_models.conftest import (
    CODEC,
    NUM_JOINTS,
    clip_sample,
    tiny_video_model,
)

W, H, K = 24, 32, 5
SIZES = dict(input_size=(96, 128), heatmap_size=(W, H))
QUARTER = MSRAHeatmap(sigma=2, **SIZES)
DARK = MSRAHeatmap(sigma=2, unbiased=True, **SIZES)
UDP = UDPHeatmap(**SIZES)
CODECS = dict(
    quarter=QUARTER,
    dark=DARK,
    dark_small_kernel=MSRAHeatmap(
        sigma=2, unbiased=True, blur_kernel_size=7, **SIZES
    ),
    udp=UDP,
    udp_large_kernel=UDPHeatmap(blur_kernel_size=17, **SIZES),
)


def gaussians(centers, sigma=2.0):
    """(..., 2) places in heatmap pixels to (..., H, W) maps."""
    y, x = np.mgrid[:H, :W]
    dx = x - np.asarray(centers, np.float64)[..., 0, None, None]
    dy = y - np.asarray(centers, np.float64)[..., 1, None, None]
    return np.exp(-(dx**2 + dy**2) / (2 * sigma**2)).astype(np.float32)


def smooth(num, sigma=3.0):
    """Maps of several hills and valleys, with values of both signs."""
    noise = np.random.default_rng(0).standard_normal((num, K, H, W))
    maps = [[cv2.GaussianBlur(m, (0, 0), sigma) for m in row] for row in noise]
    return np.float32(maps) * sigma


def outside_and_inside():
    """Peaks anywhere, also beyond the borders."""
    rng = np.random.default_rng(1)
    return gaussians(rng.uniform((-3, -3), (W + 2, H + 2), (40, K, 2)))


def everywhere():
    """Each pixel is the only one that is not zero, once."""
    maps = np.zeros((H * W, 1, H, W), np.float32)
    maps.reshape(H * W, -1)[np.arange(H * W), np.arange(H * W)] = 0.5
    return maps


def corners():
    maps = gaussians(
        [[[0, 0], [W - 1, 0], [0, H - 1], [W - 1, H - 1], [W - 2, H - 3]]]
    )
    return np.concatenate([maps, maps * 1e-2, maps * 80])


def ties():
    """Two equal peaks, a plateau, a plateau at the border, a row, and a
    constant."""
    maps = np.zeros((1, K, H, W), np.float32)
    maps[0, 0] = np.maximum(*gaussians([[6, 20], [17, 9]]))
    maps[0, 1] = np.minimum(gaussians([12, 15]), 0.8)
    maps[0, 2] = np.minimum(gaussians([1, 30], sigma=4.0), 0.5)
    maps[0, 3, 16] = 1
    maps[0, 4] = 0.3
    return maps


def without_a_place():
    """No value above zero in some maps; and good ones between them."""
    maps = outside_and_inside()[:8]
    maps[0, 0] = maps[1, K - 1] = maps[2, 2] = maps[2, 3] = 0
    maps[3, 1] = -1
    maps[4, 2] -= 3
    maps[5] = 0
    return maps


def too_low():
    """Below the limits where the codecs cut before the logarithm."""
    return (
        smooth(4)
        * np.float32([[1e-3], [1e-6], [1e-12], [1e-30]])[..., None, None]
    )


def not_a_number():
    maps = outside_and_inside()[:6]
    maps[0, 0, 4, 7] = maps[1, 1, 0, 0] = maps[2, 2, H - 1, W - 1] = np.nan
    maps[3, 3, 10:12, 11] = np.nan
    maps[4] = np.nan
    maps[5, 0, 9, 9], maps[5, 1, 9, 9] = np.inf, -np.inf
    return maps


MAPS = dict(
    smooth=lambda: smooth(10),
    peaks=outside_and_inside,
    noisy_peaks=lambda: outside_and_inside() + 1e-2 * smooth(40),
    everywhere=everywhere,
    corners=corners,
    ties=ties,
    without_a_place=without_a_place,
    too_low=too_low,
    not_a_number=not_a_number,
    one_joint=lambda: without_a_place()[:, :1],
    one_row=lambda: smooth(1),
)


def by_codec(maps, codec):
    with np.errstate(all='ignore'):
        rows = [codec.decode(row) for row in maps]
    return tuple(np.concatenate(parts) for parts in zip(*rows))


@pytest.mark.filterwarnings('ignore::RuntimeWarning')
@pytest.mark.parametrize('maps', MAPS)
@pytest.mark.parametrize('codec', CODECS)
def test_equal_to_the_codec(codec, maps):
    maps, codec = MAPS[maps](), CODECS[codec]
    keypoints, scores = by_codec(maps, codec)
    given = torch.from_numpy(maps.copy())
    got, got_scores = decode_to_numpy(given, codec)
    np.testing.assert_array_equal(given, maps)  # left as they were
    assert (got.dtype, got_scores.dtype) == (keypoints.dtype, scores.dtype)
    np.testing.assert_array_equal(got_scores, scores)
    # Flat peaks magnify how a CPU's libraries round, see the next test.
    np.testing.assert_allclose(got, keypoints, rtol=0, atol=1e-3)


def test_flat_peaks_magnify_rounding():
    """Why a place may differ by 2e-4 pixels, which it does on some CPUs and
    not on others: of a joint beyond the border the blurred map has a flank
    that is almost flat there, and the codec divides by its curvature. The
    codec's own place of this one joint moves as far where the map changes by
    2^-22 of its values. All others stay within 1e-4."""
    maps, codec = outside_and_inside(), CODECS['udp_large_kernel']
    keypoints, _ = by_codec(maps, codec)
    rng = np.random.default_rng(0)
    moved = np.zeros(keypoints.shape[:2])
    for _ in range(4):
        noise = 1 + rng.uniform(-1, 1, maps.shape) * 2**-22
        other, _ = by_codec((maps * noise).astype(np.float32), codec)
        moved = np.fmax(moved, np.abs(other - keypoints).max(axis=-1))
    flat = moved > 1e-4
    assert flat.sum() == 1 and moved[flat] < 1e-3
    got, _ = decode_to_numpy(torch.from_numpy(maps), codec)
    difference = np.abs(got - keypoints).max(axis=-1)
    assert difference[~flat].max() < 1e-4


def test_places_by_hand():
    """Peak at (5, 9), the right and the upper neighbour higher than the
    left and the lower one: (5.25, 8.75) of pixels of 4."""
    maps = np.zeros((1, 4, H, W), np.float32)
    maps[0, 0, 9, 4:7] = 0.2, 0.9, 0.3
    maps[0, 0, 8, 5], maps[0, 0, 10, 5] = 0.5, 0.1
    # The first two columns and the last are not refined in x; y is.
    maps[0, 1, 9, 1:3] = 0.7, 0.6
    maps[0, 1, 10, 1] = 0.1
    # Two equal peaks: the one that is read first.
    maps[0, 2, 20, 3] = maps[0, 2, 12, 18] = 0.4
    maps[0, 3] = -0.5
    keypoints, scores = decode_heatmaps(torch.from_numpy(maps), QUARTER)
    expected = [[21.0, 35.0], [4.0, 37.0], [72.0, 48.0], [-4.0, -4.0]]
    assert keypoints[0].tolist() == expected
    torch.testing.assert_close(scores[0], torch.tensor([0.9, 0.7, 0.4, -0.5]))


@pytest.mark.parametrize('codec', [DARK, UDP])
def test_truth_is_found_between_the_pixels(codec):
    """DARK is exact for a Gaussian, but for the finite kernel. (UDP: MMPose
    encodes with (size - 1) / (W - 1) and decodes with size / (W - 1).)"""
    rng = np.random.default_rng(3)
    places = rng.uniform((8, 8), (W - 9, H - 9), (6, K, 2))
    keypoints, scores = decode_heatmaps(
        torch.from_numpy(gaussians(places)), codec
    )
    scale = np.divide((96, 128), (W, H) if codec is DARK else (W - 1, H - 1))
    assert np.abs(keypoints.numpy() - places * scale).max() < 0.02
    assert np.abs((places - np.round(places)) * scale).max() > 1.5


@pytest.mark.parametrize('codec', [QUARTER, DARK, UDP])
def test_any_memory_order_and_precision(codec):
    maps = torch.from_numpy(outside_and_inside())
    expected, scores = decode_heatmaps(maps, codec)
    last = maps.contiguous(memory_format=torch.channels_last)
    expanded = maps[:1].expand(3, -1, -1, -1)
    for given, rows in ((last, 40), (expanded, 1)):
        got, got_scores = decode_heatmaps(given, codec)
        torch.testing.assert_close(got[:rows], expected[:rows])
        torch.testing.assert_close(got_scores[:rows], scores[:rows])
    exact, _ = decode_heatmaps(maps.double(), codec)
    torch.testing.assert_close(exact, expected, atol=1e-4, rtol=0)
    half, half_scores = decode_heatmaps(maps.bfloat16(), codec)
    rounded, _ = decode_heatmaps(maps.bfloat16().float(), codec)
    torch.testing.assert_close(half, rounded)
    assert half_scores.dtype == torch.float32


def test_autocast_and_low_matmul_precision_change_nothing():
    maps = torch.from_numpy(outside_and_inside())
    expected = decode_heatmaps(maps, DARK)[0]
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision('medium')
    try:
        with torch.autocast('cpu', dtype=torch.bfloat16):
            got = decode_heatmaps(maps, DARK)[0]
    finally:
        torch.set_float32_matmul_precision(precision)
    assert torch.equal(got, expected)


def test_what_it_does_not_know():

    class Other(MSRAHeatmap):
        def decode(self, encoded):
            raise AssertionError('not called')

    for codec, message in (
        (MegviiHeatmap(kernel_size=11, **SIZES), 'not for MegviiHeatmap;'),
        (Other(sigma=2, **SIZES), 'not for Other;'),
        (
            UDPHeatmap(heatmap_type='combined', **SIZES),
            "not for UDPHeatmap of type 'combined'",
        ),
        (None, 'not for NoneType;'),
        (
            MSRAHeatmap(sigma=2, blur_kernel_size=4, unbiased=True, **SIZES),
            'odd number from 3 on, but got 4',
        ),
        (UDPHeatmap(blur_kernel_size=1, **SIZES), 'from 3 on, but got 1'),
    ):
        with pytest.raises(ValueError, match=message):
            check_decodable(codec)
        with pytest.raises(ValueError, match=message):
            decode_heatmaps(torch.zeros(1, K, H, W), codec)
    with pytest.raises(ValueError, match=r'\(N, K, h, w\), but got \(5, '):
        decode_heatmaps(torch.zeros(K, H, W), QUARTER)
    # Its kernel is of no use to it.
    check_decodable(MSRAHeatmap(sigma=2, blur_kernel_size=4, **SIZES))


def model(decoder=CODEC, **test_cfg):
    config = tiny_video_model(test_cfg=test_cfg)
    config['head']['decoder'] = decoder
    torch.manual_seed(0)
    net = MODELS.build(config)
    for parameter in net.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    return net.eval()


UNBIASED = dict(CODEC, unbiased=True)
UDP_CONFIG = dict(
    type='UDPHeatmap', input_size=(64, 64), heatmap_size=(16, 16)
)


@pytest.mark.parametrize('decoder', [CODEC, UNBIASED, UDP_CONFIG])
@pytest.mark.parametrize('length', [1, 3])
def test_predictions_of_a_model(monkeypatch, decoder, length):
    inputs = torch.randn(2, length, 3, 64, 64)

    def predict(net):
        samples = [clip_sample(length, seed=seed) for seed in (0, 1)]
        for row, sample in enumerate(samples):
            sample.metainfo['input_center'][:] += 30 * row
        with torch.no_grad():
            samples = net(inputs, samples, mode='predict')
        return [sample.pred_instances for sample in samples]

    options = dict(flip_test=True, output_keypoint_indices=[2, 0])
    expected = predict(model(decoder, **options))
    net = model(decoder, decode_on_device=True, **options)
    monkeypatch.setattr(net.head, 'decode', None)  # not called
    for a, b in zip(predict(net), expected):
        assert sorted(a.keys()) == sorted(b.keys())
        assert a.keypoints.shape == (length, 2, 2)
        for key, value in b.items():
            assert type(a[key]) is type(value) and a[key].shape == value.shape
            assert a[key].dtype == value.dtype
            np.testing.assert_allclose(a[key], value, rtol=0, atol=1e-3)


def test_results_do_not_share_memory():
    """Each sample's keypoints are turned to image pixels in place."""
    net = model(decode_on_device=True)
    maps = torch.rand(2, 3, NUM_JOINTS, 16, 16)
    first, second = net.decode_clip(maps)
    kept = second.keypoints.copy(), second.keypoint_scores.copy()
    first.keypoints[:] = 0
    first.keypoint_scores[:] = 0
    np.testing.assert_array_equal(second.keypoints, kept[0])
    np.testing.assert_array_equal(second.keypoint_scores, kept[1])


def test_model_with_another_codec():
    decoder = dict(
        type='MegviiHeatmap',
        input_size=(64, 64),
        heatmap_size=(16, 16),
        kernel_size=5,
    )
    model(decoder)
    with pytest.raises(ValueError, match='not for MegviiHeatmap'):
        model(decoder, decode_on_device=True)
