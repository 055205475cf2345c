# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Recorded training passes, up to the GPU: a stand-in for its recordings
writes over what the last replay gave. On a GPU, the real ones, too."""

import copy
import logging
import random
from collections import OrderedDict
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmpose.registry import MODELS
from torch import nn

from rpstn_mmpose.engine.hooks import (
    BNMomentumDecayHook,
    FastInferenceHook,
    GraphedTrainingHook,
)
from rpstn_mmpose.speed import graphed_training
from rpstn_mmpose.speed.graphed_training import GraphedTraining, graph_training
from rpstn_mmpose.speed.training_state import TrainingState
from tests.test_models.conftest import clip_sample, tiny_video_model

from .stand_in_gpu import TrainingGpu


def clip_batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return dict(
        inputs=torch.randn(2, 4, 3, 64, 64, generator=generator),
        data_samples=[clip_sample(seed=2 * seed + row) for row in range(2)],
    )


@pytest.fixture
def gpu(monkeypatch):
    return TrainingGpu(monkeypatch)


@pytest.fixture
def lines(caplog):
    """Of the log."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    with caplog.at_level(logging.INFO):
        yield lambda: [
            (r.levelname, r.getMessage())
            for r in caplog.records
            if 'CUDA graph' in r.getMessage()
        ]
    logger.setLevel(level)
    logger.removeHandler(caplog.handler)


class Line(nn.Module):
    """w x and x + 1, with a count of the passes."""

    graphed_methods = ('answer',)

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(3.0))
        self.idle = nn.Parameter(torch.tensor(0.0))
        self.register_buffer('passes', torch.tensor(0))

    def answer(self, x):
        if self.training:
            self.passes += 1
        return self.weight * x, [x + 1]


def test_values_and_gradients_by_hand(gpu):
    """d(sum w x) / dw = sum x; a pass of the caller counts as one."""
    model = Line()
    assert graph_training(model) == ['answer']
    for step, x in enumerate(torch.tensor([[1.0, 2.0], [4.0, 5.0]]), 1):
        product, (more,) = model.answer(x)
        assert product.tolist() == (3 * x).tolist()
        assert more.tolist() == (x + 1).tolist()
        model.zero_grad()
        product.sum().backward()
        assert model.weight.grad.item() == x.sum().item()
        assert model.idle.grad is None
        assert model.passes.item() == step
    assert gpu.recorded == [[(2,)]]


def test_second_call_before_the_backward_pass(gpu):
    """d(sum w a + sum w b) / dw = sum a + sum b; a replay for the second
    would write over what the first gave."""
    model = Line()
    graph_training(model)
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0])
    for _ in range(2):
        before = gpu.replays
        one, two = model.answer(a)[0], model.answer(b)[0]
        assert one.tolist() == [3, 6] and two.tolist() == [30, 60]
        model.zero_grad()
        (one.sum() + two.sum()).backward()
        assert model.weight.grad.item() == 33
        del one, two
    assert gpu.replays == before + 1


def test_weights_that_are_trained_later(gpu, lines):
    model = Line()
    model.weight.requires_grad_(False)
    graph_training(model)
    model.answer(torch.ones(2))
    ((_, line),) = lines()
    assert line.endswith('none of its weights is trained')
    model = Line()
    graph_training(model)
    model.idle.requires_grad_(False)
    for wanted in (False, True):
        model.idle.requires_grad_(wanted)
        model.answer(torch.ones(2))
    assert len(gpu.recorded) == 2


def test_calls_that_are_not_recorded(gpu):
    model = Line()
    graph_training(model)
    x = torch.ones(2)
    with torch.no_grad():
        model.answer(x)
    model.answer(x=x)
    model.eval()
    model.answer(x)
    model.train()
    trained = torch.ones(2, requires_grad=True)
    model.answer(trained)[0].sum().backward()
    assert trained.grad.tolist() == [3, 3]
    assert gpu.recorded == [] and gpu.replays == 0
    for size in (2, 3, 4, 2, 3, 4):
        assert model.answer(torch.ones(size))[0].tolist() == [3.0] * size
    assert gpu.recorded == [[(2,)], [(3,)]]


@pytest.mark.parametrize(
    'broken, reason',
    [
        ('capture', 'operation not permitted when capturing'),
        ('output', 'a replay differs by'),
        ('gradient', "a replay's gradient differs by 1"),
    ],
)
def test_what_cannot_be_recorded_runs_as_it_is(gpu, lines, broken, reason):
    gpu.broken = broken
    model = Line()
    graph_training(model)
    for _ in range(2):
        product, _ = model.answer(torch.tensor([1.0, 2.0]))
        model.zero_grad()
        product.sum().backward()
    assert model.weight.grad.item() == 3 and model.passes.item() == 2
    ((level, line),) = lines()
    assert level == 'WARNING'
    assert line.startswith('Line.answer trains without a CUDA graph: ')
    assert reason in line and '\n' not in line


@pytest.mark.parametrize('value', [0.0, float('inf')])
def test_no_gradient_to_compare(gpu, lines, value):
    """d mean (w x)^2 / dw = 2 w mean x^2."""
    model = Line()
    graph_training(model)
    model.answer(torch.full((2,), value))
    ((_, line),) = lines()
    assert line.endswith('is compared, is 0 or not finite')
    assert gpu.recorded == []


def test_one_line_when_it_works(gpu, lines):
    """At the first size of two."""
    model = Line()
    graph_training(model)
    for size in (2, 3, 2):
        model.answer(torch.ones(size))
    assert lines() == [
        (
            'INFO',
            'Line.answer trains by CUDA graphs, recorded for inputs of (2,)',
        )
    ]


def as_it_is(model):
    """All that a pass may change."""
    return dict(
        methods=list(vars(model)),
        modes=[part.training for part in model.modules()],
        weights=[(x.item(), x.requires_grad) for x in model.parameters()],
        gradients=[
            None if x.grad is None else (id(x.grad), x.grad.item())
            for x in model.parameters()
        ],
        buffers=[(id(x), x.tolist()) for x in model.buffers()],
        numbers=(
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
        ),
        autocast=(
            torch.is_autocast_enabled(),
            torch.is_autocast_cache_enabled(),
        ),
    )


def test_a_broken_recording_leaves_all_as_it_was(gpu):
    """Of everything that the stand-in could think of."""
    model = Line()
    model.weight.grad = torch.tensor(5.0)
    model.part = nn.Dropout()
    before = as_it_is(model)
    caches = []

    def during(module):
        caches.append(torch.is_autocast_cache_enabled())
        model.passes += 40
        model.passes = model.passes + 1
        model.weight.grad += 1
        model.idle.grad = torch.tensor(7.0)
        model.weight.requires_grad_(False)
        model.part.eval()
        random.random(), np.random.rand(), torch.rand(1)

    gpu.broken, gpu.during = 'capture', during
    graph_training(model)
    wrapper = model.answer
    assert as_it_is(model) != before
    state = TrainingState(model)
    product, _ = model.answer(torch.tensor([1.0, 2.0]))
    assert caches == [False] and wrapper.given_up
    assert product.requires_grad and gpu.stream == 'default'
    model.passes -= 1  # the caller's own pass
    assert as_it_is(model) == before
    assert state.what_cannot_be_recorded() == ''


class Odd(Line):
    """Does what is asked for."""

    def answer(self, x):
        return getattr(self, self.kind)(x)

    def drop(self, x):
        return nn.functional.dropout(self.weight * x)

    def numpy(self, x):
        return self.weight * x * np.random.rand()

    def host(self, x):
        return self.weight * x * random.random()

    def replace(self, x):
        self.passes = self.passes + 1
        return self.weight * x


@pytest.mark.parametrize(
    'kind, reason',
    [
        ('drop', 'it draws random numbers, as dropout does, so that'),
        ('numpy', 'it draws random numbers, as dropout does, so that'),
        ('host', 'it draws random numbers, as dropout does, so that'),
        ('replace', 'another tensor in the place of its buffer passes'),
    ],
)
def test_what_a_replay_would_not_do(gpu, lines, kind, reason):
    """Seen without a recording; the caller's numbers are those without it."""
    model, plain = Odd(), Odd()
    model.kind = plain.kind = kind
    graph_training(model)
    x = torch.ones(64)
    found = []
    for one in (model, plain):
        random.seed(0), np.random.seed(0), torch.manual_seed(0)
        found.append([one.answer(x).tolist() for _ in range(2)])
        found[-1].append(one.passes.item())
    assert found[0] == found[1]
    assert gpu.recorded == []
    ((_, line),) = lines()
    assert reason in line


@pytest.mark.filterwarnings('ignore:CUDA is not available')
def test_float16(gpu, lines, monkeypatch):
    """Is told without a recording; bfloat16 is recorded."""
    for dtype, recordings in ((torch.float16, 0), (torch.bfloat16, 1)):
        monkeypatch.setattr(
            graphed_training, 'autocast_dtype', mock.Mock(return_value=dtype)
        )
        model = Line()
        graph_training(model)
        assert model.answer(torch.ones(2))[0].tolist() == [3, 3]
        assert len(gpu.recorded) == recordings
    (_, warning), (_, info) = lines()
    assert 'graph: float16 rounds the gradients that are' in warning
    assert 'bfloat16 is recorded' in warning and '(2,)' in info


class Named(Line):
    """Gives a dict with a list in it; or what ``gives`` makes of it."""

    gives = staticmethod(lambda maps: maps)

    def answer(self, x):
        maps = OrderedDict(maps=self.weight * x, more=[x + 1, None], scale=4)
        return self.gives(maps)


def test_dicts(gpu, lines):
    """Of a dict's own class, with what is not a tensor in its place."""
    model = Named()
    graph_training(model)
    for x in torch.tensor([[1.0, 2.0], [4.0, 5.0]]):
        found = model.answer(x)
        assert type(found) is OrderedDict and list(found) == [
            'maps',
            'more',
            'scale',
        ]
        assert found['maps'].tolist() == (3 * x).tolist()
        assert found['more'][0].tolist() == (x + 1).tolist()
        assert found['more'][1] is None and found['scale'] == 4
        model.zero_grad()
        found['maps'].sum().backward()
        assert model.weight.grad.item() == x.sum().item()
    assert gpu.recorded == [[(2,)]]


def test_what_holds_tensors_unseen(gpu, lines):
    """A sample, which a replay would not write to, and inputs of a list."""
    model = Named()
    model.gives = lambda maps: SimpleNamespace(**maps)
    graph_training(model)
    for x in torch.tensor([[1.0, 2.0], [4.0, 5.0]]):
        assert model.answer(x).maps.tolist() == (3 * x).tolist()
    model = Line()
    graph_training(model)
    with pytest.raises(TypeError):  # its own
        model.answer([torch.ones(2)])
    assert gpu.recorded == []
    assert [line.split(': ')[1] for _, line in lines()] == [
        'it gives a SimpleNamespace, and only tensors in dicts, tuples and '
        'lists can be recorded',
        'it takes a list, and only tensors can be recorded',
    ]


def test_copy_of_a_model_runs_its_own_weights(gpu):
    """FastInferenceHook, EMAHook and the like copy the model."""
    model = Line()
    graph_training(model)
    model.answer(torch.ones(2))
    other = copy.deepcopy(model)
    assert isinstance(other.answer, GraphedTraining)
    with torch.no_grad():
        other.weight.fill_(7)
    assert other.answer(torch.ones(2))[0].tolist() == [7, 7]
    assert model.answer(torch.ones(2))[0].tolist() == [3, 3]
    assert gpu.recorded == [[(2,)]] * 2


def test_validation_with_a_fast_copy_between_steps(gpu):
    model = MODELS.build(tiny_video_model()).train()
    graph_training(model)
    batch = clip_batch()
    runner = type('Runner', (), dict(model=model))()
    hook = FastInferenceHook()
    model(**batch, mode='loss')
    hook.before_val_epoch(runner)
    assert runner.model is not model
    with torch.no_grad():
        found = runner.model(batch['inputs'], None, mode='tensor')
        expected = model.eval()(batch['inputs'], None, mode='tensor')
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    hook.after_val_epoch(runner)
    assert runner.model is model


def losses_and_gradients(model, batch, half=False):
    device = next(model.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        losses = model.train()(**batch, mode='loss')
    loss = sum(v for k, v in losses.items() if k.startswith('loss'))
    model.zero_grad()
    loss.backward()
    grads = [
        torch.zeros_like(x) if x.grad is None else x.grad.clone()
        for x in model.parameters()
    ]
    return loss.item(), torch.cat([x.flatten().double() for x in grads])


def on(device, batch):
    samples = [sample.to(device) for sample in batch['data_samples']]
    return dict(inputs=batch['inputs'].to(device), data_samples=samples)


def compare_with_plain(device, half, loss_tolerance, gradient_tolerance):
    torch.manual_seed(0)
    plain = MODELS.build(tiny_video_model()).to(device)
    recorded = copy.deepcopy(plain)
    graph_training(recorded)
    for seed in range(3):
        batch = on(device, clip_batch(seed=seed))
        loss, gradient = losses_and_gradients(plain, batch, half)
        found, vector = losses_and_gradients(recorded, batch, half)
        assert found == pytest.approx(loss, rel=loss_tolerance)
        change = (vector - gradient).norm() / gradient.norm()
        assert change <= gradient_tolerance
    for a, b in zip(plain.buffers(), recorded.buffers()):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
    return recorded


def test_video_model_as_without(gpu):
    compare_with_plain('cpu', False, 1e-6, 1e-6)
    assert len(gpu.recorded) == 1 and gpu.replays == 4


@pytest.mark.skipif(not torch.cuda.is_available(), reason='torch finds no GPU')
@pytest.mark.parametrize('half', [False, True])
def test_video_model_as_without_on_a_gpu(half):
    model = compare_with_plain('cuda', half, 1e-2, 5e-2)
    assert isinstance(model.forward_clip, GraphedTraining)
    assert len(model.forward_clip._recordings) == 1


class Runner:
    def __init__(self, model, hooks=(), **options):
        self.model = model
        self.hooks = hooks
        self.train_dataloader = SimpleNamespace(pin_memory=False)
        self.optim_wrapper = OptimWrapper(
            torch.optim.SGD(model.parameters(), lr=0.1), **options
        )


def amp(dtype):
    """What ``--amp`` makes, which wants a GPU to be built."""
    wrapper = AmpOptimWrapper.__new__(AmpOptimWrapper)
    wrapper.cast_dtype, wrapper._accumulative_counts = dtype, 1
    return wrapper


def test_hook_refuses_what_it_cannot_do(monkeypatch):
    hook = GraphedTrainingHook()
    with pytest.raises(ValueError, match='GraphedTrainingHook needs a GPU'):
        hook.before_train(Runner(Line()))
    monkeypatch.setattr(
        'rpstn_mmpose.engine.hooks.graphed_training_hook.device_of',
        lambda model: torch.device('cuda'),
    )
    with pytest.raises(ValueError, match='accumulative_counts=2 adds them'):
        hook.before_train(Runner(Line(), accumulative_counts=2))
    model = Line()
    model.train_cfg = dict(checkpointing=True)
    with pytest.raises(ValueError, match='checkpointing=True computes it'):
        hook.before_train(Runner(model))
    model = Line()
    model.graphed_methods = ()
    with pytest.raises(ValueError, match='knows nothing of Line'):
        hook.before_train(Runner(model))
    runner = Runner(Line())
    runner.train_dataloader.pin_memory = True
    with pytest.raises(ValueError, match='train_dataloader.pin_memory=True'):
        hook.before_train(runner)
    runner = Runner(Line())
    for dtype in (None, torch.float16):
        runner.optim_wrapper = amp(dtype)
        with pytest.raises(ValueError, match='gradients of float16'):
            hook.before_train(runner)
    decay = BNMomentumDecayHook()
    with pytest.raises(ValueError, match='BNMomentumDecayHook changes them'):
        hook.before_train(Runner(Line(), hooks=[decay]))
    runner = Runner(Line())
    runner.optim_wrapper = amp(torch.bfloat16)
    hook.before_train(runner)
    model = Line()
    hook.before_train(Runner(model))
    assert isinstance(model.answer, GraphedTraining)
