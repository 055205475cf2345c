# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The quick start's recipes through mim, from another folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpose.registry import MODELS

import rpstn_mmpose
from rpstn_mmpose.synthetic import generate_penn

IMAGE = rpstn_mmpose.config_path('td-hm_tiny_1xb16-1e_synthetic-penn-128x128')
VIDEO = rpstn_mmpose.config_path('rpstn_tiny_1xb8-1e_synthetic-penn-128x128')
# 7 frames a video and clips of 5: every video's last window is moved back.
DATA = dict(num_train=4, num_test=3, num_frames=7, image_size=(96, 72))


def mim(folder, command, *arguments, **options):
    """``mim train`` or ``mim test`` of MMPose; returns what it prints."""
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / 'mim'),
            command,
            'mmpose',
            VIDEO,
            *arguments,
            '--cfg-options',
            *(f'{key}={value}' for key, value in options.items()),
        ],
        cwd=folder,
        env=dict(os.environ, OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def options_of(data, image):
    """Settings for the recipe, by their dotted names."""
    options = {
        'model.image_pretrained.checkpoint': image,
        'train_cfg.max_epochs': 1,
    }
    for loader in ('train', 'val', 'test'):
        options[f'{loader}_dataloader.dataset.data_root'] = data
        options[f'{loader}_dataloader.batch_size'] = 4
        options[f'{loader}_dataloader.num_workers'] = 0
        options[f'{loader}_dataloader.persistent_workers'] = False
    return options


@pytest.mark.slow
def test_mim_resumes_trains_and_tests(tmp_path, monkeypatch):
    """An epoch here, one more by mim, whose scores are those of this
    process."""
    generate_penn(tmp_path / 'data', **DATA, progress=False)
    image = MODELS.build(Config.fromfile(IMAGE).model)
    torch.save(dict(state_dict=image.state_dict()), tmp_path / 'image.pth')
    options = options_of('data', 'image.pth')
    monkeypatch.chdir(tmp_path)

    config = Config.fromfile(VIDEO)
    config.merge_from_dict(dict(options, work_dir='video', val_cfg=None))
    config.val_dataloader = config.val_evaluator = None
    Runner.from_cfg(config).train()
    last = Path('video/last_checkpoint').read_text()
    assert Path(last).name == 'epoch_1.pth'

    printed = mim(
        tmp_path,
        'train',
        '--work-dir',
        'video',
        '--resume',
        **dict(options, **{'train_cfg.max_epochs': 2}),
    )
    assert 'resumed epoch: 1' in printed
    checkpoint = 'video/epoch_2.pth'
    last = Path('video/last_checkpoint').read_text()
    assert Path(last).name == Path(checkpoint).name

    printed = mim(
        tmp_path,
        'test',
        '--checkpoint',
        checkpoint,
        '--out',
        'scores.json',
        **dict(options, **{'test_evaluator.out_file': 'counts.json'}),
    )
    config.merge_from_dict(dict(work_dir='here', load_from=checkpoint))
    expected = Runner.from_cfg(config).test()
    found = json.loads(Path('scores.json').read_text())
    assert found.keys() == expected.keys() and 'PCK/mPCK' in found
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name
    # 3 videos of 7 frames
    assert json.loads(Path('counts.json').read_text())['frames'] == 21
