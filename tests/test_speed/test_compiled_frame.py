# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from unittest import mock

import pytest
import torch

from rpstn_mmpose.speed.compiled_frame import CompiledFrame
from rpstn_mmpose.speed.fast_inference import optimize_for_inference
from rpstn_mmpose.systems.rpstn import ClipState
from tests.test_models.conftest import tiny_video_model

from .stand_in_gpu import Gpu
from .test_fast_inference import VARIANTS, heatmaps, lively


@pytest.fixture
def gpu(monkeypatch):
    stand_in = Gpu(monkeypatch)
    stand_in.compiles(monkeypatch)
    return stand_in


def started(model, clips):
    """Heatmaps and state of the clips' first frames."""
    with torch.no_grad():
        feats = model.extract_feat(clips[:, :1])[:, 0]
        initial = model.initial_heatmaps(clips)
        return model.start(feats, None if initial is None else initial[:, 0])


def walk(model, frame, clips):
    """Heatmaps of all frames, looked at when the last one is done."""
    maps, state = started(model, clips)
    found = [maps]
    for inputs in clips.unbind(1)[1:]:
        maps, state = frame(inputs, state)
        found.append(maps)
    return torch.stack(found, dim=1)


NETS = dict(
    VARIANTS,
    memory_alone=tiny_video_model(
        neck=None,
        initializer='features',
        memory=dict(type='RecursiveHeatmapMean'),
    ),
)


@pytest.mark.parametrize('variant', NETS)
def test_nothing_is_written_over(variant, gpu):
    """Two walks with other numbers of people in between."""
    model = lively(NETS[variant])
    clips = torch.randn(3, 5, 3, 64, 64)
    expected = heatmaps(model, clips)
    frame = CompiledFrame(model)
    first = walk(model, frame, clips[:2])
    torch.testing.assert_close(walk(model, frame, clips[1:2]), expected[1:2])
    torch.testing.assert_close(walk(model, frame, clips[1:]), expected[1:])
    torch.testing.assert_close(first, expected[:2])
    assert [shapes[0][0] for shapes in gpu.recorded] == [2, 1]
    # the first frame of a number is the function's own, beside a check
    assert gpu.replays == 12 and gpu.compiled == [dict(dynamic=False)]


@pytest.mark.parametrize(
    'options',
    [
        dict(channels_last=False),
        dict(channels_last=True),
        dict(dtype='bfloat16'),
    ],
)
def test_one_graph_for_each_number_of_people(options):
    """torch.compile itself, with the graphs run as they are. It breaks off
    where a frame is more than one graph."""
    model = optimize_for_inference(lively(VARIANTS['paper']), **options)
    clips = torch.randn(2, 4, 3, 64, 64)
    expected = heatmaps(model, clips)
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    frame = CompiledFrame(
        model, backend=backend, fullgraph=True, dynamic=False
    )
    tolerance = dict(rtol=1e-4, atol=1e-4)
    if 'dtype' in options:  # batched otherwise, rounded otherwise
        tolerance = dict(rtol=0, atol=0.05 * float(expected.abs().max()))
    for count in (2, 1, 2):
        torch.testing.assert_close(
            walk(model, frame, clips[:count]), expected[:count], **tolerance
        )
    # States of start and of step in whatever order, crops that are slices.
    state = started(model, clips)[1]
    for order in (torch.contiguous_format, torch.channels_last):
        frame(
            clips[:, 1].contiguous(memory_format=order),
            ClipState(
                state.feats, state.heatmaps.contiguous(memory_format=order)
            ),
        )
    assert len(graphs) == 2


def test_no_more_recordings_than_asked_for(gpu):
    """The number of people changes all the time."""
    model = lively(VARIANTS['features'])
    clips = torch.randn(4, 3, 3, 64, 64)
    expected = heatmaps(model, clips)
    frame = CompiledFrame(model, max_recordings=2)
    for count in (3, 1, 2, 4, 2, 1, 3):
        torch.testing.assert_close(
            walk(model, frame, clips[:count]),
            expected[:count],
            rtol=1e-4,
            atol=1e-5,
        )
    shapes = [shapes[0][0] for shapes in gpu.recorded]
    assert shapes == [3, 1] and gpu.replays == 8


def test_options_by_device():
    """On a CPU: frozen weights."""
    from torch._inductor import config

    seen = []

    def compiler(function, **options):
        seen.append(options)

        def call(*args):
            seen.append(config.freezing)
            return function(*args)

        return call

    model = lively(VARIANTS['features'])
    clips = torch.randn(1, 2, 3, 64, 64)
    with mock.patch('torch.compile', compiler):
        walk(model, CompiledFrame(model), clips)
        CompiledFrame(model.to('meta'))
        CompiledFrame(model, dynamic=True)
    on_cpu, frozen, elsewhere, given = seen
    assert on_cpu == dict(dynamic=False) and frozen is True
    assert elsewhere == dict(dynamic=False)
    assert given == dict(dynamic=True)


def test_bad_option():
    with pytest.raises(ValueError, match='max_recordings must be at least 1'):
        CompiledFrame(lively(VARIANTS['features']), max_recordings=0)
