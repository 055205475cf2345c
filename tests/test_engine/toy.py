# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A toy that trains through mmengine's Runner in milliseconds."""

import itertools
import random
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner
from torch import nn

import rpstn_mmpose  # noqa: F401
from tests.two_processes import training_context

# Two runners of one process may not share a name.
_NUMBERS = itertools.count()


@MODELS.register_module(force=True)
class ToyModel(BaseModel):
    """A linear regression with a batch norm.

    Args:
        width: Number of hidden channels.
    """

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.first = nn.Linear(3, width)
        self.norm = nn.BatchNorm1d(width)
        self.last = nn.Linear(width, 1)

    def forward(self, inputs, targets, mode='tensor'):
        inputs, targets = torch.stack(inputs), torch.stack(targets)
        outputs = self.last(self.norm(self.first(inputs))).squeeze(1)
        if mode == 'loss':
            return dict(loss=(outputs - targets).square().mean())
        return list(outputs)


@DATASETS.register_module(force=True)
class ToyDataset(torch.utils.data.Dataset):
    """Sixteen fixed points, with the kinds of values MMPose's metainfo has."""

    metainfo = dict(
        dataset_name='toy',
        sigmas=np.array([0.1, 0.2], np.float32),
        colors=np.zeros((2, 3), np.uint8),
        links=[(0, 1)],
        number=np.float32(0.5),
    )

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict:
        inputs = torch.tensor([index / 16, (index % 4) / 4, 1.0])
        return dict(inputs=inputs, targets=inputs.prod())


@METRICS.register_module(force=True)
class ToyMetric(BaseMetric):
    """Gives the values it is told, one an evaluation."""

    def __init__(self, values=(0.1, 0.2, 0.3)) -> None:
        super().__init__()
        self.values = list(values)

    def process(self, data_batch, data_samples) -> None:
        self.results.append(0)

    def compute_metrics(self, results) -> dict:
        return dict(acc=np.float32(self.values.pop(0)))


class LossLog(Hook):
    """Appends every step's loss to a file."""

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        with open(Path(runner.work_dir, 'losses.txt'), 'a') as file:
            file.write(f'{runner.iter} {outputs["loss"].item():.9f}\n')


def toy_runner(work_dir, epochs=2, values=None, **changes) -> Runner:
    """A runner on the toy; ``values`` switches evaluation on."""
    settings = dict(
        model=dict(type='ToyModel'),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=4,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dict(type='ToyDataset'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.01)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, end=5, by_epoch=False),
            dict(type='MultiStepLR', milestones=[3, 6], by_epoch=True),
        ],
        default_hooks=dict(
            checkpoint=dict(
                type='AtomicCheckpointHook', interval=1, max_keep_ckpts=1
            ),
            logger=dict(type='LoggerHook', interval=100),
        ),
        randomness=dict(seed=3),
        log_level='WARNING',
        default_scope='mmpose',
        experiment_name=f'toy_{next(_NUMBERS)}',
    )
    if values is not None:
        settings.update(
            val_dataloader=dict(
                batch_size=4,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(type='ToyDataset'),
            ),
            val_cfg=dict(),
            val_evaluator=dict(type='ToyMetric', values=values),
        )
    settings.update(changes)
    return Runner(**settings)


def count_steps(work_dir: str) -> int:
    path = Path(work_dir, 'losses.txt')
    return len(path.read_text().splitlines()) if path.exists() else 0


def train_here(work_dir: str, epochs: int, resume: bool) -> None:
    """Train, and append a line ``step loss`` a step to
    ``WORK_DIR/losses.txt``.
    """
    torch.set_num_threads(1)  # a parent's are not here
    runner = toy_runner(work_dir, epochs, resume=resume)
    runner.register_hook(LossLog())
    runner.train()


def train_in_child(
    work_dir: str, epochs: int, steps: int, resume: bool
) -> int:
    """Train in another process; see :func:`train_here`.

    Args:
        work_dir: Folder of the run.
        epochs: Length of the training.
        steps: The process is killed some milliseconds after that many; 0:
            never.
        resume: Whether to go on from the last checkpoint there.

    Returns:
        int: Its exit status, negative if killed.
    """
    before = count_steps(work_dir)
    child = training_context(__name__).Process(
        target=train_here, args=(work_dir, epochs, resume)
    )
    child.start()
    while (
        steps and child.is_alive() and count_steps(work_dir) < before + steps
    ):
        time.sleep(0.002)
    if steps and child.is_alive():
        # Anywhere in the next step or save.
        time.sleep(random.uniform(0, 0.03))
        child.kill()
    child.join()
    return child.exitcode
