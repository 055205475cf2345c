# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What all tests share: single-threaded torch, and the plugin registered."""

import os

# Before torch is imported: the tests' tensors are small.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import pytest  # noqa: E402
import torch  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

import rpstn_mmpose  # noqa: E402, F401


@pytest.fixture(autouse=True)
def _same_start():
    """MMPose's registries as the default scope, and a fixed seed."""
    init_default_scope('mmpose')
    torch.manual_seed(0)
