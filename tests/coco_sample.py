# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Recipes of image models on the real sample of COCO, in the stock runner."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

PERSONS = 12  # of the sample, with at least one labelled joint
# Two runners of one process may not share a name.
_NUMBERS = itertools.count()


def loaders_of(config: Config) -> list[Any]:
    """The three data loaders of a recipe."""
    return [config[f'{part}_dataloader'] for part in ('train', 'val', 'test')]


def on_sample(path: str | Path, sample: Path) -> Config:
    """A recipe whose data sets and evaluators read the sample."""
    config = Config.fromfile(path)
    for loader in loaders_of(config):
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(
            data_root=str(sample),
            ann_file='test_coco.json',
            data_prefix=dict(img=''),
        )
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = str(sample / 'test_coco.json')
    return config


def make_tiny(config: Config, **sizes: tuple[int, int]) -> Config:
    """SBL with ResNet-18 of a quarter of its width and thin deconvolutions.

    Args:
        config: Recipe with a head of deconvolutions; changed in place.
        sizes: ``input_size`` and other sizes of its codec, width and height.
    """
    config.model.backbone = dict(
        type='ResNet', depth=18, stem_channels=16, base_channels=16
    )
    config.model.head.update(
        in_channels=128,
        deconv_out_channels=(64, 48, 32),
        deconv_kernel_sizes=(4, 4, 4),
    )
    config.model.head.decoder.update(sizes)
    for loader in loaders_of(config):
        for step in loader.dataset.pipeline:
            if step.type == 'TopdownAffine':
                step.input_size = sizes['input_size']
            if step.type == 'GenerateTarget':
                step.encoder.update(sizes)
    return config


def make_runner(config: Config, folder: Path) -> Runner:
    """A quiet runner of a config."""
    config.work_dir = str(folder)
    config.experiment_name = f'coco_sample_{next(_NUMBERS)}'
    config.log_level = 'WARNING'
    config.randomness = dict(seed=0)
    return Runner.from_cfg(config)


def memorise(config: Config, steps: int) -> None:
    """Train on all persons in each step, in the data set's own order.

    Args:
        config: Changed in place.
        steps: Of the training.
    """
    config.model.test_cfg.flip_test = False  # it never sees them flipped
    config.train_dataloader.update(
        batch_size=PERSONS, sampler=dict(type='InfiniteSampler', shuffle=False)
    )
    config.train_cfg = dict(
        by_epoch=False, max_iters=steps, val_interval=steps
    )
    config.log_processor = dict(by_epoch=False)
    config.default_hooks.checkpoint.update(by_epoch=False, interval=steps)
    config.optim_wrapper = dict(optimizer=dict(type='Adam', lr=4e-3))
    config.param_scheduler = [
        dict(type='LinearLR', start_factor=0.1, end=20, by_epoch=False),
        dict(
            type='CosineAnnealingLR',
            T_max=steps - 20,
            begin=20,
            end=steps,
            eta_min=1e-5,
            by_epoch=False,
        ),
    ]
    config.auto_scale_lr = None
