# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a resumed checkpoint may and may not do to files."""

import logging
import os
from pathlib import Path

import pytest
import torch
from mmengine.fileio import FileClient, LocalBackend, register_backend

from rpstn_mmpose.engine import CheckpointError, load_weights
from rpstn_mmpose.engine.hooks import atomic_checkpoint_hook
from rpstn_mmpose.engine.resume_source import NamedCheckpoint

from .toy import toy_runner


def hooks(**kwargs) -> dict:
    settings = dict(
        type='AtomicCheckpointHook',
        interval=1,
        max_keep_ckpts=1,
        save_best='acc',
        rule='greater',
    )
    return dict(
        checkpoint={**settings, **kwargs},
        logger=dict(type='LoggerHook', interval=100),
    )


def train(folder, epochs, values=None, resume=None, **kwargs):
    """Train the toy; ``resume`` is a path, or True.

    Returns:
        list[str]: Lines of the log.
    """
    changes = {}
    if resume is not None:
        changes['resume'] = True
    if resume not in (None, True):
        changes['load_from'] = NamedCheckpoint(resume)
    runner = toy_runner(
        folder, epochs, values, default_hooks=hooks(**kwargs), **changes
    )
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    runner.logger.setLevel(logging.INFO)
    runner.logger.addHandler(handler)
    runner.train()
    return lines


def names(folder) -> set:
    return {path.name for path in Path(folder).glob('*.pth')}


def info(path) -> dict:
    return load_weights(str(path))['message_hub']['runtime_info']


def rewrite(source, target, **values) -> str:
    """Write a checkpoint with other words about files into its hub."""
    loaded = load_weights(str(source))
    loaded['message_hub']['runtime_info'].update(values)
    loaded['message_hub']['resumed_keys'].update(dict.fromkeys(values, True))
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    torch.save(loaded, target)
    return str(target)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Work dir of two epochs, the first the best by far."""
    folder = tmp_path_factory.mktemp('trained') / 'old'
    train(folder, 2, [0.9, 0.1], max_keep_ckpts=2)
    assert names(folder) == {
        'epoch_1.pth',
        'epoch_2.pth',
        'best_acc_epoch_1.pth',
    }
    return folder


VICTIMS = [
    'precious',  # a folder
    'precious/thesis.txt',
    'elsewhere/best_acc_epoch_1.pth',
    'run/../precious/thesis.txt',
    'run/notes.txt',
    'run/epoch_9.pth',
    'run/best_acc_epoch_7.pth',  # a folder with a text
    'run/best_acc_epoch_8.pth',  # text, of a later step
    'run/best_acc_epoch_0.pth',  # a link to a text
    'run/sub/best_acc_epoch_1.pth',
    'run',
]


def lay_out(folder) -> dict:
    for name in (
        'precious/thesis.txt',
        'elsewhere/best_acc_epoch_1.pth',
        'run/notes.txt',
        'run/epoch_9.pth',
        'run/best_acc_epoch_7.pth/thesis.txt',
        'run/best_acc_epoch_8.pth',
        'run/sub/best_acc_epoch_1.pth',
        'text',
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('data')
    os.symlink(folder / 'text', folder / 'run/best_acc_epoch_0.pth')
    return {
        path: path.is_file() and path.read_text() for path in folder.rglob('*')
    }


@pytest.mark.parametrize('own', [True, False], ids=['own', 'foreign'])
@pytest.mark.parametrize('victim', VICTIMS)
def test_what_a_checkpoint_names_is_not_removed(
    victim, own, trained, tmp_path
):
    laid_out = lay_out(tmp_path)
    run = tmp_path / 'run'
    named = str(tmp_path / victim)
    evil = rewrite(
        trained / 'epoch_1.pth',
        run / 'epoch_1.pth' if own else tmp_path / 'evil.pth',
        best_ckpt=named,
        best_score=-1.0,
        last_ckpt=str(run / 'epoch_1.pth'),
        keep_ckpt_ids=[f'../{victim}', victim, named, 9, 10**600, -1, True],
        checkpoint_progress=dict(
            write=['../x.pth', named, 3],
            remove=[victim, named, f'../{victim}'],
            validated='1',
        ),
    )
    # The second epoch is the best so far.
    train(run, 2, [0.1, 0.5], resume=evil, published_keys=['state_dict'])
    for path, content in laid_out.items():
        assert (path.is_file() and path.read_text()) == content, path
    assert (run / 'best_acc_epoch_0.pth').is_symlink()
    assert {'epoch_2.pth', 'best_acc_epoch_2.pth'} <= names(run)
    assert info(run / 'epoch_2.pth')['best_score'] == pytest.approx(0.5)
    # Published is what this run has saved, and nothing beside the victim.
    assert not list((tmp_path / 'elsewhere').glob('*-*.pth'))
    assert not (tmp_path / 'x.pth').exists()


def test_honest_checkpoint_in_a_new_work_dir(trained, tmp_path):
    # No malice is needed: another work dir is enough.
    before = {name: (trained / name).read_bytes() for name in names(trained)}
    run = tmp_path / 'new'
    run.mkdir()
    (run / 'epoch_1.pth').write_text('of an earlier run here')
    # .4 would not be better than the old run's best.
    lines = train(run, 4, [0.2, 0.3, 0.4], resume=trained / 'epoch_2.pth')
    assert names(run) == {'epoch_1.pth', 'epoch_4.pth', 'best_acc_epoch_4.pth'}
    assert {
        name: (trained / name).read_bytes() for name in names(trained)
    } == before
    told = [line for line in lines if 'is not of this work dir' in line]
    assert len(told) == 1
    assert str(trained / 'epoch_2.pth') in told[0]
    # It goes on by itself as any run.
    train(run, 5, [0.1], resume=True)
    assert names(run) == {'epoch_1.pth', 'epoch_5.pth', 'best_acc_epoch_4.pth'}


def test_copied_checkpoint_is_not_of_its_new_folder(trained, tmp_path):
    run = tmp_path / 'new'
    run.mkdir()
    (run / 'epoch_1.pth').write_text('of an earlier run here')
    (run / 'epoch_2.pth').write_bytes((trained / 'epoch_2.pth').read_bytes())
    train(run, 3, [0.2, 0.3], resume=run / 'epoch_2.pth')
    assert (run / 'epoch_1.pth').read_text() == 'of an earlier run here'
    assert 'best_acc_epoch_3.pth' in names(run)
    assert (trained / 'best_acc_epoch_1.pth').exists()


def test_way_back_in_its_own_work_dir(tmp_path):
    train(tmp_path, 3, [0.3, 0.1, 0.2], max_keep_ckpts=3)
    lines = train(tmp_path, 2, [0.5], resume=tmp_path / 'epoch_1.pth')
    assert not any('is not of this work dir' in line for line in lines)
    # epoch_1 is this run's and outdated; epoch_3 is of the run that was
    # left, which epoch_1.pth cannot know.
    assert names(tmp_path) == {
        'epoch_2.pth',
        'epoch_3.pth',
        'best_acc_epoch_2.pth',
    }


# What is no number at all the reader of checkpoints refuses.
@pytest.mark.parametrize('score', [float('nan'), 10**400])
def test_score_that_is_none(score, tmp_path):
    train(tmp_path, 1, [0.3])
    rewrite(
        tmp_path / 'epoch_1.pth', tmp_path / 'epoch_1.pth', best_score=score
    )
    train(tmp_path, 2, [0.1], resume=True)
    assert 'best_acc_epoch_2.pth' in names(tmp_path)
    assert (tmp_path / 'best_acc_epoch_1.pth').exists()


@pytest.mark.parametrize('score', [0.3, 1, torch.tensor(0.3)])
def test_score_that_is_one(score, tmp_path):
    train(tmp_path, 1, [0.3])
    rewrite(
        tmp_path / 'epoch_1.pth', tmp_path / 'epoch_1.pth', best_score=score
    )
    train(tmp_path, 2, [0.2], resume=True)
    assert names(tmp_path) == {'epoch_2.pth', 'best_acc_epoch_1.pth'}


def test_score_of_another_metric_is_not_compared(tmp_path):
    train(tmp_path, 1, [0.3])
    # By 'less', an error of .5 is worse than an accuracy of .3.
    from mmengine.evaluator import BaseMetric, Evaluator

    class Error(BaseMetric):
        def process(self, data_batch, data_samples):
            self.results.append(0)

        def compute_metrics(self, results):
            return dict(error=0.5)

    toy_runner(
        tmp_path,
        2,
        [],
        resume=True,
        val_evaluator=Evaluator(Error()),
        default_hooks=hooks(save_best='error', rule='less'),
    ).train()
    assert names(tmp_path) == {
        'epoch_2.pth',
        'best_acc_epoch_1.pth',
        'best_error_epoch_2.pth',
    }


@pytest.mark.parametrize(
    'ids', ['12', None, {1: 2}, ['../../x', 10**600], [-1, True, 2.5, 9]]
)
def test_listed_steps_that_are_none(ids, tmp_path):
    train(tmp_path, 1)
    (tmp_path / 'epoch_9.pth').write_text('of a later run')
    (tmp_path / 'epoch_-1.pth').write_text('')
    rewrite(
        tmp_path / 'epoch_1.pth', tmp_path / 'epoch_1.pth', keep_ckpt_ids=ids
    )
    train(tmp_path, 2, resume=True, max_keep_ckpts=1)
    assert names(tmp_path) >= {'epoch_9.pth', 'epoch_-1.pth', 'epoch_2.pth'}
    assert info(tmp_path / 'epoch_2.pth')['keep_ckpt_ids'] == [2]


def test_resume_by_hand_is_not_trusted(trained, tmp_path):
    # mmengine does not tell the hook what Runner.resume() has read.
    runner = toy_runner(tmp_path, 3, [0.1, 0.2], default_hooks=hooks())
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.resume(str(trained / 'epoch_2.pth'))
    runner.train()
    assert names(tmp_path) == {'epoch_3.pth', 'best_acc_epoch_3.pth'}
    assert (trained / 'best_acc_epoch_1.pth').exists()


def test_one_name_for_all_checkpoints(tmp_path):
    for epochs, resume in ((2, None), (3, True)):
        train(tmp_path, epochs, resume=resume, filename_tmpl='latest.pth')
        assert names(tmp_path) == {'latest.pth'}
        assert (
            load_weights(str(tmp_path / 'latest.pth'))['meta']['epoch']
            == epochs
        )


def test_published_without_a_best(tmp_path):
    # Nothing is better than nothing by a metric that is none.
    nan = float('nan')
    train(tmp_path, 1, [nan], published_keys=['state_dict'])
    (published,) = names(tmp_path) - {'epoch_1.pth'}
    assert published.startswith('epoch_1-')


def test_published_without_one_of_two_bests(tmp_path):
    from mmengine.evaluator import BaseMetric, Evaluator

    class Two(BaseMetric):
        def process(self, data_batch, data_samples):
            self.results.append(0)

        def compute_metrics(self, results):
            return dict(acc=0.5, auc=float('nan'))

    toy_runner(
        tmp_path,
        1,
        [],
        val_evaluator=Evaluator(Two()),
        default_hooks=hooks(
            save_best=['acc', 'auc'], published_keys=['state_dict']
        ),
    ).train()
    assert {name.split('-')[0] for name in names(tmp_path) if '-' in name} == {
        'epoch_1',
        'best_acc_epoch_1',
    }


def test_validation_alone_saves_nothing(tmp_path):
    runner = toy_runner(tmp_path, 1, [0.5], default_hooks=hooks())
    runner.val()
    assert names(tmp_path) == set()


# resume=True with load_from


@pytest.fixture()
def runs(tmp_path):
    """START, a run of three epochs, and RUN, one of two."""
    train(tmp_path / 'start', 3)
    train(tmp_path / 'run', 2, max_keep_ckpts=2)
    return tmp_path / 'start/epoch_3.pth', tmp_path / 'run'


def resumed_epoch(folder, load_from, epochs=4):
    """Epoch that a training starts with, and the lines of its log."""
    runner = toy_runner(folder, epochs, resume=True, load_from=str(load_from))
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    runner.logger.addHandler(handler)
    started = []
    runner.call_hook = lambda name, call=runner.call_hook, **kwargs: (
        started.append(runner.epoch) if name == 'before_train_epoch' else None,
        call(name, **kwargs),
    )
    runner.train()
    return started[0], lines


def test_run_goes_on_from_its_own_checkpoint(runs):
    start, run = runs
    epoch, lines = resumed_epoch(run, start)
    assert epoch == 2  # START's is 3
    assert any(f'goes on from {run}/epoch_2.pth' in line for line in lines)
    # and again
    assert resumed_epoch(run, start, epochs=5)[0] == 4


def test_new_run_goes_on_from_load_from(runs, tmp_path):
    # What mmengine documents for Runner(resume=True, load_from=...).
    start, _ = runs
    assert resumed_epoch(tmp_path / 'new', start)[0] == 3


def test_way_back(runs):
    _, run = runs
    epoch, lines = resumed_epoch(run, run / 'epoch_1.pth')
    assert epoch == 1
    assert any('goes back to' in line for line in lines)


def test_start_weights_beside_the_checkpoints(runs):
    start, run = runs
    beside = run / 'start.pth'
    beside.write_bytes(start.read_bytes())
    assert resumed_epoch(run, beside)[0] == 2


def test_stale_last_checkpoint_with_load_from(runs):
    start, run = runs
    (run / 'last_checkpoint').write_text(str(run / 'epoch_7.pth'))
    before = {name: (run / name).read_bytes() for name in names(run)}
    with pytest.raises(CheckpointError, match='which does not exist'):
        resumed_epoch(run, start)
    assert {name: (run / name).read_bytes() for name in names(run)} == before
    # Named by the user, or without resume, it does not matter.
    train(run, 4, resume=start)
    assert load_weights(str(run / 'epoch_4.pth'))['meta']['iter'] == 16
    (run / 'last_checkpoint').write_text('gone.pth')
    toy_runner(run, 1, load_from=str(start)).train()
    assert load_weights(str(run / 'epoch_1.pth'))['meta']['iter'] == 4


def test_a_test_keeps_its_checkpoint(runs):
    start, run = runs
    loader = dict(
        batch_size=16,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='ToyDataset'),
    )
    runner = toy_runner(
        run,
        1,
        resume=True,
        load_from=str(start),
        test_dataloader=loader,
        test_cfg=dict(),
        test_evaluator=dict(type='ToyMetric'),
    )
    runner.test()
    for name, value in load_weights(str(start))['state_dict'].items():
        assert torch.equal(runner.model.state_dict()[name].cpu(), value)


def test_what_was_loaded_by_hand_is_not_looked_for(runs):
    start, run = runs
    (run / 'last_checkpoint').write_text('gone.pth')
    runner = toy_runner(run, 1, resume=True)
    runner.load_checkpoint(str(start))
    runner.train()
    assert load_weights(str(run / 'epoch_1.pth'))['meta']['epoch'] == 1


def test_no_validation_within_an_epoch(tmp_path):
    # Four iterations an epoch; the sixth lies within the second.
    recipe = dict(by_epoch=False, interval=6, max_keep_ckpts=-1)
    train(tmp_path / 'old', 2, [0.1, 0.2], **recipe)
    old = tmp_path / 'old/iter_6.pth'
    assert load_weights(str(old))['meta']['epoch'] == 1
    # A third value would be missing.
    train(tmp_path / 'old', 2, [0.2], resume=old, **recipe)
    lines = train(tmp_path / 'new', 2, [0.2], resume=old, **recipe)
    assert not any('before its validation' in line for line in lines)


def test_resumed_step_is_validated_once(tmp_path):
    # Saved, and validated without becoming the best: whoever resumes from
    # it validates it, since nothing in the file tells that it was.
    train(tmp_path, 2, [0.2, 0.1])
    lines = train(tmp_path, 3, [0.1, 0.3], resume=True)
    assert any('before its validation' in line for line in lines)
    # Saved again as the best.
    lines = train(tmp_path, 4, [0.1], resume=True)
    assert not any('before its validation' in line for line in lines)


# Who writes and removes, and by what


def test_the_main_process_alone_removes(tmp_path, monkeypatch):
    train(tmp_path, 1, [0.1])
    left = tmp_path / f'.epoch_7.pth.tmp-{os.getpid()}'
    left.write_text('half')
    before = names(tmp_path)
    runner = toy_runner(tmp_path, 2, [0.2], resume=True, default_hooks=hooks())
    monkeypatch.setattr(
        atomic_checkpoint_hook, 'is_main_process', lambda: False
    )
    pointer = (tmp_path / 'last_checkpoint').read_text()
    runner.train()
    # runner.save_checkpoint has its own check, which was left on.
    assert names(tmp_path) == before | {'epoch_2.pth', 'best_acc_epoch_2.pth'}
    assert left.exists()
    assert (tmp_path / 'last_checkpoint').read_text() == pointer


def test_leftovers_in_both_folders(tmp_path):
    out = tmp_path / 'out/run'
    left = []
    for folder in (out, tmp_path / 'run'):
        folder.mkdir(parents=True)
        for name in ('epoch_7.pth', 'best_acc_epoch_7.pth', 'last_checkpoint'):
            left.append(folder / f'.{name}.tmp-{os.getpid()}')
            left[-1].write_text('half')
    kept = out / f'.thesis.txt.tmp-{os.getpid()}'
    kept.write_text('not ours')
    train(tmp_path / 'run', 1, out_dir=str(tmp_path / 'out'))
    assert not any(path.exists() for path in left)
    assert kept.exists()


def test_out_dir_is_the_folder_of_the_run(tmp_path):
    out = tmp_path / 'out/run'
    other = dict(out_dir=str(tmp_path / 'out'))
    train(tmp_path / 'run', 1, [0.1], **other)
    train(tmp_path / 'run', 2, [0.2], resume=True, **other)
    assert names(out) == {'epoch_2.pth', 'best_acc_epoch_2.pth'}


class Recorder(LocalBackend):
    """Local files under addresses; keeps a list of what it is asked for."""

    calls = []

    def _format(self, path) -> str:
        return str(path).replace('toyfs://', '')

    def put(self, obj, filepath):
        self.calls.append(f'put {Path(filepath).name}')
        super().put(obj, self._format(filepath))

    def isfile(self, filepath):
        return super().isfile(self._format(filepath))

    def remove(self, filepath):
        self.calls.append(f'remove {Path(filepath).name}')
        super().remove(self._format(filepath))


for register in (register_backend, FileClient.register_backend):
    register('rpstn_recorder', Recorder, force=True, prefixes='toyfs')
CALLS = ['put epoch_1.pth', 'put epoch_2.pth', 'remove epoch_1.pth']


@pytest.mark.parametrize('by', ['prefix', 'backend_args'])
def test_other_backends_write_and_remove(by, tmp_path, monkeypatch):
    monkeypatch.setattr(Recorder, 'calls', [])
    (tmp_path / 'out').mkdir()
    out = str(tmp_path / 'out')
    changes = (
        dict(out_dir=f'toyfs://{out}')
        if by == 'prefix'
        else dict(out_dir=out, backend_args=dict(backend='rpstn_recorder'))
    )
    train(tmp_path / 'run', 2, **changes)
    assert Recorder.calls == CALLS
    assert names(f'{out}/run') == {'epoch_2.pth'}
    assert (tmp_path / 'run/last_checkpoint').read_text() == (
        f'{changes["out_dir"]}/run/epoch_2.pth'
    )


@pytest.mark.parametrize(
    'backend_args, atomic',
    [
        (None, True),
        (dict(backend='local'), True),
        (dict(backend='rpstn_recorder'), False),
    ],
)
def test_local_files_are_written_atomically(
    backend_args, atomic, tmp_path, monkeypatch
):
    synced = []
    monkeypatch.setattr(
        os,
        'replace',
        lambda source, target, real=os.replace: (
            synced.append(Path(target).name),
            real(source, target),
        ),
    )
    train(tmp_path, 1, backend_args=backend_args)
    expected = ['epoch_1.pth'] if atomic else []
    assert synced == [*expected, 'last_checkpoint']


def test_file_client_args_are_left_to_mmengine(tmp_path, monkeypatch):
    replaced = []
    monkeypatch.setattr(
        os,
        'replace',
        lambda source, target, real=os.replace: (
            replaced.append(Path(target).name),
            real(source, target),
        ),
    )
    train(tmp_path, 2, [0.1, 0.2], file_client_args=dict(backend='disk'))
    assert replaced == ['last_checkpoint'] * 4
    assert names(tmp_path) == {'epoch_2.pth', 'best_acc_epoch_2.pth'}
