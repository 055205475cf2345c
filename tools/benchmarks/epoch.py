# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Training epochs of the quick start's recipe."""

from __future__ import annotations

from pathlib import Path

from .bench import CLIP_LENGTH, TINY_RECIPE, Bench, PeakMemory
from .models import load_config
from .videos import synthetic_penn


def run_epoch(bench: Bench) -> None:
    """A training epoch of the quick start's recipe on generated videos."""
    from mmengine.runner import Runner

    videos = 16 if bench.args.quick else 200
    variants = {'baseline': dict(frames_per_pass=1), 'recipe': {}}
    with synthetic_penn(videos, CLIP_LENGTH, (192, 144)) as folder:
        times = {}
        for name, train_cfg in variants.items():
            cfg = load_config(TINY_RECIPE)
            cfg.work_dir = str(Path(folder, 'work', name))
            cfg.log_level = 'ERROR'
            cfg.model.image_pretrained = None
            cfg.train_dataloader.dataset.data_root = folder
            for key in (
                'val_cfg',
                'val_dataloader',
                'val_evaluator',
                'test_cfg',
                'test_dataloader',
                'test_evaluator',
            ):
                cfg[key] = None
            cfg.default_hooks.checkpoint = None
            cfg.randomness = dict(seed=0)
            if name == 'baseline':
                cfg.model.train_cfg.update(train_cfg)
                cfg.custom_hooks = []
            runner = Runner.from_cfg(cfg)
            with PeakMemory(bench.args.device) as watch:
                times[name] = bench.seconds(runner.train)
            bench.add(
                'epoch',
                f'{videos} clips, {TINY_RECIPE}',
                name,
                times[name],
                times['baseline'] / times[name],
                watch.peak or None,
            )
