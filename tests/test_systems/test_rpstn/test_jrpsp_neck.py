# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""JRPSP and the dynamic convolution against plain loops."""

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

from rpstn_mmpose.systems.rpstn import depthwise_dynamic_conv

C, K, SIDE = 4, 3, 32


def build(**kwargs):
    torch.manual_seed(0)
    config = dict(
        type='JRPSPNeck',
        in_channels=C,
        num_joints=K,
        heatmap_size=(SIDE, SIDE),
    )
    config.update(kwargs)
    return MODELS.build(config)


def loop_match(feats, kernels):
    """Sample by sample, channel by channel, pixel by pixel."""
    batch, channels, height, width = feats.shape
    kh, kw = kernels.shape[-2:]
    padded = np.pad(
        feats, ((0, 0), (0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2))
    )
    out = np.zeros_like(feats)
    for b in range(batch):
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    out[b, c, y, x] = (
                        padded[b, c, y : y + kh, x : x + kw] * kernels[b, c]
                    ).sum()
    return out


@pytest.mark.parametrize('kernel', [(7, 7), (3, 5), (1, 1)])
def test_dynamic_conv_equals_loop(kernel):
    rng = np.random.default_rng(1)
    feats = rng.standard_normal((2, 3, 9, 8))
    kernels = rng.standard_normal((2, 3, *kernel))
    got = depthwise_dynamic_conv(
        torch.from_numpy(feats), torch.from_numpy(kernels)
    )
    np.testing.assert_allclose(
        got.numpy(), loop_match(feats, kernels), atol=1e-12
    )


def test_dynamic_conv_of_unit_impulse_shifts():
    """A kernel with its one at the left neighbour moves the map right."""
    feats = torch.arange(12.0).reshape(1, 1, 3, 4)
    kernels = torch.zeros(1, 1, 3, 3)
    kernels[..., 1, 0] = 1
    expected = torch.tensor([[0.0, 0, 1, 2], [0, 4, 5, 6], [0, 8, 9, 10]])
    assert torch.equal(depthwise_dynamic_conv(feats, kernels)[0, 0], expected)


def test_dynamic_conv_refuses():
    feats = torch.zeros(2, 3, 8, 8)
    with pytest.raises(ValueError, match='odd kernel sides'):
        depthwise_dynamic_conv(feats, torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match='one kernel per sample'):
        depthwise_dynamic_conv(feats, torch.zeros(1, 3, 3, 3))


def test_neck_equals_functional_restatement():
    """The layers of Sec. III-C one by one, and the loop for the matching."""
    neck = build().eval()
    for norm in (
        m for m in neck.modules() if isinstance(m, torch.nn.BatchNorm2d)
    ):
        torch.nn.init.uniform_(norm.weight)
        torch.nn.init.uniform_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    prev, heat, cur = (torch.randn(2, n, SIDE, SIDE) for n in (C, K, C))
    response, state = neck(prev, heat, cur)

    state_dict = neck.state_dict()
    x = torch.nn.functional.conv2d(
        torch.cat([prev, heat], 1),
        state_dict['aggregate.weight'],
        state_dict['aggregate.bias'],
    )
    for stage, padding in enumerate((0, 1, 1, 1)):
        prefix = f'kernel_generator.{2 * stage}.'
        x = torch.nn.functional.conv2d(
            x, state_dict[prefix + 'conv.weight'], padding=padding
        )
        names = ('running_mean', 'running_var', 'weight', 'bias')
        mean, var, gamma, beta = (
            state_dict[prefix + 'bn.' + name][None, :, None, None]
            for name in names
        )
        x = (x - mean) / (var + 1e-5).sqrt() * gamma + beta
        if stage < 3:
            x = torch.nn.functional.max_pool2d(x.clamp(min=0), 2)
    assert x.shape[-2:] == (3, 3)
    np.testing.assert_allclose(
        response.detach().numpy(),
        loop_match(cur.numpy(), x.numpy()),
        atol=1e-4,
    )
    assert state is cur


@pytest.mark.parametrize(
    'size,kernel',
    [
        ((64, 64), (7, 7)),
        ((48, 64), (7, 5)),
        ((32, 32), (3, 3)),
        ((12, 12), (1, 1)),
    ],
)
def test_kernel_size(size, kernel):
    """64 -> 62 -> 31 -> 15 -> 7 by hand; sizes are w x h, kernels h x w."""
    neck = build(heatmap_size=size)
    width, height = size
    kernels = neck.make_kernels(
        torch.randn(2, C, height, width), torch.randn(2, K, height, width)
    )
    assert neck.kernel_size == kernel
    assert kernels.shape == (2, C, *kernel)


@pytest.mark.parametrize('size', [(24, 24), (64, 56), (4, 4)])
def test_sizes_without_odd_kernel_fail_at_build_time(size):
    with pytest.raises(ValueError, match='both sides have to be odd') as info:
        build(heatmap_size=size)
    assert f'{size[0]}x{size[1]}' in str(info.value)
    assert '\n' not in str(info.value)


def test_wrong_feature_size():
    with pytest.raises(ValueError, match=r'built for features of \(32, 32\)'):
        build()(
            torch.zeros(1, C, 16, 16),
            torch.zeros(1, K, 16, 16),
            torch.zeros(1, C, 16, 16),
        )


def test_released_options():
    """One norm for aggregated, projected and (Sub-JHMDB) matched features."""
    neck = build(
        feature_norm=True, project_features=True, norm_response=True
    ).eval()
    torch.nn.init.uniform_(neck.feature_norm.running_var, 0.5, 2)
    torch.nn.init.uniform_(neck.feature_norm.running_mean)
    prev, heat, cur = (torch.randn(1, n, SIDE, SIDE) for n in (C, K, C))
    response, state = neck(prev, heat, cur)

    def norm(x):
        mean = neck.feature_norm.running_mean[None, :, None, None]
        var = neck.feature_norm.running_var[None, :, None, None]
        return (x - mean) / (var + 1e-5).sqrt()

    weight, bias = neck.project.weight[:, :, 0, 0], neck.project.bias
    projected = norm(
        torch.einsum('oc,bchw->bohw', weight, cur) + bias[:, None, None]
    )
    weight, bias = neck.aggregate.weight[:, :, 0, 0], neck.aggregate.bias
    aggregated = norm(
        torch.einsum('oc,bchw->bohw', weight, torch.cat([prev, heat], 1))
        + bias[:, None, None]
    )
    kernels = neck.kernel_generator(aggregated)
    matched = loop_match(projected.detach().numpy(), kernels.detach().numpy())
    torch.testing.assert_close(state, projected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        response, norm(torch.from_numpy(matched)), atol=1e-4, rtol=1e-4
    )


def test_norm_response_needs_the_norm():
    with pytest.raises(ValueError, match='set both or neither'):
        build(norm_response=True)


def test_residual_kernel_starts_as_the_current_features():
    neck = build(residual_kernel=True)
    neck.init_weights()
    prev, heat, cur = (torch.randn(2, n, SIDE, SIDE) for n in (C, K, C))
    response, _ = neck(prev, heat, cur)
    torch.testing.assert_close(response, cur)

    plain = build()
    plain.load_state_dict(neck.state_dict())
    torch.nn.init.ones_(neck.kernel_generator[-1].norm.weight)
    torch.nn.init.ones_(plain.kernel_generator[-1].norm.weight)
    response, _ = neck.eval()(prev, heat, cur)
    generated, _ = plain.eval()(prev, heat, cur)
    torch.testing.assert_close(response, generated + cur)


@pytest.mark.parametrize('num_convs', [3, 4, 5])
def test_num_convs_equals_functional_restatement(num_convs):
    """Three convolutions with pooling, whatever follows them without; all
    but the last with ReLU."""
    neck = build(num_convs=num_convs).eval()
    convs = [
        m
        for m in neck.kernel_generator.modules()
        if isinstance(m, torch.nn.Conv2d)
    ]
    norms = [
        m
        for m in neck.kernel_generator.modules()
        if isinstance(m, torch.nn.BatchNorm2d)
    ]
    assert len(convs) == len(norms) == num_convs
    for norm in norms:
        torch.nn.init.uniform_(norm.weight)
        torch.nn.init.uniform_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    prev, heat = (torch.randn(2, n, SIDE, SIDE) for n in (C, K))
    x = neck.aggregate(torch.cat([prev, heat], 1))
    sides = []
    for number, (conv, norm) in enumerate(zip(convs, norms), start=1):
        x = torch.nn.functional.conv2d(
            x, conv.weight, padding=0 if number == 1 else 1
        )
        mean, var, gamma, beta = (
            value[:, None, None]
            for value in (
                norm.running_mean,
                norm.running_var,
                norm.weight,
                norm.bias,
            )
        )
        x = (x - mean) / (var + 1e-5).sqrt() * gamma + beta
        if number < num_convs:
            x = x.clamp(min=0)
        if number <= 3:
            x = torch.nn.functional.max_pool2d(x, 2)
        sides.append(x.shape[-1])
    assert sides == [15, 7, 3, 3, 3][:num_convs]
    assert (x < 0).any()
    torch.testing.assert_close(neck.make_kernels(prev, heat), x)


def test_names_of_num_convs_4():
    """Checkpoints of JRPSP name their layers so."""
    names = {n for n in build().state_dict() if n.endswith('conv.weight')}
    assert names == {f'kernel_generator.{i}.conv.weight' for i in (0, 2, 4, 6)}
    assert names < set(build(num_convs=5).state_dict())


@pytest.mark.parametrize('num_convs', [3, 4, 5])
@pytest.mark.parametrize('training', [False, True])
def test_residual_kernel_of_num_convs_starts_as_the_impulse(
    num_convs, training
):
    neck = build(residual_kernel=True, num_convs=num_convs)
    neck.init_weights()
    neck.train(training)
    prev, heat = (torch.randn(2, n, SIDE, SIDE) for n in (C, K))
    impulse = torch.zeros(2, C, 3, 3)
    impulse[..., 1, 1] = 1
    assert torch.equal(neck.make_kernels(prev, heat), impulse)


@pytest.mark.parametrize('num_convs', [2, 6, 0, None])
def test_num_convs_refuses(num_convs):
    with pytest.raises(
        ValueError, match=r'JRPSPNeck: num_convs must be .*\(3, 4, 5\)'
    ):
        build(num_convs=num_convs)
