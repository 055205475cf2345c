# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Winograd's algorithm against torch's convolutions in float64."""
import pytest
import torch
from mmcv.cnn import build_conv_layer, build_upsample_layer
from torch import nn

from rpstn_mmpose.models.utils.winograd import (WinogradConv2d,
                                                WinogradDeconv2d,
                                                can_be_winograd, cook_toom,
                                                use_winograd)


def exact(layer, inputs):
    """The layer's outputs in float64."""
    copy = type(layer)(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        bias=layer.bias is not None).double()
    copy.load_state_dict(
        {k: v.double() for k, v in layer.state_dict().items()})
    with torch.no_grad():
        return copy(inputs.double())


def test_two_outputs_of_three_taps_by_hand():
    """[1, 2, 3, 4] * [1, 1, 2]: 1 + 2 + 6 = 9 and 2 + 3 + 8 = 13, with four
    products."""
    inputs_at, kernels_at, outputs_at = cook_toom(2, (0, 1, -1))
    x = torch.tensor([1., 2, 3, 4], dtype=torch.float64)
    w = torch.tensor([1., 1, 2], dtype=torch.float64)
    products = (kernels_at @ w) * (inputs_at @ x)
    assert products.shape == (4, )
    assert (outputs_at @ products).tolist() == pytest.approx([9, 13])


@pytest.mark.parametrize('outputs, taps', [(4, 3), (4, 2), (6, 3), (2, 5)])
def test_cook_toom_is_a_correlation(outputs, taps):
    points = (0, 1, -1, 0.5, -2, 2, -0.5)[:outputs + taps - 2]
    inputs_at, kernels_at, outputs_at = cook_toom(outputs, points)
    x = torch.randn(outputs + taps - 1, dtype=torch.float64)
    w = torch.randn(taps, dtype=torch.float64)
    expected = torch.stack(
        [x[i:i + taps] @ w for i in range(outputs)])
    torch.testing.assert_close(
        outputs_at @ ((kernels_at @ w) * (inputs_at @ x)), expected)


@pytest.mark.parametrize('height, width', [(8, 8), (7, 9), (5, 18), (3, 3)])
@pytest.mark.parametrize('padding', [0, 1])
@pytest.mark.parametrize('bias', [True, False])
def test_conv(height, width, padding, bias):
    """Sizes that tiles of four fill, and that they do not."""
    torch.manual_seed(0)
    layer = nn.Conv2d(5, 7, 3, padding=padding, bias=bias)
    inputs = torch.randn(3, 5, height, width)
    with torch.no_grad():
        outputs = WinogradConv2d(layer, min_tiles=0)(inputs)
    expected = exact(layer, inputs)
    assert outputs.shape == expected.shape
    torch.testing.assert_close(
        outputs.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('height, width', [(8, 8), (7, 5), (1, 1), (2, 9)])
@pytest.mark.parametrize('bias', [True, False])
def test_deconv(height, width, bias):
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(5, 7, 4, stride=2, padding=1, bias=bias)
    inputs = torch.randn(3, 5, height, width)
    with torch.no_grad():
        outputs = WinogradDeconv2d(layer, min_tiles=0)(inputs)
    expected = exact(layer, inputs)
    assert outputs.shape == expected.shape
    torch.testing.assert_close(
        outputs.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('memory_format',
                         [torch.contiguous_format, torch.channels_last])
def test_batches_above_the_workspace(monkeypatch, memory_format):
    """One sample a pass."""
    from rpstn_mmpose.models.utils import winograd
    monkeypatch.setattr(winograd, 'WORKSPACE', 1)
    layer = nn.Conv2d(5, 7, 3, padding=1)
    inputs = torch.randn(3, 5, 9, 9).to(memory_format=memory_format)
    with torch.no_grad():
        outputs = WinogradConv2d(layer, min_tiles=0)(inputs)
    torch.testing.assert_close(
        outputs.double(), exact(layer, inputs), rtol=1e-4, atol=1e-5)


def test_few_tiles_take_the_layer_itself():
    """4 x 4 outputs are one tile; a batch of two has two."""
    layer = nn.Conv2d(2, 2, 3, padding=1)
    calls = []
    layer.register_forward_hook(lambda *args: calls.append(1))
    fast = WinogradConv2d(layer, min_tiles=2)
    with torch.no_grad():
        fast(torch.randn(1, 2, 4, 4))
        assert len(calls) == 1
        fast(torch.randn(2, 2, 4, 4))
    assert len(calls) == 1


@pytest.mark.parametrize('change, possible', [
    (dict(), True),
    (dict(padding=0), True),
    (dict(stride=2), False),
    (dict(dilation=2), False),
    (dict(groups=2), False),
    (dict(kernel_size=1, padding=0), False),
    (dict(padding=2), False),
    (dict(padding_mode='reflect'), False),
    (dict(in_channels=4), False),
])
def test_which_convolutions(change, possible):
    options = dict(
        in_channels=8, out_channels=8, kernel_size=3, padding=1)
    layer = nn.Conv2d(**{**options, **change})
    assert can_be_winograd(layer, min_channels=8) == possible


@pytest.mark.parametrize('change, possible', [
    (dict(), True),
    (dict(kernel_size=3), False),
    (dict(output_padding=1), False),
    (dict(stride=1), False),
    (dict(groups=2), False),
    (dict(in_channels=1024), True),
    (dict(in_channels=1032), False),
])
def test_which_deconvolutions(change, possible):
    options = dict(
        in_channels=8, out_channels=8, kernel_size=4, stride=2, padding=1)
    layer = nn.ConvTranspose2d(**{**options, **change})
    assert can_be_winograd(layer, min_channels=8) == possible


def test_sixteen_bits_are_too_few():
    layer = nn.Conv2d(8, 8, 3, padding=1).to(torch.bfloat16)
    assert not can_be_winograd(layer, min_channels=8)


def test_layers_of_mmcv_are_found():
    """MMPose builds them; an unknown subclass may do something else."""

    class Other(nn.Conv2d):
        pass

    net = nn.Sequential(
        build_conv_layer(
            dict(type='Conv2d'), 8, 8, kernel_size=3, padding=1),
        build_upsample_layer(
            dict(type='deconv', in_channels=8, out_channels=8,
                 kernel_size=4, stride=2, padding=1)),
        Other(8, 8, 3, padding=1)).eval()
    inputs = torch.randn(1, 8, 6, 6)
    with torch.no_grad():
        expected = net(inputs)
        assert use_winograd(net, min_channels=8, min_tiles=0) == 2
        torch.testing.assert_close(
            net(inputs), expected, rtol=1e-4, atol=1e-5)
    assert isinstance(net[0], WinogradConv2d)
    assert isinstance(net[1], WinogradDeconv2d)
    assert type(net[2]) is Other


def test_a_shared_layer_stays_shared():
    layer = nn.Conv2d(8, 8, 3, padding=1)
    net = nn.ModuleList([layer, nn.Sequential(layer)])
    assert use_winograd(net, min_channels=8) == 1
    assert net[0] is net[1][0]
