# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Recordings of a GPU, up to the GPU."""

import logging
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from mmengine.logging import MMLogger

from rpstn_mmpose.apis import model_options
from rpstn_mmpose.models.pose_estimators.memory_estimator import with_memory
from rpstn_mmpose.speed import cuda_graph, fast_inference
from rpstn_mmpose.speed.compiled_frame import GraphedFrame
from rpstn_mmpose.speed.cuda_graph import (
    GraphedFunction,
    difference,
    graph_methods,
)
from rpstn_mmpose.speed.fast_inference import optimize_for_inference
from rpstn_mmpose.streams.recurrent_stream import RecurrentStream
from tests.test_models.conftest import (
    clip_sample,
    tiny_image_model,
    tiny_video_model,
)

from .stand_in_gpu import Gpu
from .test_compiled_frame import NETS, walk
from .test_fast_inference import heatmaps, lively


@pytest.fixture
def gpu(monkeypatch):
    return Gpu(monkeypatch)


@torch.no_grad()
def test_nothing_is_written_over(gpu):
    """x + 1 and 2 x, by hand; earlier results stay, and so does the input."""
    function = GraphedFunction(lambda x: (x + 1, [x * 2]), 'f')
    inputs = [torch.full((2,), float(value)) for value in range(4)]
    found = [function(x) for x in inputs]
    assert [(a.tolist(), b.tolist()) for a, (b,) in found] == [
        ([1, 1], [0, 0]),
        ([2, 2], [2, 2]),
        ([3, 3], [4, 4]),
        ([4, 4], [6, 6]),
    ]
    assert [x.tolist() for x in inputs] == [[i] * 2 for i in range(4)]
    # the first call is the function's own, after a replay that checks it
    assert len(gpu.recorded) == 1 and gpu.replays == 4


@torch.no_grad()
def test_a_recording_for_each_shape_and_dtype(gpu):
    function = GraphedFunction(lambda x: x + 1, 'f', max_recordings=2)
    for size in (3, 1, 3, 2, 1):
        assert function(torch.zeros(size)).tolist() == [1] * size
    assert gpu.recorded == [[(3,)], [(1,)]]
    assert gpu.replays == 2 + 2  # checks, and the 3 and the 1 again
    assert function(torch.zeros(3, dtype=torch.int64)).dtype == torch.int64
    with pytest.raises(ValueError, match='max_recordings must be at least 1'):
        GraphedFunction(abs, 'f', max_recordings=0)


def test_what_is_called_as_it_is(gpu):
    """With gradients, which a replay has not, and with keywords."""
    function = GraphedFunction(lambda x, times=2: x * times, 'f')
    weight = torch.ones(1, requires_grad=True)
    function(weight).backward()
    assert weight.grad.item() == 2
    with torch.no_grad():
        assert function(torch.ones(1), times=5).item() == 5
    assert gpu.recorded == []


@pytest.fixture
def warnings(caplog):
    logger = MMLogger.get_instance('graphs')
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@torch.no_grad()
def test_falling_back(monkeypatch, warnings):
    """One line, once, and the function's results."""
    calls = []

    def capture(function, inputs):
        calls.append(1)
        raise RuntimeError('operation not permitted\nwhen capturing')

    monkeypatch.setattr(cuda_graph, 'capture', capture)
    function = GraphedFunction(lambda x: x + 1, 'Model.clip')
    for size in (1, 2, 1):
        assert function(torch.zeros(size)).tolist() == [1] * size
    assert len(calls) == 1
    (record,) = warnings.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        'Model.clip runs without a CUDA graph: operation not permitted when '
        'capturing'
    )


@torch.no_grad()
def test_dicts_are_recorded_and_other_things_refused(gpu, warnings):
    """x + 1 and 2 x, by hand, of each call."""
    function = GraphedFunction(lambda x: dict(a=x + 1, b=[x * 2]), 'f')
    found = [function(torch.full((2,), float(value))) for value in range(3)]
    assert [(x['a'].tolist(), x['b'][0].tolist()) for x in found] == [
        ([1, 1], [0, 0]),
        ([2, 2], [2, 2]),
        ([3, 3], [4, 4]),
    ]
    assert len(gpu.recorded) == 1
    odd = GraphedFunction(lambda x: SimpleNamespace(a=x + 1), 'odd')
    listed = GraphedFunction(lambda x: x[0] + 1, 'listed')
    for value in range(2):
        x = torch.tensor(float(value))
        assert odd(x).a.item() == value + 1
        assert listed([x]).item() == value + 1
    assert len(gpu.recorded) == 1
    assert [record.getMessage() for record in warnings.records] == [
        'odd runs without a CUDA graph: it gives a SimpleNamespace, and only '
        'tensors in dicts, tuples and lists can be recorded',
        'listed runs without a CUDA graph: it takes a list, and only tensors '
        'can be recorded',
    ]


def test_a_broken_recording_leaves_its_stream(monkeypatch):
    """PyTorch's does not: what ends it raises before it is changed back."""
    now = []

    @contextmanager
    def recording(graph, **options):
        now[0] = 'recorded'
        yield

    class Stream:
        def wait_stream(self, other):
            pass

    default = Stream()
    now.append(default)
    for name, value in dict(
        Stream=Stream,
        CUDAGraph=mock.Mock,
        graph=recording,
        stream=lambda stream: nullcontext(),
        current_stream=lambda: now[0],
        set_stream=lambda stream: now.__setitem__(0, stream),
    ).items():
        monkeypatch.setattr(torch.cuda, name, value)
    function = mock.Mock(side_effect=[1, 2, 3, RuntimeError('capturing')])
    with pytest.raises(RuntimeError, match='capturing'):
        cuda_graph.capture(function, [])
    assert now == [default] and function.call_count == 4


@torch.no_grad()
def test_errors_of_the_function_are_its_own(gpu):
    def broken(x):
        raise RuntimeError('out of memory')

    with pytest.raises(RuntimeError, match='out of memory'):
        GraphedFunction(broken, 'f')(torch.zeros(1))
    assert GraphedFunction(abs, 'f')(torch.zeros(1)).item() == 0
    assert len(gpu.recorded) == 1


@torch.no_grad()
def test_a_recording_that_gives_something_else(monkeypatch, warnings):
    """As of a function that asks the host: its answer is in the recording."""
    monkeypatch.setattr(
        cuda_graph,
        'capture',
        lambda function, inputs: (function(*inputs) * 0, lambda: None),
    )
    function = GraphedFunction(lambda x: x + 1, 'f')
    for _ in range(2):
        assert function(torch.ones(2)).tolist() == [2, 2]
    (record,) = warnings.records
    assert record.getMessage().endswith('a replay differs by 1')


@torch.no_grad()
def test_one_inside_of_another_is_a_part_of_it(gpu):
    """A replay cannot be recorded."""
    inner = GraphedFunction(lambda x: x + 1, 'inner')
    outer = GraphedFunction(lambda x: inner(x) * 2, 'outer')
    assert outer(torch.zeros(1)).item() == 2
    assert outer(torch.ones(1)).item() == 4
    assert gpu.recorded == [[(1,)]]
    assert inner(torch.ones(1)).item() == 2
    assert len(gpu.recorded) == 2


def test_difference():
    """Of 2 and 3, a third; of equal NaN and of nothing, none."""
    nan = torch.tensor([float('nan'), 3.0])
    assert difference(
        (torch.tensor([2.0, 3.0]), nan), (torch.tensor([3.0, 3.0]), nan)
    ) == pytest.approx(1 / 3)
    assert difference(torch.empty(0), torch.empty(0)) == 0
    assert difference(torch.zeros(2), torch.zeros(2)) == 0


@pytest.fixture
def on_a_gpu(monkeypatch, gpu):
    """Models say that they are on a GPU."""
    device = SimpleNamespace(type='cuda')
    fuse = mock.Mock()
    monkeypatch.setattr(fast_inference, 'device_of', lambda model: device)
    monkeypatch.setattr(fast_inference, 'fuse_conv_bn', fuse)
    return gpu


@pytest.mark.parametrize('variant', NETS)
def test_clips_of_a_size(variant, on_a_gpu):
    """By all ways to the clip: ``mode='tensor'`` and ``predict``."""
    model = lively(NETS[variant])
    clips = torch.randn(3, 4, 3, 64, 64)
    expected = heatmaps(model, clips)
    optimize_for_inference(model)
    for rows in (slice(0, 2), slice(1, 3), slice(2, 3)):
        torch.testing.assert_close(
            heatmaps(model, clips[rows]), expected[rows], rtol=1e-4, atol=1e-4
        )
    assert on_a_gpu.recorded == [[(2, 4, 3, 64, 64)], [(1, 4, 3, 64, 64)]]
    before = on_a_gpu.replays
    with torch.no_grad():
        model.predict(clips[:1], [clip_sample()])
    assert on_a_gpu.replays == before + 1


def test_image_models(on_a_gpu):
    model = lively(tiny_image_model())
    images = torch.randn(2, 3, 64, 64)
    expected = heatmaps(model, images)
    optimize_for_inference(model)
    for _ in range(2):
        torch.testing.assert_close(
            heatmaps(model, images), expected, rtol=1e-4, atol=1e-4
        )
    assert on_a_gpu.recorded == [[(2, 3, 64, 64)]] and on_a_gpu.replays == 2


def test_image_models_with_a_memory(on_a_gpu):
    """Whose crops are known to the host: the frames' features alone."""
    config = with_memory(tiny_image_model(), 'mean')
    config.head.decoder = tiny_video_model()['head']['decoder']
    model = lively(config)
    clips = torch.randn(2, 3, 3, 64, 64)
    expected = heatmaps(model, clips)
    optimize_for_inference(model)
    for _ in range(2):
        torch.testing.assert_close(
            heatmaps(model, clips), expected, rtol=1e-4, atol=1e-4
        )
    assert on_a_gpu.recorded == [[(6, 3, 64, 64)]]


def test_switched_off_or_on_a_cpu(on_a_gpu, monkeypatch):
    model = optimize_for_inference(lively(NETS['paper']), graphs=False)
    assert 'forward_clip' not in vars(model)
    monkeypatch.undo()
    model = optimize_for_inference(lively(NETS['paper']))
    assert 'forward_clip' not in vars(model)
    assert graph_methods(model) == ['forward_clip']
    assert isinstance(model.forward_clip, GraphedFunction)


@pytest.mark.parametrize('variant', NETS)
def test_frames_of_a_stream(variant, gpu):
    """Two walks with another number of people in between."""
    model = lively(NETS[variant])
    clips = torch.randn(3, 5, 3, 64, 64)
    expected = heatmaps(model, clips)
    frame = GraphedFrame(model)
    tolerance = dict(rtol=1e-4, atol=1e-4)
    for rows in (slice(0, 2), slice(2, 3), slice(1, 3)):
        torch.testing.assert_close(
            walk(model, frame, clips[rows]), expected[rows], **tolerance
        )
    assert [shapes[0][0] for shapes in gpu.recorded] == [2, 1]
    assert gpu.replays == 3 * 4  # the first of each size checks it


def test_a_stream_of_graphs(gpu):
    """As without them; the frame that starts people is no recording."""
    model = lively(NETS['paper'])
    clips = torch.randn(2, 5, 3, 64, 64)
    streams = [
        RecurrentStream(model, collapse_ratio=None, compile=compile)
        for compile in (False, 'graph')
    ]
    for frames in clips.unbind(1):
        plain, graphed = (s.heatmaps(frames, [7, 3]) for s in streams)
        torch.testing.assert_close(graphed, plain, rtol=1e-4, atol=1e-4)
    assert len(gpu.recorded) == 1 and gpu.replays == 4


@pytest.mark.parametrize(
    'device, fast, compile, expected',
    [
        ('cuda', 'float32', False, 'graph'),
        ('cuda', 'bfloat16', False, 'graph'),
        ('cuda', None, True, True),
        ('cuda', 'float32', True, True),
        ('cuda', None, False, False),
        ('cpu', 'float32', False, False),
        ('cpu', None, True, False),
    ],
)
def test_what_fast_means(device, fast, compile, expected, monkeypatch):
    """In a stream: graphs on a GPU, compiled ones if asked for."""
    asked = []
    monkeypatch.setattr(
        model_options,
        'optimize_for_inference',
        lambda model, **options: asked.append(options),
    )
    monkeypatch.setattr(
        model_options, 'device_of', lambda model: SimpleNamespace(type=device)
    )
    model = SimpleNamespace(carries_state=True)
    assert model_options.speed_up(model, fast, compile) is expected
    parts = compile and device == 'cpu'
    assert [options['compile'] for options in asked] == (
        [parts] if fast or compile else []
    )
    assert model_options.speed_up(SimpleNamespace(), fast, compile) is False
