# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from types import SimpleNamespace

import torch
from mmpose.registry import HOOKS


def test_maps_become_channels_last_and_values_stay():
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3),
        torch.nn.BatchNorm2d(8),
        torch.nn.Conv2d(8, 4, 3),
    ).eval()
    image = torch.randn(2, 3, 16, 16)
    before = model(image)
    assert before.is_contiguous()
    hook = HOOKS.build(dict(type='ChannelsLastHook'))
    hook.before_run(SimpleNamespace(model=model))
    after = model(image)
    assert after.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(after, before)
