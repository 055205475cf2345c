# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Merger, residual fusion and correction, against formulas of their own."""

import pytest
import torch
import torch.nn.functional as F
from mmpose.registry import MODELS

K, H, W = 2, 9, 8


def new(**options):
    options = dict(
        num_joints=K,
        residual_channels=3,
        inner_channels=4,
        num_blocks=(1, 2, 1),
        dilations=(1, 3),
    ) | dict(options)
    corrector = MODELS.build(dict(type='PoseCorrector', **options))
    corrector.init_weights()
    return corrector.eval()


def randomize(model):
    """Random weights under which values stay of the order of 1, and taps
    move by a pixel or so."""
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        if name.endswith('num_batches_tracked'):
            continue
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith('running_var'):
            value.copy_(noise.abs() * 0.2 + 0.9)
        elif value.dim() == 4:
            value.copy_(noise * (2 / value[0].numel()) ** 0.5)
        else:
            value.add_(noise * 0.1)
    return model


def maps(batch=2, size=(H, W)):
    generator = torch.Generator().manual_seed(3)
    return torch.rand(3, batch, K, *size, generator=generator).unbind()


def by_hand(corrector, previous, current, following, weights):
    """All of it, from the names and shapes of the weights alone."""
    state = corrector.state_dict()

    def unit(name, x, relu=True):
        weight = state[f'{name}.conv.weight']
        x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        norm = [
            state[f'{name}.bn.{leaf}'][:, None, None]
            for leaf in ('running_mean', 'running_var', 'weight', 'bias')
        ]
        x = (x - norm[0]) / (norm[1] + 1e-5).sqrt() * norm[2] + norm[3]
        return x.clamp(min=0) if relu else x

    def block(name, x):
        a, b, c, d = unit(f'{name}.conv_bn_relu1', x).chunk(4, dim=1)
        step = f'{name}.conv_bn_relu2_'
        a1 = unit(f'{step}1_1', a)
        b1 = unit(f'{step}2_1', b + a1)
        b2 = unit(f'{step}2_2', b1)
        c1 = unit(f'{step}3_1', c + b1)
        c2 = unit(f'{step}3_2', c1 + b2)
        c3 = unit(f'{step}3_3', c2)
        d1 = unit(f'{step}4_1', d + c1)
        d2 = unit(f'{step}4_2', d1 + c2)
        d3 = unit(f'{step}4_3', d2 + c3)
        d4 = unit(f'{step}4_4', d3)
        out = torch.cat([a1, b2, c3, d4], dim=1)
        out = unit(f'{name}.conv_bn3', out, relu=False)
        if f'{name}.downsample.conv.weight' in state:
            x = unit(f'{name}.downsample', x, relu=False)
        return (out + x).clamp(min=0)

    def chain(name, x):
        number = 0
        while f'{name}.{number}.conv_bn3.conv.weight' in state:
            x = block(f'{name}.{number}', x)
            number += 1
        return x

    merged, residuals = [], []
    for joint in range(K):
        p, c, f = (m[:, joint] for m in (previous, current, following))
        merged += [c, p * weights[0], f * weights[1]]
        residuals += [c - p, (c - p) * weights[0]]
        residuals += [c - f, (c - f) * weights[1]]
    merged = chain('merger', torch.stack(merged, dim=1))
    residuals = chain('residual_fusion', torch.stack(residuals, dim=1))
    feats = chain('fusion', torch.cat([residuals, merged], dim=1))
    total = 0
    for i, dilation in enumerate(corrector.dilations):
        offsets, masks = (
            F.conv2d(
                feats,
                state[f'{name}.{i}.weight'],
                padding=dilation,
                dilation=dilation,
            )
            for name in ('offset_layers', 'mask_layers')
        )
        name = f'deform_conv_layers.{i}'
        weight = state[f'{name}.weight'].flatten(2)
        total = total + state[f'{name}.bias'][:, None, None]
        total = total + modulated(merged, offsets, masks, weight, dilation)
    return total / len(corrector.dilations)


def modulated(x, offsets, masks, weight, dilation):
    """What each tap of each channel sees, by ``grid_sample``."""
    batch, channels, height, width = x.shape
    offsets = offsets.view(batch, channels, 9, 2, height, width)
    masks = masks.view(batch, channels, 9, height, width)
    rows = torch.arange(height)[:, None].expand(height, width)
    columns = torch.arange(width).expand(height, width)
    out = torch.zeros(batch, len(weight), height, width)
    for channel in range(channels):
        for tap in range(9):
            y = rows + dilation * (tap // 3 - 1) + offsets[:, channel, tap, 0]
            place = columns + dilation * (tap % 3 - 1)
            place = place + offsets[:, channel, tap, 1]
            grid = torch.stack(
                [place / (width - 1) * 2 - 1, y / (height - 1) * 2 - 1], dim=-1
            )
            seen = F.grid_sample(
                x[:, channel : channel + 1], grid, align_corners=True
            )
            seen = seen * masks[:, channel, tap][:, None]
            out = out + weight[:, channel, tap, None, None] * seen
    return out


@pytest.mark.parametrize('nearness', [0.5, 0.25])
def test_all_of_it_by_hand(nearness):
    """Offsets of pixels, masks of either sign, neighbours of two weights."""
    corrector, frames = randomize(new()), maps()
    with torch.no_grad():
        found = corrector(*frames, nearness)
        expected = by_hand(corrector, *frames, (nearness, 1 - nearness))
        other = corrector(frames[2], frames[1], frames[0], nearness)
    assert found.shape == (2, K, H, W) and found.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (found - other).abs().max() > 1e-2  # before is not after


def test_added_current():
    corrector, frames = randomize(new()), maps()
    with torch.no_grad():
        expected = corrector(*frames, 0.5) + frames[1]
        corrector.add_current = True
        found = corrector(*frames, 0.5)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('training', [True, False])
def test_a_new_one_gives_next_to_nothing(training):
    """Or next to the wanted frame's heatmaps, if these are added."""
    frames = maps()
    for add in (False, True):
        corrector = new(add_current=add).train(training)
        with torch.no_grad():
            found = corrector(*frames, 0.5) - frames[1] * add
        assert found.abs().max() < 0.1
        weight = corrector.deform_conv_layers[1].weight
        copy = torch.zeros(K, K, 3, 3)
        copy[range(K), range(K), 1, 1] = 1
        assert torch.equal(weight, copy)


def test_all_weights_learn():
    """Of a new corrector, from the first step on."""
    corrector = new().train()
    (corrector(*maps(), 0.5) - 1).square().mean().backward()
    for name, value in corrector.named_parameters():
        assert value.grad is not None and value.grad.abs().max() > 0, name


def test_learns_what_only_the_neighbours_show():
    """Joints that are hidden in the wanted frame, halfway between them."""
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.arange(12), torch.arange(12), indexing='ij')
    centers = torch.randint(3, 9, (8, K, 2))

    def blobs(shift):
        rows, columns = (centers + shift)[..., None, None].unbind(2)
        return torch.exp(-((y - rows) ** 2 + (x - columns) ** 2) / 2)

    frames = blobs(-2), torch.zeros(8, K, 12, 12), blobs(2)
    corrector = new(num_blocks=(1, 1, 1)).train()
    optimizer = torch.optim.Adam(corrector.parameters(), lr=1e-2)
    losses = []
    for _ in range(50):
        loss = (corrector(*frames, 0.5) - blobs(0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_stays_precise_under_autocast():
    corrector = randomize(new())
    frames = maps()
    with torch.no_grad():
        expected = corrector(*frames, 0.5)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            found = corrector(*(m.bfloat16() for m in frames), 0.5)
        double = corrector.double()(*(m.double() for m in frames), 0.5)
    assert found.dtype == torch.float32 and double.dtype == torch.float64
    assert (found - expected).abs().max() < 0.2 * expected.abs().max()
    torch.testing.assert_close(double.float(), expected, rtol=1e-3, atol=1e-3)


def test_the_published_sizes():
    corrector = MODELS.build(dict(type='PoseCorrector', num_joints=17))
    shapes = {k: tuple(v.shape) for k, v in corrector.state_dict().items()}
    assert corrector.dilations == (3, 6, 9, 12, 15)
    assert shapes['merger.0.downsample.conv.weight'] == (17, 51, 1, 1)
    assert shapes['residual_fusion.0.downsample.conv.weight'][:2] == (34, 68)
    assert shapes['fusion.0.downsample.conv.weight'][:2] == (64, 51)
    assert shapes['offset_layers.4.weight'] == (306, 64, 3, 3)
    assert shapes['mask_layers.4.weight'] == (153, 64, 3, 3)
    assert shapes['deform_conv_layers.4.weight'] == (17, 17, 3, 3)
    blocks = [corrector.merger, corrector.residual_fusion, corrector.fusion]
    assert [len(chain) for chain in blocks] == [1, 2, 2]
    # a branch of a block has 26 / 64 of the channels that come in
    name = 'residual_fusion.0.conv_bn_relu1.conv.weight'
    assert shapes[name][0] == 4 * (68 * 26 // 64)


@pytest.mark.parametrize(
    'options',
    [
        dict(num_joints=0),
        dict(residual_channels=0),
        dict(inner_channels=0),
        dict(num_blocks=(1, 0, 1)),
        dict(num_blocks=(1, 2)),
        dict(dilations=()),
        dict(dilations=(0, 3)),
    ],
)
def test_bad_options(options):
    with pytest.raises(ValueError, match='at least 1, but got') as caught:
        new(**options)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'options',
    [
        dict(inner_channels=2, num_blocks=(1, 1, 2)),
        dict(residual_channels=1, num_blocks=(1, 2, 1)),
        dict(num_joints=2, num_blocks=(2, 1, 1)),
    ],
)
def test_blocks_without_branches(options):
    """26 / 64 of two channels are none."""
    with pytest.raises(ValueError, match='give it 3 or more') as caught:
        new(**options)
    assert '\n' not in str(caught.value)


def test_maps_that_do_not_fit():
    with pytest.raises(ValueError, match='3 pixels; give it as many joints'):
        new()(*maps(size=(3, 3)), 0.5)
    more = [torch.zeros(1, K + 1, H, W)] * 3
    with pytest.raises(ValueError, match='3 joints and 8x9 pixels') as caught:
        new()(*more, 0.5)
    assert '\n' not in str(caught.value)
