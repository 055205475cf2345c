# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The neck that sees the previous heatmaps, by hand and against JRPSP."""
import pytest
import torch
from mmpose.registry import MODELS

from .conftest import NUM_JOINTS, clip_sample, tiny_video_model

C, K, SIDE = 4, 3, 32


def build(neck_type='MemoryJRPSPNeck', start=True, **kwargs):
    torch.manual_seed(0)
    config = dict(
        type=neck_type, in_channels=C, num_joints=K, heatmap_size=(SIDE, SIDE))
    config.update(kwargs)
    neck = MODELS.build(config)
    if start:
        neck.init_weights()
    return neck


def inputs(seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, n, SIDE, SIDE, generator=generator) for n in (C, K, C)
    ]


@pytest.mark.parametrize('kwargs', [
    dict(),
    dict(residual_kernel=True),
    dict(feature_norm=True, project_features=True, norm_response=True),
    dict(num_convs=3),
])
@pytest.mark.parametrize('training', [False, True])
def test_starts_as_jrpsp(kwargs, training):
    """The same weights give the same response, whatever the heatmaps."""
    neck = build(**kwargs).train(training)
    plain = build('JRPSPNeck', **kwargs).train(training)
    names = plain.state_dict().keys()
    added = set(neck.state_dict()) - set(names)
    assert added and all(name.startswith('memory.') for name in added)
    plain.load_state_dict({n: neck.state_dict()[n] for n in names})
    for got, expected in zip(neck(*inputs()), plain(*inputs())):
        assert torch.equal(got, expected)


def test_adds_the_branch():
    """conv-BN-ReLU twice, then the 1x1, layer by layer from the weights."""
    neck = build(start=False, memory_channels=5).eval()
    for norm in (m for m in neck.memory.modules()
                 if isinstance(m, torch.nn.BatchNorm2d)):
        torch.nn.init.uniform_(norm.weight)
        torch.nn.init.uniform_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    prev, heat, cur = inputs()
    plain = build('JRPSPNeck').eval()
    plain.load_state_dict(neck.state_dict(), strict=False)
    response, _ = plain(prev, heat, cur)

    scaled = heat.clone()
    for b in range(2):
        for k in range(K):
            scaled[b, k] /= max(heat[b, k].max(), -heat[b, k].min())
    state = neck.state_dict()
    x = torch.cat([response, scaled], dim=1)
    for layer in range(2):
        x = torch.nn.functional.conv2d(
            x, state[f'memory.{layer}.conv.weight'], padding=1)
        mean, var, gamma, beta = (
            state[f'memory.{layer}.bn.{n}'][:, None, None]
            for n in ('running_mean', 'running_var', 'weight', 'bias'))
        x = ((x - mean) / (var + 1e-5).sqrt() * gamma + beta).clamp(min=0)
        assert x.shape == (2, 5, SIDE, SIDE)
    expected = response + torch.einsum(
        'oc,bchw->bohw', state['memory.2.weight'][:, :, 0, 0],
        x) + state['memory.2.bias'][:, None, None]
    torch.testing.assert_close(
        neck(prev, heat, cur)[0], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('peak', [1.0, 0.01])
def test_a_hidden_joint_is_where_it_was(peak):
    """Nothing to be seen in the current frame: JRPSP says nothing, while the
    branch, its layers set by hand to pass heatmap 1 on to channel 2, repeats
    the blob in the same place, whatever its height."""
    neck = build(memory_channels=3, memory_convs=2).eval()
    with torch.no_grad():
        for layer, source in ((0, C + 1), (1, 0)):
            weight = neck.memory[layer].conv.weight
            weight.zero_()
            weight[0, source, 1, 1] = 1
        neck.memory[-1].weight[2, 0] = 1
    heat = torch.zeros(1, K, SIDE, SIDE)
    heat[0, 1, 20, 7] = peak
    heat[0, 1, 20, 8] = peak / 2
    dark = torch.zeros(1, C, SIDE, SIDE)
    response, _ = neck(torch.randn(1, C, SIDE, SIDE), heat, dark)
    expected = torch.zeros(1, C, SIDE, SIDE)
    expected[0, 2, 20, 7] = 1
    expected[0, 2, 20, 8] = 0.5
    torch.testing.assert_close(response, expected, atol=1e-4, rtol=0)
    plain = build('JRPSPNeck').eval()
    assert not plain(torch.randn(1, C, SIDE, SIDE), heat, dark)[0].any()


def test_scale_heatmaps():
    """With it the branch cannot tell heatmaps from ten times them; without
    it, it can."""
    prev, heat, cur = inputs()
    for scale, same in ((True, True), (False, False)):
        neck = build(start=False, scale_heatmaps=scale).eval()
        response = neck.match(cur, neck.make_kernels(prev, heat))
        got = torch.allclose(
            neck.recall(response, heat),
            neck.recall(response, 10 * heat),
            atol=1e-5)
        assert got == same


def test_remember():
    """'features': what came in; 'response': what goes out."""
    prev, heat, cur = inputs()
    _, remembered = build(start=False)(prev, heat, cur)
    assert remembered is cur
    response, remembered = build(
        start=False, remember='response')(prev, heat, cur)
    assert remembered is response
    assert response.shape == cur.shape


@pytest.mark.parametrize('fill', [0., -1e-6])
def test_degenerate_heatmaps(fill):
    """All zero, and all just below zero: finite, and not blown up."""
    neck = build(start=False).eval()
    prev, heat, cur = inputs()
    flat, _ = neck(prev, torch.full_like(heat, fill), cur)
    zero, _ = neck(prev, torch.zeros_like(heat), cur)
    assert torch.isfinite(flat).all()
    torch.testing.assert_close(flat, zero, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize('convs', [1, 3])
def test_parameter_count(convs):
    neck, plain = build(memory_channels=6, memory_convs=convs), build(
        'JRPSPNeck')
    added = sum(p.numel() for p in neck.parameters()) - sum(
        p.numel() for p in plain.parameters())
    first, later = (C + K) * 6 * 9 + 2 * 6, 6 * 6 * 9 + 2 * 6
    assert added == first + (convs - 1) * later + 6 * C + C


@pytest.mark.parametrize('kwargs,word', [
    (dict(memory_channels=0), 'memory_channels must be positive'),
    (dict(memory_convs=0), 'memory_convs must be positive'),
    (dict(remember='everything'), 'remember must be one of'),
])
def test_refuses(kwargs, word):
    with pytest.raises(ValueError, match=f'MemoryJRPSPNeck: {word}'):
        build(**kwargs)


@pytest.mark.parametrize('remember', ['features', 'response'])
def test_in_the_estimator(remember):
    """A clip trains: every weight of the branch gets a finite gradient."""
    torch.manual_seed(0)
    neck = dict(
        type='MemoryJRPSPNeck',
        in_channels=8,
        num_joints=NUM_JOINTS,
        heatmap_size=(16, 16),
        memory_channels=4,
        remember=remember)
    model = MODELS.build(tiny_video_model(neck=neck))
    data = model.data_preprocessor(
        dict(
            inputs=[
                torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
                for _ in range(2)
            ],
            data_samples=[clip_sample(length=3, seed=i) for i in range(2)]),
        training=True)
    losses = model.train()(**data, mode='loss')
    losses['loss_kpt'].backward()
    for name, parameter in model.neck.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        if name.startswith('memory.'):
            assert parameter.grad.abs().sum() > 0, name
