# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The gate against a loop over pixels, and what it is there for."""

import numpy as np
import pytest
import torch

from rpstn_mmpose.models import GatedHeatmapMemory


def random_memory(num_joints=3, hidden_channels=4):
    torch.manual_seed(0)
    memory = GatedHeatmapMemory(
        num_joints=num_joints, hidden_channels=hidden_channels
    )
    for parameter in memory.parameters():
        torch.nn.init.normal_(parameter)
    return memory.eval()


def by_loops(memory, now, before):
    """The docstring's formula, pixel by pixel in numpy."""
    weights = {
        k: v.numpy().astype(float) for k, v in memory.state_dict().items()
    }
    both = np.concatenate([now, before], axis=1).astype(float)
    batch, _, height, width = both.shape
    out = np.empty(now.shape)
    for b in range(batch):
        padded = np.pad(both[b], ((0, 0), (1, 1), (1, 1)))
        peaks = weights['peaks.weight'] @ both[b].max(axis=(1, 2))
        for y in range(height):
            for x in range(width):
                window = padded[:, y : y + 3, x : x + 3]
                hidden = (weights['conv.weight'] * window).sum(axis=(1, 2, 3))
                hidden = np.maximum(hidden + weights['conv.bias'] + peaks, 0)
                logit = weights['gate.weight'][..., 0, 0] @ hidden
                gate = 1 / (1 + np.exp(-logit - weights['gate.bias']))
                out[b, :, y, x] = (1 - gate) * now[b, :, y, x] + gate * before[
                    b, :, y, x
                ]
    return out


def test_formula():
    memory = random_memory()
    rng = np.random.default_rng(0)
    now, before = rng.normal(size=(2, 2, 3, 4, 5)).astype(np.float32)
    got = memory(torch.from_numpy(now), torch.from_numpy(before))
    np.testing.assert_allclose(
        got.detach().numpy(), by_loops(memory, now, before), atol=1e-5
    )


def test_starts_almost_closed():
    memory = GatedHeatmapMemory(num_joints=2, initial_gate=0.1)
    memory.init_weights()
    now, before = torch.rand(2, 3, 2, 6, 6)
    torch.testing.assert_close(memory(now, before), 0.9 * now + 0.1 * before)


def test_learns_to_keep_a_joint_that_disappears():
    """Joint 0 is seen in both frames, joint 1 in the frame before alone: a
    hundred steps teach the gate to keep one and to follow the other."""
    torch.manual_seed(0)
    memory = GatedHeatmapMemory(num_joints=2)
    memory.init_weights()
    optimizer = torch.optim.Adam(memory.parameters(), lr=0.02)

    def blobs(count):
        grid = torch.arange(12.0)
        place = torch.rand(count, 2, 2, 1, 1) * 8 + 2
        x, y = grid[None, None, None], grid[None, None, :, None]
        return torch.exp(
            -((x - place[:, :, 0]) ** 2 + (y - place[:, :, 1]) ** 2) / 4
        )

    for _ in range(100):
        before, now = blobs(16), blobs(16)
        target = torch.stack([now[:, 0], before[:, 1]], dim=1)
        now[:, 1] = 0
        loss = (memory(now, before) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    before, now = blobs(64), blobs(64)
    target = torch.stack([now[:, 0], before[:, 1]], dim=1)
    now[:, 1] = 0
    with torch.no_grad():
        error = (memory(now, before) - target).square().mean()
        untouched = (now - target).square().mean()
    assert error < 0.1 * untouched


def test_empty_heatmaps_stay_finite():
    memory = random_memory()
    empty = torch.zeros(1, 3, 4, 4)
    assert torch.equal(memory(empty, empty), empty)


@pytest.mark.parametrize(
    'options',
    [
        dict(num_joints=0),
        dict(num_joints=3, hidden_channels=0),
        dict(num_joints=3, initial_gate=0),
        dict(num_joints=3, initial_gate=1.0),
    ],
)
def test_bad_options(options):
    with pytest.raises(ValueError, match='GatedHeatmapMemory'):
        GatedHeatmapMemory(**options)


@pytest.mark.parametrize(
    'shapes', [((1, 4, 8, 8), (1, 4, 8, 8)), ((1, 3, 8, 8), (1, 3, 8, 9))]
)
def test_bad_shapes(shapes):
    now, before = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match='built for 3 joints'):
        random_memory()(now, before)
