# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Anatomy3D on a whole video and in a stream, beside a loop over frames."""

from __future__ import annotations

from .bench import Bench
from .models import difference, load_config, settle

RECIPE = 'anatomy3d_243frm{}-supv-cpn-ft_1xb1024-60e_h36m'
TINY_RECIPE = 'anatomy3d_tiny-27frm{}_1xb256-5e_synthetic-h36m'
FRAMES, QUICK_FRAMES = 1000, 40


def random_people(count: int, frames: int, seed: int = 0):
    """Places and scores of joints (B, frames, 17, 3)."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, frames, 17, 3, generator=generator)
    return x * x.new_tensor([2, 2, 1]) - x.new_tensor([1, 1, 0])


def build_lifter(bench: Bench, causal: bool):
    """The recipe's model and test pipeline; norms settled on the inputs."""
    import torch
    from mmengine.dataset import Compose
    from mmpose.registry import MODELS

    recipe = TINY_RECIPE if bench.args.quick else RECIPE
    config = load_config(recipe.format('-causal' if causal else ''))
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    settle(model, random_people(4, model.before + model.after + 1))
    model.test_cfg = dict(flip_test=False)
    steps = config.test_dataloader.dataset.pipeline
    return (
        model.eval().to(bench.args.device),
        Compose([dict(step) for step in steps]),
    )


def frame_by_frame(model, sequences):
    """Poses of padded sequences as the authors' code goes about it: the
    second sub-network runs once for every frame, on the top's features
    repeated beside those of the levels, and nothing is shared.

    Args:
        model: A full AnatomyLifter whose filters are 3 wide.
        sequences: (B, L, 17, 3).
    """
    import torch
    import torch.nn.functional as F

    from rpstn_mmpose.systems.anatomy3d.anatomy_head import AnatomyFeatures

    net = model.backbone
    levels, top = net._first(sequences, False)
    refined = []
    for frame in range(top.shape[2]):
        z = top[:, :, frame, None].repeat(1, 1, 3 ** len(levels))
        for i, (spread, mix) in enumerate(net.refining_blocks):
            step = net.dilations[i]
            end = frame + step * z.shape[2]
            both = torch.cat([z, levels[i][:, :, frame:end:step]], dim=1)
            u = F.conv1d(both, spread.conv.weight, stride=3)
            z = z[:, :, 1::3] + mix(spread.finish(u))
        refined.append(z)
    return model.head.forward(
        AnatomyFeatures(
            torch.cat(refined, dim=2), top, model.lengths(sequences)
        )
    )


def run_lifter(bench: Bench) -> None:
    """A whole video of one person, and the next frame of N people."""
    import torch

    from rpstn_mmpose.streams import LifterStream

    frames = QUICK_FRAMES if bench.args.quick else FRAMES
    with torch.no_grad():
        model, _ = build_lifter(bench, causal=False)
        length = frames + model.before + model.after
        video = random_people(1, length).to(bench.args.device)
        whole = model(video, None, mode='tensor')
        bench.compare(
            'lifter',
            f'{frames} frames, a window of {model.backbone.window}',
            {
                'baseline': lambda: frame_by_frame(model, video),
                'whole video at once': lambda: model(
                    video, None, mode='tensor'
                ),
            },
            errors={
                'whole video at once': difference(
                    whole, frame_by_frame(model, video)
                )
            },
            memory=False,
        )
        model, pipeline = build_lifter(bench, causal=True)
        for people in bench.args.batch_sizes:
            stream = LifterStream(model, pipeline)
            pixels = random_people(people, 1)[:, 0].numpy() * 500 + 500

            def push(stream=stream, pixels=pixels, people=people):
                return stream.push(
                    pixels[..., :2],
                    pixels[..., 2] / 1000,
                    range(people),
                    (1000, 1000),
                )

            push()
            bench.compare(
                'lifter',
                f'causal stream, a frame of {people} people',
                {'a person': push},
                units={'a person': people},
                memory=False,
            )
