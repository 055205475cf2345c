# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A training step, and its memory over the clip's length."""

from __future__ import annotations

import copy
from typing import Optional

from .bench import CLIP_LENGTH, Bench, PeakMemory
from .models import build_model, random_clips

MEMORY_LENGTHS = (5, 7, 10, 20)


def training_batch(model, batch: int, length: int) -> dict:
    """Inputs and samples as the data preprocessor gives them."""
    import numpy as np
    import torch
    from mmengine.structures import InstanceData
    from mmpose.structures import PoseDataSample

    inputs = random_clips(model, batch, length)
    width, height = model.head.decoder.heatmap_size
    joints = model.head.out_channels
    samples = []
    for _ in range(batch):
        sample = PoseDataSample(
            metainfo=dict(frame_mask=np.ones(length, dtype=bool))
        )
        sample.gt_instance_labels = InstanceData(
            heatmaps=torch.rand(length, joints, height, width).to(inputs),
            keypoint_weights=torch.ones(length, joints).to(inputs),
        )
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


class TrainingStep:
    """Loss, backward and a step of Adam, by an optimizer wrapper."""

    def __init__(
        self,
        bench: Bench,
        length: int,
        batch: int,
        half: bool = False,
        channels_last: bool = False,
        fused: bool = False,
        graph: bool = False,
        model=None,
        **train_cfg,
    ) -> None:
        import torch
        from mmengine.optim import OptimWrapper

        from rpstn_mmpose.engine import AutocastOptimWrapper
        from rpstn_mmpose.speed.graphed_training import graph_training

        model = build_model(bench) if model is None else copy.deepcopy(model)
        model.train_cfg = dict(model.train_cfg, compute_acc=False, **train_cfg)
        self.model = model.train()
        if channels_last:
            self.model.to(memory_format=torch.channels_last)
        names = graph_training(self.model) if graph else []
        self.graphs = [vars(self.model)[name] for name in names]
        wrapper = AutocastOptimWrapper if half else OptimWrapper
        self.optimizer = wrapper(
            torch.optim.Adam(
                self.model.parameters(), lr=1e-5, fused=fused or None
            )
        )
        torch.manual_seed(0)
        self.batch = training_batch(self.model, batch, length)
        self.first_loss: Optional[float] = None

    @property
    def gave_up(self) -> str:
        """Why a graph was wanted and could not be recorded; empty: it was."""
        return '; '.join(x.given_up for x in self.graphs if x.given_up)

    def __call__(self) -> None:
        with self.optimizer.optim_context(self.model):
            losses = self.model(**self.batch, mode='loss')
        loss = sum(v for k, v in losses.items() if k.startswith('loss'))
        if self.first_loss is None:
            self.first_loss = float(loss.detach())
        self.optimizer.update_params(loss)


def run_train(bench: Bench) -> None:
    """Training steps; an error is the change of the first step's loss.

    Frame by frame, batch norms see fewer frames at once, so the loss is
    another one there and no error is given for what follows.
    """
    model = build_model(bench)
    for size in bench.args.train_batch:
        compare_steps(bench, model, size)


def compare_steps(bench: Bench, model, size: int) -> None:
    """Of one batch size."""
    fast = dict(channels_last=True, fused=True)
    steps = {
        'baseline': dict(frames_per_pass=1),
        'all frames at once': {},
        'channels last': dict(channels_last=True),
        'fast (channels last, fused Adam)': fast,
    }
    if bench.args.half:
        steps['fast, bfloat16'] = dict(fast, half=True)
    if bench.cuda:
        for name in [name for name in steps if name.startswith('fast')]:
            title = f'{name.split(" (")[0]}, graph'
            steps[title] = dict(steps[name], graph=True)
    steps['fast, checkpointing'] = dict(
        fast, checkpointing=True, frames_per_pass=1
    )
    made = {
        name: TrainingStep(bench, CLIP_LENGTH, size, model=model, **options)
        for name, options in steps.items()
        if bench.wants(name)
    }
    for name, step in list(made.items()):
        step()
        if step.gave_up:
            print(f'{name}: left out without a graph: {step.gave_up}')
            del made[name]
    same = {'baseline': 'baseline', 'fast, checkpointing': 'baseline'}
    errors = {
        name: abs(
            step.first_loss
            - made[same.get(name, 'all frames at once')].first_loss
        )
        for name, step in made.items()
        if same.get(name, 'all frames at once') in made
    }
    bench.compare(
        'train',
        f'{size} x {CLIP_LENGTH} frames',
        made,
        errors=errors,
        memory=False,
    )


def run_memory(bench: Bench) -> None:
    """Peak memory of a training step of one clip over its length."""
    lengths = MEMORY_LENGTHS[:2] if bench.args.quick else MEMORY_LENGTHS
    plans = {
        'plain': dict(frames_per_pass=1),
        'checkpointing': dict(frames_per_pass=1, checkpointing=True),
    }
    for name, options in plans.items():
        first = None
        for length in lengths:
            step = TrainingStep(
                bench, length, 1, channels_last=True, fused=True, **options
            )
            step()  # makes Adam's state
            with PeakMemory(bench.args.device) as watch:
                seconds = bench.seconds(step)
            first = first or watch.peak
            bench.add(
                'memory',
                f'1 x {length} frames',
                name,
                seconds,
                None,
                watch.peak or None,
                note=f'{watch.peak / first:.2f} of {lengths[0]} frames'
                if first
                else '',
            )
            del step
