# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import get_priority
from mmpose.registry import HOOKS, MODELS
from torch import nn

from rpstn_mmpose.engine.hooks import AtomicCheckpointHook, FastInferenceHook
from tests.test_models.conftest import (
    clip_sample,
    tiny_image_model,
    tiny_video_model,
)


def norms(model):
    return sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())


@pytest.mark.parametrize('phase', ['val', 'test'])
def test_model_is_replaced_for_the_test_only(phase):
    model = MODELS.build(tiny_video_model()).eval()
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    clips = torch.randn(1, 3, 3, 64, 64)
    with torch.no_grad():
        before = model(clips, None, mode='tensor')
    runner = SimpleNamespace(model=model)
    hook = HOOKS.build(dict(type='FastInferenceHook'))
    getattr(hook, f'before_{phase}_epoch')(runner)
    assert runner.model is not model
    assert norms(runner.model) == 1 and norms(model) > 20
    with torch.no_grad():
        after = runner.model(clips, None, mode='tensor')
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-6)
    getattr(hook, f'after_{phase}_epoch')(runner, metrics={})
    assert runner.model is model
    assert {k: v.tolist() for k, v in model.state_dict().items()} == {
        k: v.tolist() for k, v in weights.items()
    }


def test_options_reach_the_copy():
    runner = SimpleNamespace(model=MODELS.build(tiny_video_model()).eval())
    hook = FastInferenceHook(fuse=False, channels_last=False, dtype='bfloat16')
    hook.before_test_epoch(runner)
    assert norms(runner.model) > 20
    weight = runner.model.backbone.conv1.weight
    assert weight.dtype == torch.bfloat16 and weight.is_contiguous()


def test_decoding_on_the_device(monkeypatch):
    """An option of the copy, and its predictions stay the same."""
    model = MODELS.build(tiny_video_model(test_cfg=dict(flip_test=True)))
    model.init_weights()
    clips = torch.randn(1, 3, 3, 64, 64)

    def keypoints(model):
        with torch.no_grad():
            (sample,) = model(clips, [clip_sample(3)], mode='predict')
        return sample.pred_instances.keypoints

    expected = keypoints(model.eval())
    runner = SimpleNamespace(model=model)
    hook = HOOKS.build(dict(type='FastInferenceHook', decode_on_device=True))
    hook.before_test_epoch(runner)
    assert model.test_cfg == dict(flip_test=True)
    assert runner.model.test_cfg == dict(flip_test=True, decode_on_device=True)
    monkeypatch.setattr(runner.model.head, 'decode', None)  # not called
    got = keypoints(runner.model)
    assert type(got) is type(expected) and got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-3)


def test_models_that_cannot_decode_on_the_device():
    """They are left in their place."""
    other = tiny_video_model()
    other['head']['decoder'] = dict(
        type='MegviiHeatmap',
        input_size=(64, 64),
        heatmap_size=(16, 16),
        kernel_size=5,
    )
    for config, message in (
        (tiny_image_model(), 'FastInferenceHook: .* is a TopdownPoseEst'),
        (other, 'not for MegviiHeatmap'),
    ):
        model = MODELS.build(config).eval()
        runner = SimpleNamespace(model=model)
        hook = FastInferenceHook(decode_on_device=True)
        with pytest.raises(ValueError, match=message):
            hook.before_test_epoch(runner)
        assert runner.model is model


def test_distributed_model_is_unwrapped():
    model = MODELS.build(tiny_video_model()).eval()
    # Without processes: only what the hook looks at.
    wrapped = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    nn.Module.__init__(wrapped)
    wrapped.module = model
    runner = SimpleNamespace(model=wrapped)
    hook = FastInferenceHook()
    hook.before_test_epoch(runner)
    assert type(runner.model) is type(model)
    hook.after_test_epoch(runner)
    assert runner.model is wrapped


def test_it_stands_between_averaging_and_saving():
    """EMAHook has put its weights in before the copy is made, and the model
    is back when CheckpointHook saves the best one."""
    ranks = [
        get_priority(hook.priority)
        for hook in (EMAHook, FastInferenceHook, AtomicCheckpointHook)
    ]
    assert ranks[0] < ranks[1] < ranks[2]


def test_unknown_dtype():
    with pytest.raises(ValueError, match="bfloat16.*'int8'"):
        FastInferenceHook(dtype='int8')
