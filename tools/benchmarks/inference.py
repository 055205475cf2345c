# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Inference: whole clips, and a stream a frame at a time."""

from __future__ import annotations

import copy
from typing import Any, Callable, Dict, Tuple

from .bench import CLIP_LENGTH, Bench
from .models import build_model, difference, random_clips, released_arrangement


def fast_models(bench: Bench, model) -> Dict[str, Any]:
    """Optimized copies, by name."""
    from rpstn_mmpose.speed import optimize_for_inference

    wanted: Dict[str, dict] = {'fast': {}}
    if bench.cuda:
        wanted['fast, without graphs'] = dict(graphs=False)
    if bench.args.half:
        wanted['fast, bfloat16'] = dict(dtype='bfloat16')
    if bench.args.compile:
        wanted['fast, compiled'] = dict(compile=True)
    if bench.args.half and bench.args.compile:
        wanted['fast, bfloat16, compiled'] = dict(
            dtype='bfloat16', compile=True
        )
    return {
        name: optimize_for_inference(copy.deepcopy(model), **options)
        for name, options in wanted.items()
    }


def run_inference(bench: Bench) -> None:
    """Whole clips, a figure is the time of a batch."""
    import torch

    model = build_model(bench)
    copies = fast_models(bench, model)
    with torch.no_grad():
        for batch in bench.args.batch_sizes:
            clips = random_clips(model, batch, CLIP_LENGTH)
            functions = {
                'baseline': lambda c=clips: released_arrangement(model, c),
                'all frames at once': lambda c=clips: model(
                    c, None, mode='tensor'
                ),
            }
            for name, fast in copies.items():
                functions[name] = lambda c=clips, m=fast: m(
                    c, None, mode='tensor'
                )
            functions = {
                name: function
                for name, function in functions.items()
                if bench.wants(name)
            }
            expected = functions['baseline']()
            errors = {
                name: difference(function(), expected)
                for name, function in functions.items()
            }
            bench.compare(
                'inference',
                f'{batch} x {CLIP_LENGTH} frames',
                functions,
                errors=errors,
            )


def run_streaming(bench: Bench) -> None:
    """The next frame of N people; a figure is the time of a frame. The
    baseline's is its clip's divided by its frames."""
    import torch

    model = build_model(bench)
    copies = {'one frame': model, **fast_models(bench, model)}
    found: Dict[str, Dict[int, float]] = {}
    with torch.no_grad():
        for people in bench.args.batch_sizes:
            clips = random_clips(model, people, CLIP_LENGTH)
            expected = released_arrangement(model, clips)
            functions, errors = {}, {}

            def add(
                name,
                net,
                prepared,
                clips=clips,
                expected=expected,
                functions=functions,
                errors=errors,
            ):
                state, errors[name] = stream(net, clips, expected, prepared)

                def next_frame():
                    return net.step(
                        net.extract_feat(clips[:, :1])[:, 0], state
                    )

                functions[name] = next_frame

            for name, net in copies.items():
                if bench.wants(name):
                    add(name, net, False)
                if name != 'one frame' and bench.wants(f'{name}, prepared'):
                    add(f'{name}, prepared', net, True)
            if bench.cuda:
                for name, frame in whole_frames(bench, copies).items():
                    if bench.wants(name):
                        functions[name], errors[name] = recorded(
                            frame, model, clips, expected
                        )

            def baseline(clips=clips):
                return released_arrangement(model, clips)

            times = bench.compare(
                'streaming',
                f'{people} people',
                dict(baseline=baseline, **functions),
                units=dict(baseline=CLIP_LENGTH),
                errors=errors,
            )
            for name, value in times.items():
                found.setdefault(name, {})[people] = value
    add_further_people(bench, found)


def add_further_people(
    bench: Bench, found: Dict[str, Dict[int, float]]
) -> None:
    """What each person beyond the first costs, by name."""
    few, many = min(bench.args.batch_sizes), max(bench.args.batch_sizes)
    if few != 1 or many == 1:
        return
    for name, times in found.items():
        extra = (times[many] - times[1]) / (many - 1)
        bench.add(
            'streaming',
            'each further person',
            name,
            extra,
            None,
            note=f'{extra / times[1]:.2f} of the first',
        )


def whole_frames(bench: Bench, copies: Dict[str, Any]) -> Dict[str, Any]:
    """A stream's frames as recordings of a GPU, by name."""
    from rpstn_mmpose.speed.compiled_frame import CompiledFrame, GraphedFrame

    frames = {}
    for name in ('fast', 'fast, bfloat16'):
        if name in copies:
            frames[f'{name}, graph'] = GraphedFrame(copies[name])
            if bench.args.compile:
                frames[f'{name}, compiled graph'] = CompiledFrame(copies[name])
    return frames


def recorded(frame, net, clips, expected) -> Tuple[Callable, float]:
    """The next frame of a walk through the clips, and the largest difference
    on the way."""
    maps, state = net.first(clips[:, 0])
    error = difference(maps, expected[:, 0])
    for t in range(1, clips.shape[1]):
        maps, state = frame(clips[:, t], state)
        error = max(error, difference(maps, expected[:, t]))
    return lambda: frame(clips[:, 0], state), error


def stream(net, clips, expected, prepared=False) -> Tuple[Any, float]:
    """Walk through the clips, the steps prepared or not; the last state, the
    largest difference."""
    frames = clips.split(1, dim=1)
    initial = net.initial_heatmaps(frames[0])
    heatmaps, state = net.start(
        net.extract_feat(frames[0])[:, 0],
        None if initial is None else initial[:, 0],
    )
    error = difference(heatmaps, expected[:, 0])
    for t, frame in enumerate(frames[1:], 1):
        if prepared:
            state = net.prepare(state)
        heatmaps, state = net.step(net.extract_feat(frame)[:, 0], state)
        error = max(error, difference(heatmaps, expected[:, t]))
    return net.prepare(state) if prepared else state, error
