# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Single operations: the dynamic convolution, the exported step."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

from .bench import CLIP_LENGTH, Bench
from .inference import stream
from .models import build_model, difference, random_clips, released_arrangement


def shifted_sums(feats: Any, kernels: Any) -> Any:
    """A correlation a channel as a sum of shifted maps."""
    import torch
    import torch.nn.functional as F

    (height, width), kernel = feats.shape[-2:], kernels.shape[-1]
    padded = F.pad(feats, (kernel // 2,) * 4)
    out = torch.zeros_like(feats)
    for y in range(kernel):
        for x in range(kernel):
            out.addcmul_(
                padded[:, :, y : y + height, x : x + width],
                kernels[:, :, y : y + 1, x : x + 1],
            )
    return out


def run_matching(bench: Bench) -> None:
    """The dynamic convolution; memory orders, one call or one a sample."""
    import torch
    import torch.nn.functional as F

    from rpstn_mmpose.systems.rpstn.dynamic_conv import depthwise_dynamic_conv

    channels, side, kernel = (8, 16, 3) if bench.args.quick else (256, 64, 7)
    options = dict(device=bench.args.device)

    def one_call(feats, kernels):
        batch = len(feats)
        return F.conv2d(
            feats.reshape(1, -1, side, side),
            kernels.reshape(-1, 1, kernel, kernel),
            padding=kernel // 2,
            groups=batch * channels,
        ).view_as(kernels.new_empty(batch, channels, side, side))

    def call_a_sample(feats, kernels):
        return torch.cat(
            [
                F.conv2d(
                    feats[row : row + 1],
                    kernels[row].unsqueeze(1),
                    padding=kernel // 2,
                    groups=channels,
                )
                for row in range(len(feats))
            ]
        )

    with torch.no_grad():
        for batch in bench.args.batch_sizes:
            feats = torch.randn(batch, channels, side, side, **options)
            kernels = torch.randn(batch, channels, kernel, kernel, **options)
            last = feats.contiguous(memory_format=torch.channels_last)
            functions = {
                'baseline (contiguous, one call)': (one_call, feats),
                'contiguous, a call a sample': (call_a_sample, feats),
                'contiguous, shifted sums': (shifted_sums, feats),
                'channels last, one call': (one_call, last),
                'channels last, a call a sample': (call_a_sample, last),
                'channels last, shifted sums': (shifted_sums, last),
                'chosen, contiguous': (depthwise_dynamic_conv, feats),
                'chosen, channels last': (depthwise_dynamic_conv, last),
            }
            expected = one_call(feats, kernels)
            bench.compare(
                'matching',
                f'{batch} x {channels} x {side} x {side}, kernel {kernel}',
                {
                    name: lambda f=function, x=maps, k=kernels: f(x, k)
                    for name, (function, maps) in functions.items()
                },
                errors={
                    name: difference(function(maps, kernels), expected)
                    for name, (function, maps) in functions.items()
                },
                memory=False,
            )


def run_onnx(bench: Bench) -> None:
    """The streaming step of N people under onnxruntime."""
    import torch

    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError(
            f'the onnx benchmark needs onnxruntime ({error}); '
            'pip install onnx onnxruntime onnxscript'
        ) from error
    from rpstn_mmpose.speed.onnx_export import export_streaming

    model = build_model(bench)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    providers = (
        ['CUDAExecutionProvider'] if bench.cuda else ['CPUExecutionProvider']
    )
    for people in bench.args.batch_sizes:
        clips = random_clips(model, people, CLIP_LENGTH)
        with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
            expected = released_arrangement(model, clips)
            state, _ = stream(model, clips, expected)
            _, step = export_streaming(
                copy.deepcopy(model).cpu(), Path(folder), people
            )
            session = onnxruntime.InferenceSession(
                str(step), options, providers=providers
            )
            frame = clips[:, -1]
            feeds = dict(
                image=frame.cpu().numpy(),
                prev_feats=state.feats.cpu().numpy(),
                prev_heatmaps=state.heatmaps.cpu().numpy(),
            )

            def plain(frame=frame, state=state):
                return model.step(
                    model.extract_feat(frame[:, None])[:, 0], state
                )[0]

            def ort(session=session, feeds=feeds):
                return session.run(['heatmaps'], feeds)[0]

            bench.compare(
                'onnx',
                f'{people} people',
                {
                    'baseline': lambda c=clips: released_arrangement(model, c),
                    'PyTorch, one frame': plain,
                    'onnxruntime, one frame': ort,
                },
                units=dict(baseline=CLIP_LENGTH),
                errors={
                    'onnxruntime, one frame': difference(
                        torch.from_numpy(ort()), plain().cpu()
                    )
                },
            )
