# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A real video through the stock Runner: RPSTN-tiny learns its frames."""

import json

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

import rpstn_mmpose
from tests.real_data import require_real_data
from tests.remembered_items import remember_items


@pytest.mark.slow
def test_one_real_video_is_memorised(tmp_path):
    """320 steps on 40 frames, 40 s on a core: the whole way from JHMDB's own
    files to its joints has to fit together for that."""
    root = str(require_real_data('jhmdb'))
    config = Config.fromfile(
        rpstn_mmpose.config_path('rpstn_tiny_1xb1-40e_jhmdb-one-video-128x128')
    )
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[loader].dataset.data_root = root
    remember_items(config)
    config.work_dir = str(tmp_path)
    config.train_cfg.val_interval = 100  # none on the way
    config.test_evaluator.out_file = str(tmp_path / 'pck.json')
    config.randomness = dict(seed=0)
    runner = Runner.from_cfg(config)
    runner.train()
    scores = runner.test()
    assert scores['PCK/mPCK'] >= 95
    assert scores['PCK/person/Mean@0.2'] >= 95
    counts = json.loads((tmp_path / 'pck.json').read_text())
    assert counts['frames'] == 40
    for joint in counts['norms']['torso']['joints'].values():
        assert joint['visible']['total'] == 40
