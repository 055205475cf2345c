# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import errno
import os
import random
import shutil
import signal
from pathlib import Path

import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.registry import HOOKS

from rpstn_mmpose.engine import (
    AtomicCheckpointHook,
    CheckpointError,
    load_weights,
)

from . import toy
from .toy import toy_runner

# Of the run that is killed.
EPOCHS = 40


def checkpoints(folder) -> set:
    return {path.name for path in Path(folder).glob('*.pth')}


def last_checkpoint(folder) -> dict:
    """What last_checkpoint names, which has to be complete."""
    path = Path(folder, 'last_checkpoint').read_text()
    loaded = load_weights(path)
    assert set(loaded) >= {'meta', 'state_dict', 'optimizer', 'message_hub'}
    return loaded


def with_best(**kwargs) -> dict:
    return dict(
        checkpoint=dict(
            type='AtomicCheckpointHook',
            interval=1,
            save_best='acc',
            rule='greater',
            **kwargs,
        )
    )


def test_registered_for_mmpose():
    assert HOOKS.get('AtomicCheckpointHook') is None
    assert HOOKS.get('mmpose.AtomicCheckpointHook') is AtomicCheckpointHook


def test_same_files_as_mmengines(tmp_path):
    for name, folder in (
        ('AtomicCheckpointHook', 'ours'),
        ('mmengine.CheckpointHook', 'stock'),
    ):
        toy_runner(
            tmp_path / folder,
            epochs=3,
            values=[0.1, 0.3, 0.2],
            default_hooks=dict(
                checkpoint=dict(
                    type=name,
                    interval=1,
                    max_keep_ckpts=2,
                    save_best='acc',
                    rule='greater',
                )
            ),
        ).train()
        assert checkpoints(tmp_path / folder) == {
            'epoch_2.pth',
            'epoch_3.pth',
            'best_acc_epoch_2.pth',
        }
        assert not list((tmp_path / folder).glob('.*'))
        loaded = last_checkpoint(tmp_path / folder)
        assert loaded['meta']['epoch'] == 3
        assert loaded['message_hub']['runtime_info']['best_ckpt'] == str(
            tmp_path / folder / 'best_acc_epoch_2.pth'
        )


def test_by_iteration_and_several_best(tmp_path):
    class TwoMetrics(toy.ToyMetric):
        def compute_metrics(self, results):
            return dict(acc=self.values.pop(0), loss=self.values.pop(0))

    from mmengine.evaluator import Evaluator

    toy_runner(
        tmp_path,
        epochs=None,
        values=[],
        val_evaluator=Evaluator(TwoMetrics([0.5, 0.5, 0.4, 0.4, 0.6, 0.6])),
        train_cfg=dict(by_epoch=False, max_iters=6, val_interval=2),
        default_hooks=dict(
            checkpoint=dict(
                type='AtomicCheckpointHook',
                by_epoch=False,
                interval=1,
                max_keep_ckpts=1,
                save_best=['acc', 'loss'],
                rule=['greater', 'less'],
            )
        ),
    ).train()
    # acc is best at the third evaluation, loss at the second.
    assert checkpoints(tmp_path) == {
        'iter_6.pth',
        'best_acc_iter_6.pth',
        'best_loss_iter_4.pth',
    }


class Crash(BaseException):
    """Stands for a kill: nothing that catches Exception sees it."""


def crash_at(monkeypatch, fails: dict, error):
    """Let a chosen call of a chosen function fail.

    Args:
        fails: Function name of ``os`` to the number of the call that fails.
        error: What it raises.
    """
    for name, number in fails.items():
        real, count = getattr(os, name), [0]

        def stand_in(*args, real=real, count=count, number=number, **kwargs):
            count[0] += 1
            if count[0] == number:
                raise error
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, stand_in)


# A save is: fsync file, replace, fsync folder; then the same three for
# last_checkpoint; then remove. The calls of the second save are 3 and 4 of
# replace, and 5 to 8 of fsync.
STEPS = [
    ('fsync', 5),
    ('replace', 3),
    ('fsync', 6),
    ('fsync', 7),
    ('replace', 4),
    ('fsync', 8),
    ('remove', 1),
]


@pytest.mark.parametrize('step', STEPS, ids=lambda step: f'{step[0]}{step[1]}')
@pytest.mark.parametrize('kind', ['full disk', 'kill'])
def test_failure_at_any_step_leaves_a_checkpoint(
    step, kind, tmp_path, monkeypatch
):
    error = (
        OSError(errno.ENOSPC, 'No space left on device')
        if kind == 'full disk'
        else Crash()
    )
    runner = toy_runner(tmp_path, epochs=3)
    with monkeypatch.context() as patch:
        crash_at(patch, dict([step]), error)
        with pytest.raises(type(error)) as caught:
            runner.train()
    if kind == 'full disk' and step[0] != 'remove':
        name = 'last_checkpoint' if step in STEPS[3:] else 'epoch_2.pth'
        assert f'cannot write {tmp_path / name} (' in str(caught.value)
        assert 'No space left on device' in str(caught.value)
        assert '\n' not in str(caught.value)
    # Before last_checkpoint is replaced it names the first save, and the
    # first save is there.
    expected = 1 if step in STEPS[:5] else 2
    assert last_checkpoint(tmp_path)['meta']['epoch'] == expected
    if step in STEPS[:2]:
        assert checkpoints(tmp_path) == {'epoch_1.pth'}

    toy_runner(tmp_path, epochs=3, resume=True).train()
    assert checkpoints(tmp_path) == {'epoch_3.pth'}
    assert last_checkpoint(tmp_path)['meta']['epoch'] == 3
    assert not list(tmp_path.glob('.*'))


@pytest.mark.parametrize('number', range(1, 12))
def test_best_checkpoint_survives_any_failure(number, tmp_path, monkeypatch):
    # Two epochs, each the best so far: five writes each, of the checkpoint
    # and last_checkpoint, both again, and the best one; 11: none fails.
    runner = toy_runner(
        tmp_path, values=[0.1, 0.2], default_hooks=with_best(max_keep_ckpts=1)
    )
    seen = []
    crashed = False
    with monkeypatch.context() as patch:
        real, count = os.replace, [0]

        def replace(source, target):
            count[0] += 1
            if count[0] == number:
                raise Crash
            real(source, target)
            if Path(target).name.startswith('best'):
                seen.append(Path(target).name)

        patch.setattr(os, 'replace', replace)
        try:
            runner.train()
        except Crash:
            crashed = True
    assert crashed == (number <= 10)
    assert count[0] == min(number, 10)
    # The fifth write is the first best one, the tenth the second.
    assert seen == [
        f'best_acc_epoch_{epoch}.pth' for epoch in (1, 2) if number > 5 * epoch
    ]
    found = checkpoints(tmp_path)
    assert {name for name in found if 'best' in name} == set(seen[-1:])
    for name in found:
        load_weights(tmp_path / name)
    if number == 11:
        assert found == {'epoch_2.pth', 'best_acc_epoch_2.pth'}


def test_worse_metric_keeps_the_best(tmp_path):
    toy_runner(
        tmp_path,
        epochs=3,
        values=[0.5, 0.2, 0.1],
        default_hooks=with_best(max_keep_ckpts=1),
    ).train()
    assert checkpoints(tmp_path) == {'epoch_3.pth', 'best_acc_epoch_1.pth'}


def test_leftovers_of_killed_runs_are_removed(tmp_path):
    old = tmp_path / f'.epoch_7.pth.tmp-{os.getpid()}'
    old.write_bytes(b'half')
    toy_runner(tmp_path, epochs=1).train()
    assert not old.exists()


def test_out_dir_and_other_backends(tmp_path):
    out = tmp_path / 'out'
    toy_runner(
        tmp_path / 'run',
        epochs=1,
        default_hooks=dict(
            checkpoint=dict(
                type='AtomicCheckpointHook',
                out_dir=str(out),
                backend_args=dict(backend='local'),
            )
        ),
    ).train()
    assert checkpoints(out / 'run') == {'epoch_1.pth'}
    assert last_checkpoint(tmp_path / 'run')['meta']['epoch'] == 1


def test_foreign_backend_is_used_as_it_is(tmp_path):
    from mmengine.fileio import register_backend

    puts = []

    @register_backend('rpstn_test_remote', force=True)
    class Remote(LocalBackend):
        def put(self, obj, filepath):
            puts.append(Path(filepath).name)
            super().put(obj, filepath)

    toy_runner(
        tmp_path,
        default_hooks=dict(
            checkpoint=dict(
                type='AtomicCheckpointHook',
                interval=1,
                max_keep_ckpts=1,
                backend_args=dict(backend='rpstn_test_remote'),
            )
        ),
    ).train()
    assert puts == ['epoch_1.pth', 'epoch_2.pth']
    assert checkpoints(tmp_path) == {'epoch_2.pth'}


def test_lowered_max_keep_ckpts(tmp_path):
    def hooks(keep):
        return dict(
            checkpoint=dict(
                type='AtomicCheckpointHook', interval=1, max_keep_ckpts=keep
            )
        )

    toy_runner(tmp_path, epochs=3, default_hooks=hooks(3)).train()
    assert checkpoints(tmp_path) == {f'epoch_{i}.pth' for i in (1, 2, 3)}
    toy_runner(tmp_path, epochs=4, default_hooks=hooks(2), resume=True).train()
    assert checkpoints(tmp_path) == {'epoch_3.pth', 'epoch_4.pth'}


@pytest.mark.parametrize('content', ['{folder}/epoch_9.pth', ''])
def test_last_checkpoint_that_names_nothing(content, tmp_path):
    pointer = tmp_path / 'last_checkpoint'
    pointer.write_text(content.format(folder=tmp_path))
    with pytest.raises(CheckpointError) as caught:
        toy_runner(tmp_path, resume=True).train()
    assert str(caught.value).startswith(f'{pointer} names ')
    assert 'which does not exist' in str(caught.value)


def test_only_the_main_process_writes(tmp_path, monkeypatch):
    from rpstn_mmpose.engine.hooks import atomic_checkpoint_hook as module

    runner = toy_runner(tmp_path, epochs=1)
    monkeypatch.setattr(module, 'is_main_process', lambda: False)
    monkeypatch.setattr(runner, 'save_checkpoint', lambda *a, **k: None)
    runner.train()
    assert not (tmp_path / 'last_checkpoint').exists()


def losses(folder) -> dict:
    """Step to loss; the last line of a step counts."""
    lines = Path(folder, 'losses.txt').read_text().splitlines()
    pairs = [line.split() for line in lines]
    return {int(pair[0]): float(pair[1]) for pair in pairs if len(pair) == 2}


def train(folder, steps=0, resume=False) -> int:
    """Train the toy in a process, which is killed after so many steps."""
    return toy.train_in_child(str(folder), EPOCHS, steps, resume)


def test_killed_and_resumed_run_equals_an_uninterrupted_one(tmp_path):
    assert train(tmp_path / 'whole') == 0
    choose = random.Random(5)
    folder = tmp_path / 'killed'
    resumed_from = []
    for _ in range(8):
        # Four steps make an epoch: one to four saves go well.
        status = train(folder, choose.randint(5, 19), bool(resumed_from))
        assert status == -signal.SIGKILL
        if (folder / 'last_checkpoint').exists():
            resumed_from.append(last_checkpoint(folder)['meta']['epoch'])
        elif folder.exists():
            shutil.rmtree(folder)
    assert resumed_from == sorted(resumed_from)
    assert len(set(resumed_from)) >= 4
    assert train(folder, resume=True) == 0

    expected, found = losses(tmp_path / 'whole'), losses(folder)
    # 16 samples in batches of 4.
    assert sorted(expected) == sorted(found) == list(range(4 * EPOCHS))
    for step, loss in expected.items():
        assert abs(found[step] - loss) < 1e-6, step
    assert checkpoints(folder) == {f'epoch_{EPOCHS}.pth'}
    assert not list(folder.glob('.*'))
    ours = last_checkpoint(folder)['state_dict']
    theirs = last_checkpoint(tmp_path / 'whole')['state_dict']
    for name, value in theirs.items():
        assert torch.allclose(ours[name], value, atol=1e-6), name
