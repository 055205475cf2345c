# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The corrected mean: where it starts, its formula, and its weights."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmpose.registry import MODELS

from rpstn_mmpose.models import LearnedHeatmapMemory, RecursiveHeatmapMean

from .conftest import tiny_video_model


def random_memory(num_joints=2, **options):
    torch.manual_seed(0)
    memory = LearnedHeatmapMemory(num_joints, channels=4, **options)
    for parameter in memory.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return memory.eval()


@pytest.mark.parametrize('size', [(32, 32), (64, 48), (16, 12), (33, 21)])
def test_starts_exactly_as_the_mean(size):
    torch.manual_seed(0)
    now, before = torch.randn(2, 3, 4, *size)
    options = dict(weight=0.6, confidence=3.0)
    memory = LearnedHeatmapMemory(4, **options)
    memory.init_weights()
    expected = RecursiveHeatmapMean(**options)(now, before)
    assert torch.equal(memory(now, before), expected)


def corrected(memory, now, before, logits, more):
    """The docstring's formula in numpy, one joint after the other."""
    out = np.empty(now.shape)
    weight, power = memory.weight, memory.confidence
    for item in np.ndindex(now.shape[:2]):
        kept = weight * before[item].max() ** power * np.exp(logits[item])
        fresh = (1 - weight) * now[item].max() ** power
        gate = kept / (kept + fresh)
        mixed = (1 - gate) * now[item] + gate * before[item]
        out[item] = mixed + more[item]
    return out


def test_formula():
    memory = random_memory(weight=0.3)
    now, before = torch.rand(2, 2, 2, 6, 8) + 0.1
    logits, more = torch.randn(2, 2, 2, 6, 8)
    memory.corrections_of = lambda *frames: (logits, more)
    arrays = [x.numpy().astype(float) for x in (now, before, logits, more)]
    np.testing.assert_allclose(
        memory(now, before), corrected(memory, *arrays), rtol=1e-4, atol=1e-5
    )


def test_the_net_on_maps_of_its_size():
    """Layer by layer from the weights, no pooling: 4 pixels in each of
    4 x 3 cells.
    """
    memory = random_memory()
    now, before = torch.randn(2, 1, 2, 8, 6)
    w = memory.state_dict()
    both = torch.cat([now, before], dim=1)[0]
    cells = both.unfold(1, 2, 2).unfold(2, 2, 2).permute(0, 3, 4, 1, 2)
    peaks = w['peaks.weight'] @ both.flatten(1).max(dim=1).values
    net = torch.einsum(
        'oc,cyx->oyx', w['inputs.weight'][..., 0, 0], cells.reshape(16, 4, 3)
    )
    net = (net + (w['inputs.bias'] + peaks)[:, None, None]).relu()[None]

    def layer(name, x, **options):
        return F.conv2d(x, w[f'{name}.weight'], w[f'{name}.bias'], **options)

    net = net + layer('near', net, padding=1).relu()
    wide = layer('down', net, stride=2, padding=1).relu()
    wide = wide + layer('far.0', wide, padding=1).relu()
    wide = wide + layer('far.1', wide, padding=2, dilation=2).relu()
    wide = layer('up', wide)  # 2 x 2, each cell for 2 x 2, the last for 2 x 1
    wide = wide[..., [0, 0, 1, 1], :]
    net = net + wide[..., [0, 0, 1]]
    net = net + layer('merged', net.relu(), padding=1).relu()
    found = layer('corrections', net)[0].view(4, 2, 2, 4, 3)
    expected = found.permute(0, 3, 1, 4, 2).reshape(4, 8, 6)
    with torch.no_grad():
        logits, more = memory.corrections_of(now, before)
    torch.testing.assert_close(
        torch.cat([logits, more], dim=1)[0], expected, rtol=1e-4, atol=1e-4
    )


def test_large_maps_are_looked_at_as_small_ones():
    """Maps of 64 pixels, each four of one value, get what those of 32 get;
    where four small pixels are alike, in full.
    """
    memory = random_memory()
    torch.nn.init.zeros_(memory.corrections.weight)  # what is added is flat
    now, before = torch.rand(2, 1, 2, 32, 24)
    large = [
        x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        for x in (now, before)
    ]
    with torch.no_grad():
        memory.corrections.bias[:] = torch.arange(4.0).repeat_interleave(4)
        small = memory.corrections_of(now, before)
        found = memory.corrections_of(*large)
    for one, two, joints in zip(small, found, ([0.0, 1], [2.0, 3])):
        values = torch.tensor(joints)[None, :, None, None]
        assert torch.equal(one, values.expand(1, 2, 32, 24))
        assert torch.equal(two, values.expand(1, 2, 64, 48))


def test_only_some_maps_are_the_nets():
    """Map 2 is the net's first joint, map 0 its second; map 1 is a mean."""
    memory = random_memory(joints=[2, 0])
    now, before = torch.rand(2, 1, 3, 8, 8)
    with torch.no_grad():
        found = memory(now, before)
        memory.joints = None
        own = memory(now[:, [2, 0]], before[:, [2, 0]])
    mean = RecursiveHeatmapMean(0.5, 2.0)(now, before)
    torch.testing.assert_close(found[:, [2, 0]], own)
    torch.testing.assert_close(found[:, 1], mean[:, 1])
    assert not torch.allclose(found[:, 0], mean[:, 0], atol=1e-2)


def test_weights_beside_the_checkpoint_of_another_model(tmp_path):
    """Given weights stay where the checkpoint has none, and only then."""
    path = str(tmp_path / 'memory.pth')
    trained = random_memory(num_joints=3)
    torch.save(trained.state_dict(), path)
    plain = MODELS.build(tiny_video_model())
    option = dict(type='LearnedHeatmapMemory', num_joints=3, channels=4)
    model = MODELS.build(tiny_video_model(memory=dict(option, weights=path)))
    model.load_state_dict(plain.state_dict(), strict=True)
    for name, value in trained.state_dict().items():
        assert torch.equal(model.memory.state_dict()[name], value)
    other = MODELS.build(tiny_video_model(memory=option))
    assert not other.memory.corrections.weight.any()
    model.load_state_dict(other.state_dict(), strict=True)
    assert not model.memory.corrections.weight.any()
    with pytest.raises(RuntimeError, match='memory.inputs.weight'):
        other.load_state_dict(plain.state_dict(), strict=True)
    # The file knows how large it is.
    assert LearnedHeatmapMemory(weights=path).num_joints == 3
    with pytest.raises(ValueError, match='no weights of such a memory'):
        LearnedHeatmapMemory(4, weights=path)
    torch.save(plain.state_dict(), path)
    with pytest.raises(ValueError, match='it has no corrections.weight'):
        LearnedHeatmapMemory(weights=path)
    with pytest.raises(ValueError, match='needs num_joints, or weights'):
        LearnedHeatmapMemory()


def test_it_learns_in_a_clip():
    memory = LearnedHeatmapMemory(2, channels=4)
    maps = torch.rand(2, 3, 2, 8, 8)
    before = maps[:, 0]
    for frame in maps.unbind(1)[1:]:
        before = memory(frame, before)
    before.square().sum().backward()
    assert memory.corrections.weight.grad.abs().sum() > 0


def test_odd_heatmaps_stay_finite():
    """Empty ones, and logits that are far out: the gate is open or closed."""
    empty = torch.zeros(1, 2, 8, 8)
    memory = random_memory()
    with torch.no_grad():
        memory.corrections.weight.zero_()
        for sign, kept in ((1, 1.0), (-1, 0.0)):
            memory.corrections.bias[:8], memory.corrections.bias[8:] = (
                sign * 1e3,
                0,
            )
            found = memory(empty + 0.5, empty + 0.7)
            expected = empty + 0.5 + 0.2 * kept
            torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    for now, before in ((empty, empty), (empty - 1, empty + 1)):
        assert random_memory()(now, before).isfinite().all()


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(num_joints=0), 'num_joints must be positive'),
        (dict(num_joints=2, channels=0), 'channels must be positive'),
        (dict(num_joints=2, joints=[3]), 'joints must name 2 different'),
        (dict(num_joints=2, joints=[3, 3]), 'joints must name 2 different'),
        (dict(num_joints=2, weight=1.0), 'weight must lie in'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=f'LearnedHeatmapMemory: {message}'):
        LearnedHeatmapMemory(**options)


def test_maps_of_other_joints():
    maps = torch.zeros(1, 3, 8, 8)
    with pytest.raises(ValueError, match='built for 2 joints, but got 3'):
        random_memory()(maps, maps)
    with pytest.raises(ValueError, match='names the map 3, but there are 3'):
        random_memory(joints=[0, 3])(maps, maps)


@pytest.mark.parametrize('size', [(8, 12), (70, 33)])
def test_a_recorded_graph_is_the_memory(size):
    """As the count of operations and exports record it."""
    memory = random_memory().eval()
    maps = torch.rand(2, 1, 2, *size, generator=torch.manual_seed(0))
    graph = torch.jit.trace(memory, (maps[0], maps[1]))
    other = maps.flip(0)
    assert torch.equal(graph(*other), memory(*other))
