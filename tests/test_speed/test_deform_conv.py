# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Against torchvision's kernels."""

import pytest
import torch
from torchvision.ops import DeformConv2d as Reference
from torchvision.ops import deform_conv2d

from rpstn_mmpose.speed import deform_conv
from rpstn_mmpose.speed.deform_conv import DeformConv2d, sampled_deform_conv2d


def inputs(batch=2, channels=3, height=5, width=7, seed=0):
    """Offsets of some pixels, many of them out of the maps."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(
            *shape, generator=generator, dtype=torch.float64
        ).requires_grad_()

    return dict(
        maps=draw(batch, channels, height, width),
        offset=draw(batch, 18 * channels, height, width),
        weight=draw(4, channels, 3, 3),
        bias=draw(4),
        mask=draw(batch, 9 * channels, height, width),
    )


def gradients(result, values):
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype)
    return torch.autograd.grad(
        (result * weights.view_as(result)).sum(),
        [value for value in values.values() if value is not None],
    )


@pytest.mark.parametrize('dilation', [1, 3, 6])
@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('scale', [0, 0.7, 4])
def test_values_and_gradients_are_torchvisions(dilation, masked, scale):
    values = inputs()
    values['offset'] = (values['offset'] * scale).detach().requires_grad_()
    if not scale:  # between pixels, where the gradient has two sides
        values.pop('offset')
    if not masked:
        values['mask'] = None
    offset = values.get('offset', torch.zeros(2, 54, 5, 7).double())
    found = sampled_deform_conv2d(
        values['maps'],
        offset,
        values['weight'],
        values['bias'],
        dilation,
        values['mask'],
    )
    expected = deform_conv2d(
        values['maps'],
        offset,
        values['weight'],
        values['bias'],
        padding=dilation,
        dilation=dilation,
        mask=values['mask'],
    )
    torch.testing.assert_close(found, expected)
    for mine, theirs in zip(
        gradients(found, values), gradients(expected, values)
    ):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(
    'options, sampled',
    [
        (dict(padding=2, dilation=2), True),
        (dict(padding=2, dilation=2, bias=False), True),
        (dict(padding=1, dilation=2), False),
        (dict(padding=1, stride=2), False),
        (dict(padding=(2, 1), dilation=(2, 1)), False),
        (dict(padding=2, kernel_size=5), False),
        (dict(padding=1, groups=3), False),
        (dict(padding=1, offset_groups=1), False),
        (dict(padding=1, width=1), False),
        (dict(padding=1, batch=0), False),
    ],
)
def test_which_one_runs(options, sampled, monkeypatch):
    """Ours where gradients are needed and it computes the same."""
    calls = []
    plain = deform_conv.sampled_deform_conv2d
    monkeypatch.setattr(
        deform_conv,
        'sampled_deform_conv2d',
        lambda *args: calls.append(1) or plain(*args),
    )
    options = dict(kernel_size=3) | options
    groups = options.pop('offset_groups', 3)
    batch, width = options.pop('batch', 2), options.pop('width', 7)
    layer, reference = (
        kind(3, 6, **options).double() for kind in (DeformConv2d, Reference)
    )
    layer.load_state_dict(reference.state_dict())
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    size = torch.nn.Conv2d(3, 6, **options)(torch.zeros(1, 3, 5, width)).shape
    taps = groups * options['kernel_size'] ** 2
    values = [
        draw(batch, channels, *shape)
        for channels, shape in (
            (3, (5, width)),
            (2 * taps, size[2:]),
            (taps, size[2:]),
        )
    ]
    with torch.no_grad():
        expected = reference(*values)
        torch.testing.assert_close(layer(*values), expected)
    assert not calls
    torch.testing.assert_close(layer(*values), expected)
    assert bool(calls) == sampled


def test_a_gpu_has_its_own_kernels(monkeypatch):
    """Told by ``is_cuda``: one of a stand-in, for there is no GPU."""

    class OnGPU(torch.Tensor):
        is_cuda = True

    layer = DeformConv2d(3, 4, 3, padding=1)
    monkeypatch.setattr(deform_conv, 'sampled_deform_conv2d', None)
    monkeypatch.setattr(Reference, 'forward', lambda *args: 'its own')
    maps = torch.zeros(1, 3, 5, 7).as_subclass(OnGPU)
    assert layer(maps, torch.zeros(1, 54, 5, 7)) == 'its own'
