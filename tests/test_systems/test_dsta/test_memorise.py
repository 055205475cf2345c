# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A real video through the stock Runner: a small DSTA learns its frames."""

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

import rpstn_mmpose
from tests.real_data import require_real_data


@pytest.mark.slow
def test_one_real_video_is_memorised(tmp_path):
    """240 steps on 40 frames: the whole way from JHMDB's own files to its
    joints has to fit together for that."""
    root = str(require_real_data('jhmdb'))
    config = Config.fromfile(
        rpstn_mmpose.config_path('dsta_tiny_1xb10-60e_jhmdb-one-video-96x96')
    )
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[loader].dataset.data_root = root
    config.work_dir = str(tmp_path)
    config.train_cfg.val_interval = 1000  # none on the way
    config.randomness = dict(seed=0)
    runner = Runner.from_cfg(config)
    runner.train()
    scores = runner.test()
    assert scores['PCK/mPCK'] >= 95
    assert scores['PCK/torso/Mean@0.2'] >= 95
