# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A window of frames in a stream, beside all its frames for each pose."""

from __future__ import annotations

import copy

from .bench import Bench
from .models import build_model, difference, random_clips

TINY_WARPER = 'posewarper_tiny_1xb16-2e_synthetic-penn-tracks-128x128'
WARPER_RECIPE = 'posewarper_hrnet-w48_8xb8-20e_posetrack18-384x288-released'


def five_passes(model, clips):
    """Heatmaps of the middle frames as PoseWarper's code goes about it: all
    frames of the window through the image model, each warped to the middle,
    the middle itself included.

    Args:
        model: A PoseWarper.
        clips: (B, T, 3, H, W).
    """
    maps = model.extract_feat(clips)[0]
    middle = maps[:, model.clip_offsets.index(0)]
    total = 0
    for row, weight in enumerate(model.frame_weights):
        other = maps[:, row]
        total = total + weight * model.warper(middle - other, other)
    return total


def next_pose(model, frames, kept):
    """What a stream does for a frame: its heatmaps, and the pose of the one
    for which the window is complete by now.

    Args:
        model: A PoseWarper.
        frames: (B, 3, H, W).
        kept: Heatmaps of the T - 1 frames before.
    """
    import torch

    newest = model.frame_features(frames)[0]
    maps = torch.stack([*kept, newest], dim=1)
    return model.combine((maps,), model.clip_offsets)[0]


def run_windows(bench: Bench) -> None:
    """The next frame of N people; a figure is the time of a frame."""
    import torch

    from rpstn_mmpose.speed import optimize_for_inference

    if 'posewarper' not in bench.args.config:
        bench.args = copy.copy(bench.args)
        bench.args.config = TINY_WARPER if bench.args.quick else WARPER_RECIPE
    # Not frozen, so that its batch norms can settle on the inputs.
    model = build_model(bench, freeze_image_model=False, image_norm_eval=False)
    with torch.no_grad():
        # A new warper's offsets are zero: those of a trained one are not.
        for layer in model.warper.offset_layers:
            layer.weight.normal_(std=0.02)
        nets = {
            'stream': model,
            'stream, fast': optimize_for_inference(copy.deepcopy(model)),
        }
        if bench.args.half:
            nets['stream, fast, bfloat16'] = optimize_for_inference(
                copy.deepcopy(model), dtype='bfloat16'
            )
        for people in bench.args.batch_sizes:
            clips = random_clips(model, people, len(model.clip_offsets))
            expected = five_passes(model, clips)
            functions = {
                'baseline': lambda c=clips: five_passes(model, c),
                'in one pass': lambda c=clips: model(c, None, mode='tensor'),
            }
            for name, net in nets.items():
                kept = net.extract_feat(clips[:, :-1])[0].unbind(1)
                functions[name] = lambda c=clips, k=kept, n=net: next_pose(
                    n, c[:, -1], k
                )
            errors = {
                name: difference(function(), expected)
                for name, function in functions.items()
            }
            bench.compare(
                'windows', f'{people} people', functions, errors=errors
            )
