# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import get_priority
from mmpose.registry import HOOKS, MODELS
from torch import nn

from rpstn_mmpose.engine.hooks import AtomicCheckpointHook, FastInferenceHook
from tests.test_models.conftest import tiny_video_model


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
    assert {k: v.tolist() for k, v in model.state_dict().items()
            } == {k: v.tolist() for k, v in weights.items()}


def test_options_reach_the_copy():
    runner = SimpleNamespace(model=MODELS.build(tiny_video_model()).eval())
    hook = FastInferenceHook(
        fuse=False, channels_last=False, dtype='bfloat16')
    hook.before_test_epoch(runner)
    assert norms(runner.model) > 20
    weight = runner.model.backbone.conv1.weight
    assert weight.dtype == torch.bfloat16 and weight.is_contiguous()


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
