# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Penn Action and JHMDB in one batch, through the recipe and the Runner."""

import copy
import math

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

import rpstn_mmpose
from rpstn_mmpose.synthetic import generate_jhmdb, generate_penn

SMALL = dict(
    num_train=2,
    num_test=1,
    num_frames=5,
    image_size=(96, 72),
    difficulty='easy',
    progress=False,
)
JHMDB_ONLY = [0, 1]  # neck and belly


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('mixed')
    generate_penn(folder / 'penn', **SMALL)
    # Other people than those of the Penn videos.
    generate_jhmdb(folder / 'jhmdb', **dict(SMALL, seed=1))
    config = Config.fromfile(
        rpstn_mmpose.config_path(
            'rpstn_tiny_1xb8-1e_synthetic-penn-jhmdb-128x128'
        )
    )
    penn, jhmdb = config.train_dataloader.dataset.datasets
    penn.data_root = str(folder / 'penn')
    jhmdb.data_root = str(folder / 'jhmdb')
    for loader in (config.val_dataloader, config.test_dataloader):
        loader.dataset.data_root = str(folder / 'jhmdb')
    config.train_dataloader.batch_size = 4
    config.work_dir = str(folder / 'work')
    config.default_hooks.logger.interval = 1
    return config


def test_missing_joints_have_no_weight_and_no_gradient(config):
    torch.manual_seed(0)
    runner = Runner.from_cfg(copy.deepcopy(config))
    batch = next(iter(runner.build_dataloader(config.train_dataloader)))
    samples = batch['data_samples']
    kinds = [sample.metainfo['dataset_name'] for sample in samples]
    assert sorted(kinds) == ['jhmdb'] * 2 + ['penn_action'] * 2
    model = runner.model.eval()  # the same statistics in every call
    data = model.data_preprocessor(batch, training=True)

    def losses(value):
        """With other targets for the joints that Penn Action lacks."""
        total = {'penn_action': [], 'jhmdb': []}
        for row, sample in enumerate(data['data_samples']):
            sample = copy.deepcopy(sample)
            labels = sample.gt_instance_labels
            weights = labels.keypoint_weights
            labels.heatmaps[:, JHMDB_ONLY] = value
            if kinds[row] == 'penn_action':
                assert not weights[:, JHMDB_ONLY].any()
                assert weights[:, 2:].mean() > 0.5
            else:
                assert weights.mean() > 0.9
            with torch.no_grad():
                loss = model.loss(data['inputs'][row : row + 1], [sample])
            total[kinds[row]].append(float(loss['loss_kpt']))
        return total

    low, high = losses(0.0), losses(1.0)
    assert low['penn_action'] == high['penn_action']
    assert all(a < b for a, b in zip(low['jhmdb'], high['jhmdb']))

    model.train()
    loss = model.loss(data['inputs'], data['data_samples'])
    sum(v for k, v in loss.items() if 'loss' in k).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_runner_trains_and_tests_on_jhmdb(config):
    runner = Runner.from_cfg(copy.deepcopy(config))
    runner.train()
    assert runner.iter == 1  # 2 + 2 clips of 5 in a batch of 4
    assert math.isfinite(runner.message_hub.get_scalar('train/loss').current())
    scores = runner.test()
    assert 0 <= scores['PCK/mPCK'] <= 100
