# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Two micro-batches give the step of the whole batch.

The expected weights come from plain autograd on the mean loss, without
mmengine. Batch norms stand still, for their statistics would be those of a
micro-batch.
"""

from contextlib import nullcontext

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmpose.registry import MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tests.test_models.conftest import clip_sample, tiny_video_model

T = 3
LR = 0.5


def build(checkpointing=False):
    """The same weights in every call; none of them zero."""
    torch.manual_seed(0)
    model = MODELS.build(
        tiny_video_model(
            train_cfg=dict(
                compute_acc=False,
                initializer_loss_weight=1.0,
                checkpointing=checkpointing,
            )
        )
    )
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.1)
    model.train()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    return model


def batch(count):
    generator = torch.Generator().manual_seed(1)
    clips = torch.randint(
        0, 256, (count, T, 3, 64, 64), generator=generator, dtype=torch.uint8
    )
    return dict(
        inputs=list(clips),
        data_samples=[clip_sample(T, seed=i) for i in range(count)],
    )


def part(data, begin, end):
    return {key: value[begin:end] for key, value in data.items()}


def plain_gradients(data, parts, half=False):
    """Of the mean over parts of the mean losses, by autograd alone."""
    model = build()
    for begin, end in parts:
        with torch.autocast('cpu', torch.bfloat16) if half else nullcontext():
            ready = model.data_preprocessor(
                part(data, begin, end), training=True
            )
            losses = model.loss(ready['inputs'], ready['data_samples'])
        loss = losses['loss_kpt'] + losses['loss_initializer']
        (loss / len(parts)).backward()
    return {name: p.grad for name, p in model.named_parameters()}


def trained(data, parts, kind, checkpointing, counts=2):
    """What train_step makes of the weights, after every micro-batch."""
    model = build(checkpointing)
    wrapper = build_optim_wrapper(
        model,
        dict(
            type=kind,
            optimizer=dict(type='SGD', lr=LR),
            accumulative_counts=counts,
        ),
    )
    states = [{n: p.detach().clone() for n, p in model.named_parameters()}]
    for begin, end in parts:
        model.train_step(part(data, begin, end), wrapper)
        states.append(
            {n: p.detach().clone() for n, p in model.named_parameters()}
        )
    return states


@pytest.mark.parametrize('checkpointing', [False, True])
def test_two_halves_are_the_whole(checkpointing):
    data = batch(4)
    expected = plain_gradients(data, [(0, 4)])
    start, between, end = trained(
        data, [(0, 2), (2, 4)], 'OptimWrapper', checkpointing
    )
    assert expected.keys() == end.keys()
    for name, gradient in expected.items():
        assert gradient.abs().max() > 0, name
        assert torch.equal(between[name], start[name]), name
        torch.testing.assert_close(
            (start[name] - end[name]) / LR,
            gradient,
            rtol=1e-4,
            atol=2e-6,
            msg=name,
        )


@pytest.mark.parametrize('checkpointing', [False, True])
def test_two_halves_in_bfloat16(checkpointing):
    """The sum is kept in float32, with which the mean of two bfloat16 steps
    agrees to rounding."""
    data = batch(4)
    expected = plain_gradients(data, [(0, 2), (2, 4)], half=True)
    start, between, end = trained(
        data, [(0, 2), (2, 4)], 'AutocastOptimWrapper', checkpointing
    )
    exact = plain_gradients(data, [(0, 4)])
    for name, gradient in expected.items():
        assert torch.equal(between[name], start[name]), name
        assert end[name].dtype == torch.float32
        torch.testing.assert_close(
            (start[name] - end[name]) / LR,
            gradient,
            rtol=1e-3,
            atol=2e-6,
            msg=name,
        )
    # and it is bfloat16: near to the gradients of float32, not equal
    got, wanted = (
        torch.cat([gradients[name].flatten() for name in exact])
        for gradients in (expected, exact)
    )
    assert not torch.equal(got, wanted)
    assert torch.cosine_similarity(got, wanted, dim=0) > 0.98


def test_a_count_of_one_steps_every_time():
    """Two steps of SGD, the second from where the first led."""
    data = batch(2)
    states = trained(data, [(0, 1), (1, 2)], 'OptimWrapper', False, counts=1)
    first = plain_gradients(data, [(0, 1)])
    for name, gradient in first.items():
        torch.testing.assert_close(
            (states[0][name] - states[1][name]) / LR,
            gradient,
            rtol=1e-4,
            atol=2e-6,
            msg=name,
        )
    assert any(not torch.equal(states[1][n], states[2][n]) for n in first)
