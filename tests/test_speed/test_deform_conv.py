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


def layers(**options):
    layer, reference = (
        kind(3, 4, 3, **options).double() for kind in (DeformConv2d, Reference)
    )
    layer.load_state_dict(reference.state_dict())
    return layer, reference


@pytest.mark.parametrize(
    'options, sampled',
    [
        (dict(padding=2, dilation=2), True),
        (dict(padding=2, dilation=2, bias=False), True),
        (dict(padding=1, dilation=2), False),
        (dict(padding=1, stride=2), False),
    ],
)
def test_which_one_runs(options, sampled, monkeypatch):
    """Ours where gradients are needed and maps keep their size."""
    calls = []
    plain = deform_conv.sampled_deform_conv2d
    monkeypatch.setattr(
        deform_conv,
        'sampled_deform_conv2d',
        lambda *args: calls.append(1) or plain(*args),
    )
    layer, reference = layers(**options)
    values = inputs()
    with torch.no_grad():
        height, width = reference.weight.new_zeros(5, 7).shape
        if not sampled:
            rows = torch.nn.Conv2d(1, 1, 3, **options).double()
            height, width = rows(torch.zeros(1, 1, 5, 7).double()).shape[2:]
        offset = values['offset'][:, :, :height, :width]
        mask = values['mask'][:, :, :height, :width]
        expected = reference(values['maps'], offset, mask)
        torch.testing.assert_close(
            layer(values['maps'], offset, mask), expected
        )
    assert not calls
    torch.testing.assert_close(layer(values['maps'], offset, mask), expected)
    assert bool(calls) == sampled
