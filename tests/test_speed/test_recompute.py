# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import copy

import pytest
import torch
from mmpose.registry import MODELS
from torch import nn

from rpstn_mmpose.speed.recompute import (
    frozen_statistics,
    recompute_in_backward,
)
from tests.test_models.conftest import clip_sample, tiny_video_model

T = 4


def build(**train_cfg):
    torch.manual_seed(0)
    model = MODELS.build(
        tiny_video_model(train_cfg=dict(compute_acc=False, **train_cfg))
    )
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.1)
    return model.train()


def loss_and_gradients(model, clips):
    samples = [clip_sample(T, seed=i) for i in range(len(clips))]
    losses = model.loss(clips, samples)
    loss = sum(value for key, value in losses.items() if 'loss' in key)
    loss.backward()
    return loss, {n: p.grad for n, p in model.named_parameters()}


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(frames_per_pass=1),
        dict(frames_per_pass=3),
        dict(
            frames_per_pass=1,
            initializer_loss_weight=1.0,
            initializer_loss_frames='all',
        ),
        dict(state_gradient=False, initializer_gradient=False),
    ],
)
def test_gradients_and_statistics_are_those_of_a_plain_step(options):
    clips = torch.randn(2, T, 3, 64, 64)
    plain, saving = build(**options), build(checkpointing=True, **options)
    loss, gradients = loss_and_gradients(plain, clips)
    other_loss, other = loss_and_gradients(saving, clips)
    assert torch.equal(loss, other_loss)
    for name, gradient in gradients.items():
        if gradient is None:
            assert other[name] is None, name
        else:
            torch.testing.assert_close(
                other[name], gradient, rtol=1e-5, atol=1e-5, msg=name
            )
    for name, buffer in plain.named_buffers():
        assert torch.equal(buffer, saving.get_buffer(name)), name


def test_passes_are_those_of_single_frames():
    """The extractor in training sees two images at a time, and its norms
    count T batches."""
    model = build(frames_per_pass=1)
    seen = []
    model.backbone.register_forward_hook(
        lambda module, args, out: seen.append(args[0])
    )
    clips = torch.randn(2, T, 3, 64, 64)
    model.forward_clip(clips)
    assert [len(x) for x in seen] == [2] * T
    assert torch.equal(torch.stack(seen, dim=1), clips)
    assert int(model.backbone.bn1.num_batches_tracked) == T
    seen.clear()
    model.eval().forward_clip(clips)
    assert [len(x) for x in seen] == [2 * T]


def test_less_is_kept_for_the_backward_pass():
    """Bytes of the tensors that autograd saves for one more pair of frames.
    With checkpointing a frame costs its image and features, not its
    layers."""

    def saved(length, **options):
        model, kept = build(**options), {}

        def pack(tensor):
            kept[tensor.untyped_storage().data_ptr()] = tensor.numel()
            return tensor

        torch.manual_seed(1)
        clips = torch.randn(2, length, 3, 64, 64)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            heatmaps, _ = model.forward_clip(clips)
        del heatmaps
        return sum(kept.values())

    options = dict(frames_per_pass=1)
    plain = saved(6, **options) - saved(4, **options)
    options['checkpointing'] = True
    assert saved(6, **options) - saved(4, **options) < plain / 5


def test_frozen_statistics_come_back():
    norm = nn.BatchNorm2d(2)
    before = copy.deepcopy(norm.state_dict())
    with frozen_statistics(norm):
        out = norm(torch.randn(4, 2, 3, 3) + 5)
    # those of the batch are used
    torch.testing.assert_close(
        out.mean(dim=(0, 2, 3)), torch.zeros(2), rtol=0, atol=1e-5
    )
    for name, value in norm.state_dict().items():
        assert torch.equal(value, before[name])
    assert norm.momentum == 0.1
    norm(torch.randn(4, 2, 3, 3) + 5)
    assert int(norm.num_batches_tracked) == 1


def test_recompute_calls_twice():
    calls = []
    layer = nn.Linear(2, 2)

    def function(x):
        calls.append(1)
        return layer(x).sigmoid()

    x = torch.ones(1, 2, requires_grad=True)
    recompute_in_backward(layer, function, x).sum().backward()
    assert len(calls) == 2


@pytest.mark.parametrize('per_pass', [0, -1])
def test_bad_number_of_frames(per_pass):
    with pytest.raises(ValueError, match='at least 1'):
        build(frames_per_pass=per_pass)
