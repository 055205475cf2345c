# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import math

import pytest
import torch
from mmpose.registry import MODELS
from torch import nn

from rpstn_mmpose.systems.posewarper import HeatmapWarper

K, H, W = 3, 9, 8


def tiny(**options):
    options = dict(
        num_joints=K, inner_channels=4, num_blocks=2, dilations=(1, 3)
    ) | dict(options)
    warper = MODELS.build(dict(type='HeatmapWarper', **options))
    warper.init_weights()
    return warper.eval()


def randomized(**options):
    """With weights that move joints by a pixel or two."""
    warper = tiny(**options)
    generator = torch.Generator().manual_seed(1)
    for name, value in warper.state_dict().items():
        if name.endswith('num_batches_tracked'):
            continue
        noise = torch.randn(value.shape, generator=generator) * 0.3
        value.copy_(noise.abs() + 0.5 if 'running_var' in name else noise)
    return warper


def bilinear(image, y, x):
    """Of a list of rows; nothing lies outside."""
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < len(image) and 0 <= column < len(image[0]):
                part = (1 - abs(y - row)) * (1 - abs(x - column))
                total += part * image[row][column]
    return total


def loop(heatmaps, offsets, weight, dilation):
    """The operator, a number at a time."""
    maps, taps = heatmaps.tolist(), offsets.tolist()
    out = torch.zeros(len(weight), H, W)
    for joint in range(len(weight)):
        for y in range(H):
            for x in range(W):
                for source in range(K):
                    for i in range(3):
                        for j in range(3):
                            tap = 18 * source + 2 * (3 * i + j)
                            out[joint, y, x] += weight[
                                joint, source, i, j
                            ] * bilinear(
                                maps[source],
                                y + dilation * (i - 1) + taps[tap][y][x],
                                x + dilation * (j - 1) + taps[tap + 1][y][x],
                            )
    return out


def test_operator_against_a_loop():
    """Offsets of several pixels, also to places outside of the maps."""
    warper = randomized()
    heatmaps = torch.rand(1, K, H, W)
    offsets = [torch.randn(1, 18 * K, H, W) * 3 for _ in range(2)]
    with torch.no_grad():
        found = warper.warp(heatmaps, offsets)[0]
        expected = sum(
            loop(heatmaps[0], offset[0], layer.weight, dilation)
            for offset, layer, dilation in zip(
                offsets, warper.deform_conv_layers, (1, 3)
            )
        )
    torch.testing.assert_close(found, expected / 2, rtol=1e-4, atol=1e-5)


def test_gradients_by_finite_differences():
    warper = randomized(num_blocks=1, inner_channels=2).double()
    maps = torch.rand(1, K, H, W, dtype=torch.double, requires_grad=True)
    offsets = torch.randn(1, 18 * K, H, W, dtype=torch.double) * 2
    # Away from whole pixels, where the slope changes.
    offsets = (offsets.floor() + 0.2 + 0.6 * torch.rand_like(offsets)).detach()
    offsets.requires_grad_()
    layer = warper.deform_conv_layers[0]
    layer.weight.requires_grad_()

    def operator(maps, offsets, weight):
        return torch.func.functional_call(
            layer, dict(weight=weight), (maps, offsets)
        )

    assert torch.autograd.gradcheck(
        operator, (maps, offsets, layer.weight), fast_mode=True
    )


def test_all_weights_learn():
    """Gradients reach the residual blocks once the offsets have moved."""
    warper = randomized().train()
    maps = torch.rand(2, K, H, W)
    warper(maps - maps.flip(0), maps).square().mean().backward()
    for name, value in warper.named_parameters():
        assert value.grad is not None and value.grad.abs().max() > 0, name


@pytest.mark.parametrize('reduction, factor', [('mean', 1), ('sum', 2)])
def test_a_new_warper_copies(reduction, factor):
    warper = tiny(reduction=reduction)
    maps = torch.rand(2, K, H, W)
    found = warper(torch.randn(2, K, H, W), maps)
    torch.testing.assert_close(found, factor * maps)


def test_a_constant_offset_shifts():
    """Down 2, right 1: each pixel shows what lies there."""
    warper = tiny(dilations=(1,))
    maps = torch.rand(1, K, H, W)
    offsets = torch.empty(1, 9 * K, 2, H, W)
    offsets[:, :, 0], offsets[:, :, 1] = 2.0, 1.0
    found = warper.warp(maps, [offsets.flatten(1, 2)])
    expected = torch.zeros_like(maps)
    expected[..., :-2, :-1] = maps[..., 2:, 1:]
    torch.testing.assert_close(found, expected)


def test_linear_in_what_is_warped():
    warper = randomized()
    difference = torch.randn(1, K, H, W)
    one, other = torch.rand(2, 1, K, H, W)
    with torch.no_grad():
        torch.testing.assert_close(
            warper(difference, 2 * one - 3 * other),
            2 * warper(difference, one) - 3 * warper(difference, other),
            rtol=1e-4,
            atol=1e-4,
        )


def test_size_of_the_published_one():
    """5.78, 1.76 and 0.01 million weights, counted by hand."""
    warper = HeatmapWarper(17)
    block = 2 * 128 * 128 * 9 + 4 * 128
    first = (17 + 128) * 128 * 9 + 17 * 128 + 6 * 128
    parts = (warper.offset_feats, warper.offset_layers)
    counts = [sum(p.numel() for p in part.parameters()) for part in parts]
    assert counts == [19 * block + first, 5 * 306 * 128 * 9]
    assert counts == [5783040, 1762560]
    for layer in warper.deform_conv_layers:
        assert tuple(layer.weight.shape) == (17, 17, 3, 3)
    assert warper.offset_layers[4].dilation == (24, 24)
    assert 'offset_feats.0.downsample.1.running_var' in warper.state_dict()


def test_offsets_where_nothing_differs_are_kept():
    """Per size of maps, and until a weight or the mode changes."""
    warper = randomized()
    calls = []
    warper.offset_feats.register_forward_hook(lambda *_: calls.append(1))

    def still(height=H):
        with torch.no_grad():
            return warper.still_offsets(torch.rand(2, K, height, W))

    first = still()
    with torch.no_grad():
        expected = list(warper.offsets(torch.zeros(1, K, H, W)))
    for one, other in zip(first, expected):
        assert torch.equal(one, other)
    assert first[0].abs().max() > 0
    calls.clear()
    assert still() is first and not calls
    assert still(H + 1)[0].shape[-2] == H + 1 and len(calls) == 1
    assert still()[0].shape[-2] == H
    with torch.no_grad():
        warper.offset_layers[0].weight.mul_(2)
    torch.testing.assert_close(still()[0], 2 * first[0])
    for parameter in warper.parameters():  # as averaged weights come in
        parameter.data.copy_(torch.zeros_like(parameter.data))
    warper.eval()
    assert still()[0].abs().max() == 0
    warper.train()
    warper.still_offsets(torch.rand(1, K, H, W))[0].sum().backward()
    assert warper.offset_layers[0].weight.grad is not None


def test_stays_precise_under_autocast():
    """Where the rest computes in bfloat16."""
    warper = randomized()
    maps = torch.rand(1, K, H, W)
    with torch.no_grad():
        offsets = list(warper.offsets(maps))
        expected = warper.warp(maps, offsets)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            torch.testing.assert_close(warper.warp(maps, offsets), expected)
            assert warper(maps, maps.bfloat16()).dtype == torch.float32
            assert next(warper.offsets(maps)).dtype == torch.float32


def test_float64_stays():
    """In which the fusing of norms is checked."""
    maps = torch.rand(1, K, H, W)
    with torch.no_grad():
        expected = randomized()(maps, maps)
        found = randomized().double()(maps.double(), maps.double())
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(num_blocks=0), 'at least 1'),
        (dict(dilations=(3, 0)), 'at least 1'),
        (dict(dilations=()), 'at least one dilation'),
        (dict(reduction='max'), "'mean' or 'sum'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        HeatmapWarper(**dict(dict(num_joints=K), **options))


@pytest.mark.parametrize('shape', [(K + 1, H, W), (K, 3, W), (K, H, 3)])
def test_maps_that_do_not_fit(shape):
    maps = torch.rand(1, *shape)
    with pytest.raises(ValueError, match='dilations smaller than the maps'):
        tiny()(maps, maps)


def test_blocks_are_as_published():
    """Conv, norm, ReLU, conv, norm, plus shortcut, ReLU; no bias."""
    warper = randomized(num_blocks=2)
    x = torch.randn(1, K, H, W)

    def norm(y, layer):
        mean, var = layer.running_mean, layer.running_var
        y = (y - mean[:, None, None]) / (var + 1e-5).sqrt()[:, None, None]
        return y * layer.weight[:, None, None] + layer.bias[:, None, None]

    def block(y, part):
        inner = nn.functional.conv2d(y, part.conv1.weight, padding=1)
        inner = norm(inner, part.bn1).relu()
        inner = nn.functional.conv2d(inner, part.conv2.weight, padding=1)
        if part.downsample is not None:
            y = nn.functional.conv2d(y, part.downsample[0].weight)
            y = norm(y, part.downsample[1])
        return (norm(inner, part.bn2) + y).relu()

    with torch.no_grad():
        feats = block(block(x, warper.offset_feats[0]), warper.offset_feats[1])
        for found, layer, step in zip(
            warper.offsets(x), warper.offset_layers, (1, 3)
        ):
            expected = nn.functional.conv2d(
                feats, layer.weight, padding=step, dilation=step
            )
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
