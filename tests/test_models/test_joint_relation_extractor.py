# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""JRE against Eq. 6-9 written out in numpy loops."""

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

B, K, H, W = 2, 3, 4, 5


def build(**kwargs):
    module = MODELS.build(
        dict(type='JointRelationExtractor', num_joints=K, **kwargs)
    ).double()
    module.eval()
    generator = torch.Generator().manual_seed(3)
    for parameter in module.parameters():
        parameter.data = torch.randn(
            parameter.shape, generator=generator, dtype=torch.float64
        )
    if kwargs.get('learn_temperature'):
        module.log_temperature.data = torch.tensor(
            np.log(kwargs['temperature'])
        )
    return module


def heatmaps(scale=0.5):
    generator = torch.Generator().manual_seed(4)
    return scale * torch.randn(
        B, K, H, W, generator=generator, dtype=torch.float64
    )


def mix(weight, maps):
    """A 1x1 convolution, joint by joint."""
    out = np.zeros_like(maps)
    for i in range(K):
        for j in range(K):
            out[i] += weight[i, j] * maps[j]
    return out


def reference(module, maps, cosine=False, temperature=1.0):
    """Eq. 6-9 for one sample, one joint after the other."""
    w_g = module.conv_g.weight.detach().numpy()[:, :, 0, 0]
    w_o = module.conv_o.weight.detach().numpy()[:, :, 0, 0]
    similarity = np.zeros((K, K))
    for i in range(K):
        for j in range(K):
            similarity[i, j] = (maps[i] * maps[j]).sum()
            if cosine:
                similarity[i, j] /= np.sqrt(
                    (maps[i] ** 2).sum() * (maps[j] ** 2).sum()
                )
    g = mix(w_g, maps)
    gathered = np.zeros_like(maps)
    for i in range(K):
        total = sum(np.exp(similarity[i, j] / temperature) for j in range(K))
        for j in range(K):
            weight = np.exp(similarity[i, j] / temperature) / total
            gathered[i] += weight * g[j]
    return mix(w_o, gathered) + maps


def test_matches_equations():
    module, maps = build(), heatmaps()
    got = module(maps).detach().numpy()
    for b in range(B):
        np.testing.assert_allclose(
            got[b], reference(module, maps[b].numpy()), atol=1e-12
        )


@pytest.mark.parametrize('learn', [False, True])
def test_cosine_and_temperature(learn):
    module = build(
        similarity='cosine', temperature=0.25, learn_temperature=learn
    )
    maps = heatmaps()
    got = module(maps).detach().numpy()
    for b in range(B):
        expected = reference(module, maps[b].numpy(), True, 0.25)
        np.testing.assert_allclose(got[b], expected, atol=1e-7)
    assert ('log_temperature' in dict(module.named_parameters())) == learn


def test_relational_weights_by_hand():
    """Two orthogonal joints: softmax([4, 0]) and softmax([0, 1])."""
    module = MODELS.build(dict(type='JointRelationExtractor', num_joints=2))
    maps = torch.zeros(1, 2, 1, 2)
    maps[0, 0, 0, 0] = 2.0
    maps[0, 1, 0, 1] = 1.0
    e = np.e
    expected = [
        [e**4 / (e**4 + 1), 1 / (e**4 + 1)],
        [1 / (1 + e), e / (1 + e)],
    ]
    np.testing.assert_allclose(
        module.relational_weights(maps)[0].numpy(), expected, rtol=1e-6
    )


@pytest.mark.parametrize('joints,count', [(13, 338), (17, 578)])
def test_two_k_squared_parameters(joints, count):
    module = MODELS.build(
        dict(type='JointRelationExtractor', num_joints=joints)
    )
    assert sum(p.numel() for p in module.parameters()) == count


@pytest.mark.parametrize('arithmetic', ['paper', 'released'])
def test_starts_as_identity(arithmetic):
    module = MODELS.build(
        dict(
            type='JointRelationExtractor', num_joints=K, arithmetic=arithmetic
        )
    ).double()
    module.init_weights()
    maps = heatmaps(scale=10.0)
    assert torch.equal(module(maps), maps)
    assert module.conv_g.weight.abs().sum() > 0


def test_gradients_by_finite_differences():
    module, maps = build(), heatmaps().requires_grad_()
    weight_o = module.conv_o.weight
    assert torch.autograd.gradcheck(module, (maps,), atol=1e-6)
    loss = (module(maps) ** 3).sum()
    (analytic,) = torch.autograd.grad(loss, weight_o)
    step = 1e-6
    for i in range(K):
        for j in range(K):
            values = []
            for sign in (1, -1):
                with torch.no_grad():
                    weight_o[i, j] += sign * step
                    values.append((module(maps) ** 3).sum().item())
                    weight_o[i, j] -= sign * step
            numeric = (values[0] - values[1]) / (2 * step)
            assert analytic[i, j].item() == pytest.approx(numeric, rel=1e-5)


def test_released_arithmetic():
    """Column softmax, and pixels that change places (design: Sec. 4)."""
    module = build(arithmetic='released').train()
    maps = heatmaps()
    got = module(maps).detach().numpy()
    w_g, b_g = (
        module.conv_g.weight.detach().numpy()[:, :, 0, 0],
        module.conv_g.bias.detach().numpy(),
    )
    w_o, b_o = (
        module.conv_o.weight.detach().numpy()[:, :, 0, 0],
        module.conv_o.bias.detach().numpy(),
    )
    residual = np.zeros((B, K, H, W))
    for b in range(B):
        rows = maps[b].numpy().reshape(K, H * W)
        exp = np.exp(rows @ rows.T)
        weights = exp / exp.sum(axis=0, keepdims=True)
        product = weights @ (w_g @ rows + b_g[:, None])
        # HW x K in memory order, read as K x H x W
        scrambled = product.T.ravel().reshape(K, H * W)
        residual[b] = (w_o @ scrambled + b_o[:, None]).reshape(K, H, W)
    mean = residual.mean(axis=(0, 2, 3), keepdims=True)
    var = residual.var(axis=(0, 2, 3), keepdims=True)
    gamma = module.norm_o.weight.detach().numpy()[None, :, None, None]
    beta = module.norm_o.bias.detach().numpy()[None, :, None, None]
    expected = (residual - mean) / np.sqrt(var + 1e-5) * gamma + beta
    np.testing.assert_allclose(got, expected + maps.numpy(), atol=1e-10)


def test_all_zero_heatmaps():
    """No evidence at all: uniform weights, no NaN, for both similarities."""
    for similarity in ('dot', 'cosine'):
        module = build(similarity=similarity)
        maps = torch.zeros(1, K, H, W, dtype=torch.float64)
        assert torch.allclose(
            module.relational_weights(maps),
            torch.full((1, K, K), 1 / K, dtype=torch.float64),
        )
        assert torch.equal(module(maps), maps)


@pytest.mark.parametrize(
    'kwargs,word',
    [
        (dict(similarity='l2'), 'similarity'),
        (dict(temperature=0.0), 'temperature'),
        (dict(arithmetic='matlab'), 'arithmetic'),
        (dict(num_joints=0), 'num_joints'),
    ],
)
def test_bad_arguments(kwargs, word):
    config = dict(type='JointRelationExtractor', num_joints=K)
    config.update(kwargs)
    with pytest.raises(ValueError, match=f'JointRelationExtractor: {word}'):
        MODELS.build(config)


def test_wrong_number_of_joints():
    with pytest.raises(ValueError, match='built for 3 joints'):
        build()(torch.zeros(1, K + 1, H, W, dtype=torch.float64))
