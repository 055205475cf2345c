# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import pytest
import torch

from rpstn_mmpose.systems.rpstn.dynamic_conv import depthwise_dynamic_conv


def by_hand(feats, kernels):
    """Sums over the window, pixel by pixel."""
    batch, channels, height, width = feats.shape
    kernel_h, kernel_w = kernels.shape[-2:]
    out = torch.zeros(feats.shape)
    for b, c, y, x in torch.cartesian_prod(
        *(torch.arange(n) for n in feats.shape)
    ).tolist():
        for i in range(kernel_h):
            for j in range(kernel_w):
                row, column = y + i - kernel_h // 2, x + j - kernel_w // 2
                if 0 <= row < height and 0 <= column < width:
                    out[b, c, y, x] += (
                        feats[b, c, row, column] * kernels[b, c, i, j]
                    )
    return out


def layouts(feats):
    """The same maps as they lie in memory in a contiguous and in a
    channels-last model, alone and as frames of clips."""
    last = feats.contiguous(memory_format=torch.channels_last)
    clips = torch.stack([feats, feats], dim=1)
    clips_last = (
        torch.stack([last, last], dim=1)
        .flatten(0, 1)
        .contiguous(memory_format=torch.channels_last)
        .unflatten(0, (len(feats), 2))
    )
    return feats, last, clips[:, 1], clips_last[:, 1]


@pytest.mark.parametrize('kernel', [(3, 3), (1, 5), (7, 7)])
@pytest.mark.parametrize('batch, channels', [(1, 1), (1, 3), (2, 3)])
def test_every_layout_gives_the_sums_by_hand(kernel, batch, channels):
    feats = torch.randn(batch, channels, 4, 6)
    kernels = torch.randn(batch, channels, *kernel)
    expected = by_hand(feats, kernels)
    for maps in layouts(feats):
        assert torch.equal(maps, feats)
        torch.testing.assert_close(
            depthwise_dynamic_conv(maps, kernels),
            expected,
            rtol=1e-5,
            atol=1e-5,
        )


def test_memory_order_stays():
    kernels = torch.randn(2, 3, 3, 3)
    contiguous, last, _, of_clip = layouts(torch.randn(2, 3, 4, 6))
    assert depthwise_dynamic_conv(contiguous, kernels).is_contiguous()
    for maps in (last, of_clip):
        assert depthwise_dynamic_conv(maps, kernels).is_contiguous(
            memory_format=torch.channels_last
        )


def test_gradients_do_not_depend_on_the_layout():
    feats, kernels = torch.randn(2, 3, 4, 6), torch.randn(2, 3, 3, 3)
    found = []
    for maps in layouts(feats):
        maps = maps.detach().requires_grad_()
        weights = kernels.clone().requires_grad_()
        depthwise_dynamic_conv(maps, weights).square().sum().backward()
        found.append((maps.grad, weights.grad))
    for pair in found[1:]:
        for got, expected in zip(pair, found[0]):
            torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_kernels_take_the_features_dtype():
    response = depthwise_dynamic_conv(
        torch.ones(1, 2, 3, 3, dtype=torch.bfloat16), torch.ones(1, 2, 3, 3)
    )
    assert response.dtype == torch.bfloat16
    assert response[0, 0].tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


@pytest.mark.parametrize(
    'shape, message',
    [
        ((2, 3, 3, 3), 'one kernel per sample'),
        ((1, 4, 3, 3), 'one kernel per sample'),
        ((1, 3, 2, 3), 'odd'),
    ],
)
def test_unfit_kernels(shape, message):
    with pytest.raises(ValueError, match=message):
        depthwise_dynamic_conv(torch.ones(1, 3, 5, 5), torch.ones(shape))
