# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The likelihood: by hand, and MMPose's own where nothing is changed."""

import math

import pytest
import torch
from mmpose.models.losses import RLELoss
from torch import nn

from rpstn_mmpose.systems.dsta import FlowRLELoss


def with_identity(**options):
    """A loss whose flow changes nothing: all nets 0."""
    loss = FlowRLELoss(**options)
    for parameter in loss.parameters():
        nn.init.zeros_(parameter)
    return loss


def example(seed=0):
    generator = torch.Generator().manual_seed(seed)
    pred, sigma, target = (
        torch.randn(3, 5, 2, generator=generator) for _ in range(3)
    )
    return pred, sigma, target, torch.rand(3, 5, 1, generator=generator)


@pytest.mark.parametrize('mean', [0.0, 0.5])
@pytest.mark.parametrize('q', ['laplace', 'gaussian', 'released'])
def test_one_joint_by_hand(q, mean):
    """m = (0.7, 0.2), target (0.4, 0.6), sigma (0.5, 0.2)."""
    loss = with_identity(q_distribution=q, prior_mean=(mean, mean))
    sigmas = (0.5, 0.2)
    errors = (0.3 / 0.5, -0.4 / 0.2)
    log_phi = -math.log(2 * math.pi) - sum((e - mean) ** 2 for e in errors) / 2
    expected = 0
    for error, sigma in zip(errors, sigmas):
        expected += math.log(sigma) - log_phi
        if q == 'laplace':
            expected += math.log(2 * sigma) + abs(error)
        else:
            expected += math.log(sigma * math.sqrt(2 * math.pi))
            expected += (
                error**2 / 2 if q == 'gaussian' else abs(error) / math.sqrt(2)
            )
    found = loss(
        torch.tensor([[[0.7, 0.2]]]),
        torch.tensor([[sigmas]]).logit(),
        torch.tensor([[[0.4, 0.6]]]),
    )
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('q', ['laplace', 'gaussian'])
@pytest.mark.parametrize('residual', [True, False])
@pytest.mark.parametrize('size_average', [True, False])
def test_mmpose_s_where_nothing_is_changed(q, residual, size_average):
    """Values and gradients."""
    options = dict(
        use_target_weight=True,
        q_distribution=q,
        residual=residual,
        size_average=size_average,
    )
    stock, own = RLELoss(**options), FlowRLELoss(**options)
    for parameter in stock.parameters():
        nn.init.normal_(parameter, std=0.1)
    own.load_state_dict(stock.state_dict())
    gradients = []
    for loss in (stock, own):
        pred, sigma, target, weight = example()
        pred.requires_grad_(), sigma.requires_grad_()
        value = loss(pred, sigma, target, weight)
        value.backward()
        gradients.append((value, pred.grad, sigma.grad))
    for expected, found in zip(*gradients):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('q', ['laplace', 'gaussian', 'released'])
def test_certainty_that_is_too_great_stays_finite(q):
    """MMPose's own logarithm of sigma is infinite there."""
    sigma = torch.full((1, 1, 2), -200.0, requires_grad=True)
    point = torch.zeros(1, 1, 2)
    assert RLELoss()(point, sigma, point).isinf()
    loss = FlowRLELoss(q_distribution=q)(point, sigma, point)
    loss.backward()
    assert loss.isfinite() and sigma.grad.isfinite().all()


def test_not_in_16_bits():
    pred, sigma, target, _ = example()
    loss = FlowRLELoss()
    expected = loss(pred, sigma, target)
    with torch.autocast('cpu', torch.bfloat16):
        found = loss(pred, sigma, target)
    assert found.dtype == torch.float32 and torch.equal(found, expected)


@pytest.mark.parametrize('start', ['xavier', 'default'])
def test_start_of_the_flow(start):
    """Of 64 to 64: Xavier's bound times 0.01, or torch's 1/8."""
    loss = FlowRLELoss(flow_start=start)
    loss.init_weights()
    layer = loss.flow_model.s[2][2]
    bound = 0.01 * math.sqrt(6 / 128) if start == 'xavier' else 1 / 8
    assert 0.95 * bound < layer.weight.abs().max() <= bound
    if start == 'default':
        assert all(
            (m.bias == 0).all()
            for m in loss.modules()
            if isinstance(m, nn.Linear)
        )


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(q_distribution='cauchy'), 'q_distribution must be one of'),
        (dict(flow_start='zero'), 'flow_start must be one of'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        FlowRLELoss(**options)
