# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.runner import amp
from mmpose.registry import MODELS
from torch import nn

from tests.test_models.conftest import clip_sample, tiny_video_model


def build(model, kind):
    return build_optim_wrapper(
        model, dict(type=kind, optimizer=dict(type='SGD', lr=0.5))
    )


def test_one_step_by_hand():
    """2 * 1.00390625 is 2.0078125; bfloat16 has 1.0 for the factor, so
    that the gradient of the weight is 1 and the weight becomes 1.5."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    wrapper = build(layer, 'AutocastOptimWrapper')
    with wrapper.optim_context(layer):
        out = layer(torch.tensor([[1.00390625]]))
    assert out.dtype == torch.bfloat16 and out.item() == 2.0
    wrapper.update_params(out.float().sum())
    assert layer.weight.dtype == torch.float32
    assert layer.weight.item() == 1.5


def test_a_gpu_beside_the_model_changes_nothing(monkeypatch):
    """mmengine thinks that there is one; the model is on the CPU."""
    monkeypatch.setattr(amp, 'get_device', lambda: 'cuda')
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda: True)
    layer = nn.Linear(1, 1)
    with build(layer, 'AutocastOptimWrapper').optim_context(layer):
        assert layer(torch.ones(1)).dtype == torch.bfloat16


def test_video_model_trains():
    """A loss that is that of float32 within a few per cent, and logged
    accuracy, which numpy computes."""
    torch.manual_seed(0)
    model = MODELS.build(tiny_video_model()).train()
    clips = torch.randn(2, 4, 3, 64, 64)
    samples = [clip_sample(4, seed=i) for i in range(2)]
    losses = {}
    for kind in ('OptimWrapper', 'AutocastOptimWrapper'):
        wrapper = build(model, kind)
        with wrapper.optim_context(model):
            losses[kind] = model.loss(clips, samples)
        assert set(losses[kind]) == {'loss_kpt', 'acc_pose'}
    wrapper.update_params(losses['AutocastOptimWrapper']['loss_kpt'])
    assert all(torch.isfinite(p).all() for p in model.parameters())
    expected = float(losses['OptimWrapper']['loss_kpt'])
    got = float(losses['AutocastOptimWrapper']['loss_kpt'])
    assert got != expected
    assert got == pytest.approx(expected, rel=0.03)
