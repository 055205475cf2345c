# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Winograd's algorithm layer by layer, beside torch's own convolution."""
from __future__ import annotations

from .bench import Bench

# Channels in and out, side of the maps, padding, deconvolution: those of a
# ResNet-50 at 256 x 256, of its deconvolutions and of JRPSP.
LAYERS = (
    (64, 64, 64, 1, False),
    (128, 128, 32, 1, False),
    (256, 256, 16, 1, False),
    (512, 512, 8, 1, False),
    (2048, 256, 8, 1, True),
    (256, 256, 16, 1, True),
    (256, 256, 32, 1, True),
    (256, 256, 64, 0, False),
    (256, 256, 31, 1, False),
    (256, 256, 15, 1, False),
)
QUICK_LAYERS = ((8, 8, 16, 1, False), (8, 8, 8, 1, True))


def run_winograd(bench: Bench) -> None:
    """Both for all layers, also where the fast model keeps torch's own; the
    error is that of outputs of a variance of about a third."""
    import torch
    from torch import nn

    from rpstn_mmpose.models.utils.winograd import (WinogradConv2d,
                                                    WinogradDeconv2d)
    torch.manual_seed(0)
    device = bench.args.device
    layers = QUICK_LAYERS if bench.args.quick else LAYERS
    with torch.no_grad():
        for batch in bench.args.batch_sizes:
            for into, out, side, padding, deconv in layers:
                if deconv:
                    layer = nn.ConvTranspose2d(into, out, 4, 2, padding)
                    fast = WinogradDeconv2d(layer, min_tiles=0)
                else:
                    layer = nn.Conv2d(into, out, 3, padding=padding)
                    fast = WinogradConv2d(layer, min_tiles=0)
                maps = torch.randn(batch, into, side, side, device=device)
                maps = maps.to(memory_format=torch.channels_last)
                fast.to(device).to(memory_format=torch.channels_last)
                expected = layer.double()(maps.double())
                layer.float()
                variants = {'baseline': layer, 'Winograd': fast}
                name = '4x4 deconv' if deconv else '3x3 conv'
                bench.compare(
                    'winograd',
                    f'{batch} x {into} x {side} x {side}, {name} to {out}', {
                        key: lambda f=net, x=maps: f(x)
                        for key, net in variants.items()
                    },
                    errors={
                        key: float((net(maps) - expected).abs().max())
                        for key, net in variants.items()
                    },
                    memory=False)
