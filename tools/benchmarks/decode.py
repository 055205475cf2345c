# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""From heatmaps to keypoints."""

from __future__ import annotations

from .bench import CLIP_LENGTH, Bench

JOINTS = 13
CODECS = {
    'MSRAHeatmap': dict(type='MSRAHeatmap', sigma=2),
    'unbiased MSRAHeatmap': dict(type='MSRAHeatmap', sigma=2, unbiased=True),
    'UDPHeatmap': dict(type='UDPHeatmap', sigma=2),
}


def random_heatmaps(frames: int, device: str):
    """A peak and a little noise in each of the maps, 64 x 64."""
    import torch

    generator = torch.Generator().manual_seed(0)
    pixels = torch.arange(64.0)
    places = torch.rand(2, frames, JOINTS, 1, generator=generator) * 64
    across, down = torch.exp(-((pixels - places) ** 2) / 8)
    maps = down[..., :, None] * across[..., None, :]
    noise = torch.randn(maps.shape, generator=generator)
    return (maps + 1e-3 * noise).to(device)


def run_decode(bench: Bench) -> None:
    """Keypoints of the frames of clips, on the host; the baseline is MMPose's
    decoding, frame by frame. An error is in pixels of the crop."""
    import numpy as np
    from mmengine.structures import InstanceData
    from mmpose.registry import MODELS

    from rpstn_mmpose.speed.decode_heatmaps import decode_to_numpy

    for name, codec in CODECS.items():
        head = MODELS.build(
            dict(
                type='HeatmapHead',
                in_channels=1,
                out_channels=JOINTS,
                deconv_out_channels=None,
                decoder=dict(
                    codec, input_size=(256, 256), heatmap_size=(64, 64)
                ),
            )
        )
        for batch in bench.args.batch_sizes:
            frames = batch * CLIP_LENGTH
            maps = random_heatmaps(frames, bench.args.device)

            def by_frame(head=head, maps=maps):
                return InstanceData.cat(head.decode(maps)).keypoints

            def at_once(head=head, maps=maps):
                return decode_to_numpy(maps, head.decoder)[0]

            bench.compare(
                'decode',
                f'{frames} frames x {JOINTS} joints, {name}',
                {'baseline (codec)': by_frame, 'on the device': at_once},
                errors={
                    'on the device': float(
                        np.abs(at_once() - by_frame()).max()
                    )
                },
                memory=False,
            )
