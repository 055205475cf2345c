# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Recorded training passes, up to the GPU: a stand-in for its recordings
writes over what the last replay gave. On a GPU, the real ones, too."""

import copy
import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmpose.registry import MODELS
from torch import nn

from rpstn_mmpose.engine.hooks import (
    BNMomentumDecayHook,
    FastInferenceHook,
    GraphedTrainingHook,
)
from rpstn_mmpose.speed.graphed_training import GraphedTraining, graph_training
from tests.test_models.conftest import clip_sample, tiny_video_model


def clip_batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return dict(
        inputs=torch.randn(2, 4, 3, 64, 64, generator=generator),
        data_samples=[clip_sample(seed=2 * seed + row) for row in range(2)],
    )


class Replay(torch.autograd.Function):
    """A pass whose outputs stay where they are."""

    @staticmethod
    def forward(ctx, kept, run, *weights):
        with torch.enable_grad():
            ctx.outputs, ctx.weights = run(), weights
        for place, value in zip(kept, ctx.outputs):
            place.copy_(value.detach())
        return tuple(place.detach() for place in kept)

    @staticmethod
    def backward(ctx, *grads):
        pairs = [
            (x, grad) for x, grad in zip(ctx.outputs, grads) if x.requires_grad
        ]
        found = torch.autograd.grad(
            [x for x, _ in pairs],
            ctx.weights,
            [grad for _, grad in pairs],
            allow_unused=True,
        )
        return None, None, *found


class Gpu:
    """In place of ``torch.cuda``'s recordings."""

    def __init__(self):
        self.recorded = []
        self.replays = 0
        self.broken = ''

    def make_graphed_callables(
        self, module, inputs, allow_unused_input=False, pool=None
    ):
        assert allow_unused_input and pool == 'memory'
        if self.broken == 'capture':
            raise RuntimeError('operation not permitted\nwhen capturing')
        self.recorded.append([tuple(x.shape) for x in inputs])
        kept = [x.detach().clone() for x in module(*inputs)]
        weights = [x for x in module.parameters() if x.requires_grad]

        def run(new):
            outputs = module(*new)
            if self.broken == 'output':
                outputs = [x + 1 for x in outputs]
            if self.broken == 'gradient':
                outputs = [x.detach() + 0 * x for x in outputs]
            return list(outputs)

        def replay(*new):
            self.replays += 1
            return Replay.apply(kept, lambda: run(new), *weights)

        return replay


@pytest.fixture
def gpu(monkeypatch):
    stand_in = Gpu()
    for name, value in dict(
        make_graphed_callables=stand_in.make_graphed_callables,
        graph_pool_handle=lambda: 'memory',
    ).items():
        monkeypatch.setattr(torch.cuda, name, value)
    return stand_in


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


def test_weights_that_are_trained_later(gpu, caplog):
    model = Line()
    model.weight.requires_grad_(False)
    graph_training(model)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        model.answer(torch.ones(2))
    logger.removeHandler(caplog.handler)
    assert 'none of its weights is trained' in caplog.text
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
    assert gpu.recorded == [] and gpu.replays == 0
    model.train()
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
def test_what_cannot_be_recorded_runs_as_it_is(gpu, caplog, broken, reason):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    gpu.broken = broken
    model = Line()
    graph_training(model)
    try:
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                product, _ = model.answer(torch.tensor([1.0, 2.0]))
                model.zero_grad()
                product.sum().backward()
    finally:
        logger.removeHandler(caplog.handler)
    assert model.weight.grad.item() == 3 and model.passes.item() == 2
    (line,) = [r.getMessage() for r in caplog.records]
    assert line.startswith('Line.answer trains without a CUDA graph: ')
    assert reason in line and '\n' not in line


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
    assert not model.forward_clip.given_up
    assert len(model.forward_clip._recordings) == 1


class Runner:
    def __init__(self, model, hooks=(), **options):
        self.model = model
        self.hooks = hooks
        self.train_dataloader = SimpleNamespace(pin_memory=False)
        self.optim_wrapper = OptimWrapper(
            torch.optim.SGD(model.parameters(), lr=0.1), **options
        )


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
    with pytest.raises(ValueError, match='beside pin_memory=True'):
        hook.before_train(runner)
    decay = BNMomentumDecayHook()
    with pytest.raises(ValueError, match='BNMomentumDecayHook changes them'):
        hook.before_train(Runner(Line(), hooks=[decay]))
    model = Line()
    hook.before_train(Runner(model))
    assert isinstance(model.answer, GraphedTraining)
