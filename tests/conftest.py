# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What all tests share: single-threaded torch, the plugin registered, and
configs that are read and written in milliseconds."""

import functools
import os

# Before torch is imported: the tests' tensors are small.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import mmengine.config.config  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

import rpstn_mmpose  # noqa: E402, F401

# A run formats its recipe's text by yapf several times, each time for 0.2 s;
# without, it says the same. The processes that tests start format it.
mmengine.config.config.FormatCode = lambda text, **_: (text, True)

# A recipe on MMPose's runtime reads all 148 metafiles of MMPose to find it,
# each time for 0.2 s. Once is enough: no test changes what is installed.
_find_base = Config._get_cfg_path
_find_base_once = functools.lru_cache(maxsize=None)(_find_base)
Config._get_cfg_path = staticmethod(
    lambda path, filename: (
        _find_base_once(path, '')
        if '::' in path
        else _find_base(path, filename)
    )
)


@pytest.fixture(autouse=True)
def _same_start():
    """MMPose's registries as the default scope, a fixed seed, and no logger
    of an earlier test, which writes to a stream that is closed by now."""
    MMLogger._instance_dict.clear()
    init_default_scope('mmpose')
    torch.manual_seed(0)
