# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Recipes of lifters: they build, fit their windows, train and are tested."""

import os
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import MODELS

from rpstn_mmpose.synthetic.generate_h36m import generate_h36m
from tests.real_data import require_real_data

ROOT = Path(__file__).resolve().parents[1] / 'configs/body_3d_keypoint'
RECIPES = sorted(
    str(path.relative_to(ROOT))
    for system in ('anatomy3d', 'video_pose3d')
    for path in (ROOT / system).rglob('*.py')
)


def load(recipe, channels=8):
    """A recipe with few channels, as ``--cfg-options`` makes them."""
    config = Config.fromfile(ROOT / recipe)
    model = config.model
    if model.type == 'AnatomyLifter':
        options = {
            'model.backbone.channels': channels,
            'model.length_net.channels': channels,
        }
    else:
        options = {'model.backbone.stem_channels': channels}
    config.merge_from_dict({**options, 'model.head.in_channels': channels})
    init_default_scope('mmpose')
    return config


@pytest.fixture(scope='module')
def synthetic(tmp_path_factory):
    folder = tmp_path_factory.mktemp('h36m') / 'data'
    generate_h36m(folder, num_takes=1, num_frames=20)
    return folder


@pytest.mark.parametrize('recipe', RECIPES)
def test_windows_are_those_of_the_network(recipe):
    config = load(recipe)
    model = MODELS.build(config.model).eval()
    frames = int(recipe.split('frm')[0].rsplit('_', 1)[1].rsplit('-')[-1])
    causal = 'causal' in recipe
    before = frames - 1 if causal else frames // 2
    assert (model.before, model.after) == (before, frames - 1 - before)
    assert model.backbone.causal == causal
    window = config.train_dataloader.dataset.window
    assert list(window.clip_offsets) == list(range(-before, frames - before))
    for loader in (config.val_dataloader, config.test_dataloader):
        window = loader.dataset.window
        assert (window.before, window.after) == (before, model.after)
    if '15' in str(config.get('num_joints', '')) or 'humaneva' in recipe:
        joints = 15
    else:
        joints = 17
    inputs = config.pipeline[0].get('scores', True)
    x = torch.rand(2, frames + 4, joints, 3 if inputs else 2)
    with torch.no_grad():
        found = model(x, None, mode='tensor')
    assert found.shape == (2, 5, joints, 3)


def run(recipe, work_dir, data_root, epochs=2, **options):
    config = load(recipe, channels=16)
    for loader in ('train', 'val', 'test'):
        config.merge_from_dict(
            {
                f'{loader}_dataloader.dataset.data_root': str(data_root),
                f'{loader}_dataloader.num_workers': 0,
            }
        )
    if config.model.type == 'AnatomyLifter':
        config.train_dataloader.dataset.drawn_frames = 6
    config.merge_from_dict(
        {
            'train_dataloader.batch_size': 64,
            'optim_wrapper.optimizer.lr': 1e-2,
            'train_cfg.max_epochs': epochs,
            'train_cfg.val_interval': epochs,
            'work_dir': str(work_dir),
            'randomness': dict(seed=0),
            'visualizer': dict(vis_backends=[]),
            **options,
        }
    )
    runner = Runner.from_cfg(config)
    before = runner.test()
    runner.train()
    return before, runner.test(), runner


@pytest.mark.parametrize(
    'recipe',
    [
        'anatomy3d/synthetic_h36m/'
        'anatomy3d_tiny-27frm-tree_1xb256-5e_synthetic-h36m.py',
        'video_pose3d/synthetic_h36m/'
        'video-pose3d_tiny-27frm-causal_1xb256-5e_synthetic-h36m.py',
    ],
)
def test_trains_and_is_tested(recipe, synthetic, tmp_path):
    before, after, runner = run(recipe, tmp_path, synthetic)
    assert after['MPJPE'] < 0.9 * before['MPJPE']
    assert set(after) == {
        'MPJPE', 'P-MPJPE', 'N-MPJPE', 'MPJVE', 'bone_spread',
    }  # yapf: disable
    if 'tree' in recipe:
        # One length a video, but for the mean with the mirrored one's.
        assert after['bone_spread'] < 15
    backbone = runner.model.backbone
    stem = backbone.stem.norm if 'tree' in recipe else backbone.expand_conv.bn
    # The second of two epochs: half way from 0.1 to 0.001.
    assert stem.momentum == pytest.approx(0.01)
    assert 'best_MPJPE_epoch_2.pth' in os.listdir(tmp_path)


@pytest.mark.parametrize('system', ['anatomy3d', 'video_pose3d'])
def test_real_humaneva(system, tmp_path):
    """A few steps on real motion capture are worth something."""
    folder = require_real_data('humaneva')
    (recipe,) = [
        r
        for r in RECIPES
        if r.startswith(system) and 'humaneva' in r and 'causal' not in r
    ]
    options = {
        f'{split}_dataloader.dataset.subjects': [f'{part}/S1']
        for split, part in (
            ('train', 'Train'),
            ('val', 'Validate'),
            ('test', 'Validate'),
        )
    }
    for split in ('train', 'val', 'test'):
        options[f'{split}_dataloader.dataset.actions'] = ['Jog']
    before, after, _ = run(recipe, tmp_path, folder, 1, **options)
    assert after['MPJPE'] < 0.9 * before['MPJPE']
