# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Trainings that are killed at each of their steps and resumed.

What is on the disk changes by renames and removals alone, so a kill before
each of them, and during each validation, stands for a kill at any moment.
"""

import os
import random
from pathlib import Path

import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator

from rpstn_mmpose.engine import load_weights

from .toy import toy_runner


class Kill(BaseException):
    """Nothing that catches Exception sees it."""


class Killer:
    """Counts the steps of a run and kills it before a chosen one.

    Args:
        number: Step to kill it before, from 1; 0: never.
    """

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.steps = []

    def step(self, name: str) -> None:
        self.steps.append(name)
        if len(self.steps) == self.number:
            raise Kill

    def watch(self, patch) -> None:
        for name in ('replace', 'remove', 'rmdir'):
            real = getattr(os, name)

            def stand_in(*args, name=name, real=real, **kwargs):
                self.step(f'{name} {Path(args[-1]).name}')
                return real(*args, **kwargs)

            patch.setattr(os, name, stand_in)


class StepMetric(BaseMetric):
    """Gives each step the scores that it is told.

    Args:
        scores: Step to metrics.
        killer: Is told of each batch and of the end.
    """

    def __init__(self, scores: dict, killer: Killer) -> None:
        super().__init__()
        self.scores = scores
        self.killer = killer
        self.finished = []

    def process(self, data_batch, data_samples) -> None:
        if not self.results:
            self.killer.step('validate')
        self.results.append(0)

    def compute_metrics(self, results) -> dict:
        self.killer.step('validated')
        step = self.step()
        self.finished.append(step)
        return dict(self.scores[step])


class Recipe:
    """A training of the toy, its scores, and the best of each metric.

    Args:
        scores: Step to ``acc``, or to a dict of metrics.
        best: Metric to the step that is best by it.
        save: Interval of checkpoints.
        validate: Interval of validations.
        by_epoch: Whether steps are epochs or iterations.
        keep: ``max_keep_ckpts``.
    """

    def __init__(
        self,
        scores,
        best,
        save=1,
        validate=1,
        by_epoch=True,
        keep=1,
        last=None,
    ):
        self.scores = {
            step: score if isinstance(score, dict) else dict(acc=score)
            for step, score in scores.items()
        }
        self.best = best
        self.save, self.validate = save, validate
        self.by_epoch, self.keep = by_epoch, keep
        self.last = last or max(scores)

    def hook(self) -> dict:
        return dict(
            type='AtomicCheckpointHook',
            interval=self.save,
            by_epoch=self.by_epoch,
            max_keep_ckpts=self.keep,
            save_best=list(self.best),
            rule=['less' if key == 'loss' else 'greater' for key in self.best],
        )

    def train(self, folder, patch, number=0, resume=False, scores=None):
        """Train, to the end or to the kill; the killer and the metric."""
        killer = Killer(number)
        metric = StepMetric(scores or self.scores, killer)
        unit = 'max_epochs' if self.by_epoch else 'max_iters'
        settings = dict(
            train_cfg={
                'by_epoch': self.by_epoch,
                unit: self.last,
                'val_interval': self.validate,
            },
            val_evaluator=Evaluator(metric),
            default_hooks=dict(
                checkpoint=self.hook(),
                logger=dict(type='LoggerHook', interval=100),
            ),
            resume=resume,
        )
        for name, sampler in (
            (
                'train',
                'DefaultSampler' if self.by_epoch else 'InfiniteSampler',
            ),
            ('val', 'DefaultSampler'),
        ):
            settings[f'{name}_dataloader'] = dict(
                batch_size=8,
                sampler=dict(type=sampler, shuffle=name == 'train'),
                dataset=dict(type='ToyDataset'),
            )
        runner = toy_runner(folder, values=[], **settings)
        metric.step = lambda: runner.epoch if self.by_epoch else runner.iter
        with patch.context() as context:
            killer.watch(context)
            try:
                runner.train()
                killer.ended = True
            except Kill:
                killer.ended = False
        return killer, metric


RECIPES = dict(
    epochs=Recipe({1: 0.2, 2: 0.5, 3: 0.3}, dict(acc=2)),
    validated_every_second=Recipe(
        {2: 0.5, 3: 0.7}, dict(acc=3), validate=2, keep=2
    ),
    saved_every_second=Recipe(
        {1: 0.2, 2: 0.1, 3: 0.5, 4: 0.4}, dict(acc=3), save=2, keep=2
    ),
    iterations=Recipe(
        {2: 0.3, 4: 0.5}, dict(acc=4), save=2, validate=2, by_epoch=False
    ),
    iterations_between=Recipe(
        {2: 0.3, 4: 0.6, 5: 0.4},
        dict(acc=4),
        save=3,
        validate=2,
        by_epoch=False,
    ),
    two_metrics=Recipe(
        {1: dict(acc=0.2, loss=0.9), 2: dict(acc=0.1, loss=0.7)},
        dict(acc=1, loss=2),
    ),
)
LONG = Recipe(
    {1: 0.2, 2: 0.5, 3: 0.3, 4: 0.6, 5: 0.1, 6: 0.7, 7: 0.8, 8: 0.4},
    dict(acc=7),
    keep=3,
)


def state_of(folder) -> dict:
    """All that a finished training leaves that may matter to anyone."""
    last = load_weights(Path(folder, 'last_checkpoint').read_text())
    info = last['message_hub']['runtime_info']
    assert set(last) >= {'optimizer', 'param_schedulers'}
    found = {}
    for path in sorted(Path(folder).glob('*.pth')):
        loaded = load_weights(path)
        found[path.name] = (
            loaded['meta']['epoch'],
            loaded['meta']['iter'],
            loaded['state_dict'],
        )
    return dict(
        files=found,
        hidden=[path.name for path in Path(folder).glob('.*')],
        last=Path(Path(folder, 'last_checkpoint').read_text()).name,
        info={
            key: Path(value).name if key.startswith('best_ckpt') else value
            for key, value in info.items()
            if key.startswith(('best_', 'keep_ckpt_ids'))
        },
    )


def assert_same(found: dict, expected: dict) -> None:
    assert set(found['files']) == set(expected['files'])
    for name, (epoch, iteration, weights) in expected['files'].items():
        assert found['files'][name][:2] == (epoch, iteration), name
        for key, value in weights.items():
            assert torch.equal(found['files'][name][2][key], value), name
    for key in ('hidden', 'last', 'info'):
        assert found[key] == expected[key]


def uninterrupted(recipe, folder, patch) -> tuple:
    """State and steps of an uninterrupted training."""
    killer, metric = recipe.train(folder, patch)
    assert metric.finished == list(recipe.scores)
    return state_of(folder), killer.steps


@pytest.mark.parametrize('recipe', RECIPES.values(), ids=RECIPES)
def test_killed_at_each_step(recipe, tmp_path, monkeypatch):
    expected, steps = uninterrupted(recipe, tmp_path / '0', monkeypatch)
    unit = 'epoch' if recipe.by_epoch else 'iter'
    best = {
        f'best_{key}_{unit}_{step}.pth' for key, step in recipe.best.items()
    }
    assert {name for name in expected['files'] if 'best' in name} == best
    assert expected['last'] == f'{unit}_{recipe.last}.pth'
    for number in range(1, len(steps) + 1):
        folder = tmp_path / f'{number}'
        killer, _ = recipe.train(folder, monkeypatch, number)
        assert not killer.ended
        assert killer.steps == steps[:number]
        killer, _ = recipe.train(folder, monkeypatch, resume=True)
        assert killer.ended
        assert_same(state_of(folder), expected)


def test_killed_again_and_again(tmp_path, monkeypatch):
    expected, _ = uninterrupted(LONG, tmp_path / 'whole', monkeypatch)
    choose = random.Random(13)
    killed, finished = [], []
    while not killed or killed[-1]:
        killer, metric = LONG.train(
            tmp_path / 'killed',
            monkeypatch,
            choose.randint(3, 12),
            bool(killed),
        )
        killed.append(not killer.ended)
        finished += metric.finished
    assert len(killed) >= 8
    assert_same(state_of(tmp_path / 'killed'), expected)
    # No epoch goes without its validation, whatever happens.
    assert set(finished) == set(LONG.scores)


def test_other_scores_after_the_kill(tmp_path, monkeypatch):
    # GPUs do not repeat an epoch bit by bit: the second time it may score
    # less, and what the killed run had written must not stay behind.
    recipe = RECIPES['saved_every_second']
    _, steps = uninterrupted(recipe, tmp_path / '0', monkeypatch)
    others = {step: dict(acc=0.05) for step in recipe.scores}
    kept = set()
    for number in range(
        steps.index('replace last_checkpoint') + 2, len(steps) + 1
    ):
        folder = tmp_path / f'{number}'
        recipe.train(folder, monkeypatch, number)
        recipe.train(folder, monkeypatch, resume=True, scores=others)
        state = state_of(folder)
        (best,) = [name for name in state['files'] if 'best' in name]
        assert state['info']['best_ckpt'] == best
        step = state['files'][best][0]
        assert best == f'best_acc_epoch_{step}.pth'
        assert state['info']['best_score'] == recipe.scores[step]['acc']
        kept.add(step)
    assert kept == {1, 3}
