# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import math
import os.path as osp
from collections import deque
from numbers import Real
from typing import Any

import torch
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner, find_latest_checkpoint, loops
from mmpose.registry import HOOKS

from ...checkpoints.atomic_file import AtomicLocalBackend, remove_leftovers
from ..own_checkpoints import OwnCheckpoints
from ..resume_source import checkpoint_to_resume

# In the message hub: the step of the last validation, and names of the best
# checkpoints that were about to be written and removed.
PROGRESS = 'checkpoint_progress'


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """CheckpointHook that a kill or a full disk cannot rob of its last file.

    Differences from mmengine's hook, whose arguments it takes:

    - A local checkpoint is written beside its place, synced and renamed;
      ``last_checkpoint`` likewise, and only after it. So ``last_checkpoint``
      always names a complete checkpoint.
    - Outdated checkpoints (``max_keep_ckpts``, ``save_best``) are removed
      after the new one is in place; mmengine removes them before. One more
      checkpoint than ``max_keep_ckpts`` therefore needs to fit on the disk.
    - A new best checkpoint is written after the checkpoint that tells of it.
      A resumed run finishes what the killed one had begun: it validates a
      step that was saved and not validated, writes the best checkpoint, and
      removes the one before.
    - Only files of its own names in ``out_dir``, written by this run or by
      the one that it continues there, are ever removed, and DeepSpeed's
      folders of such names. A run that goes on from another folder's
      checkpoint leaves that folder alone, and looks for a best of its own.
    - ``resume=True`` with ``load_from`` goes on from the work dir's last
      checkpoint; see :func:`..resume_source.checkpoint_to_resume`.
    - What killed runs left half written is removed at the start.

    With a remote ``out_dir``, or ``file_client_args``, or another backend
    named in ``backend_args``, mmengine's own writing is used; the order of
    the steps stays.
    """

    _files: OwnCheckpoints | None = None

    def before_run(self, runner: Runner) -> None:
        """Settle what an automatic resume starts from.

        Raises:
            CheckpointError: ``last_checkpoint`` names no existing file.
        """
        training = isinstance(runner._train_loop, loops.BaseLoop)
        if not training or not runner._resume or runner._has_loaded:
            return
        given = runner._load_from
        runner._load_from = checkpoint_to_resume(
            given, runner.work_dir, runner.logger.warning
        )
        if given is not None and runner._load_from == given:
            runner.logger.info(
                f'The training goes on from {given}, with its epoch and '
                'optimizer. Without resume=True its weights alone are taken.'
            )

    def before_train(self, runner: Runner) -> None:
        """Choose the way of writing, and finish what a killed run began."""
        resumed = self._take_resumed(runner)
        super().before_train(runner)
        # Neither a kind of local files of its own, nor an old FileClient.
        if type(self.file_backend) is LocalBackend:
            self.backend_args = dict(backend='rpstn_atomic')
            self.file_backend = AtomicLocalBackend()
        self._files = OwnCheckpoints(
            self.file_backend, self.out_dir, self.filename_tmpl
        )
        self._remove_leftovers(runner)
        # One decision for all processes, which may see other disks.
        known = [self._trusted(runner, resumed)]
        broadcast_object_list(known)
        self._continues = known[0] is not None
        self._go_on(runner, known[0] or {})
        if self._validation_is_due(runner):
            runner.logger.info(
                f'The checkpoint of epoch {runner.epoch}, iteration '
                f'{runner.iter} was saved before its validation, which is '
                'done now.'
            )
            runner.val_loop.run()

    def _take_resumed(self, runner: Runner) -> dict[str, Any]:
        """Take what a resumed checkpoint says about files out of the hub."""
        hub = runner.message_hub
        taken = {}
        for key in list(hub.runtime_info):
            if key in (
                'keep_ckpt_ids',
                'last_ckpt',
                PROGRESS,
            ) or key.startswith(('best_ckpt', 'best_score')):
                taken[key] = hub.pop_info(key)
                hub._resumed_keys.pop(key, None)
        return taken

    def _trusted(self, runner: Runner, resumed: dict[str, Any]) -> dict | None:
        """What of it holds for the files of this run.

        Returns:
            dict or None: None unless this run goes on in the folder in which
            the resumed checkpoint was written, and lies.
        """
        if not resumed:
            return None
        files = self._files
        source = _resumed_file(runner)
        if not (
            files.folder_has(source)
            and files.folder_has(resumed.get('last_ckpt'))
        ):
            runner.logger.info(
                f'The resumed checkpoint {source or ""} is not of this work '
                'dir: the files of its run are left alone, and the best '
                f'checkpoint is looked for anew in {self.out_dir}.'
            )
            return None
        step = runner.epoch if self.by_epoch else runner.iter
        known = dict(
            keep_ckpt_ids=files.own_steps(resumed.get('keep_ckpt_ids'), step)
        )
        best = []
        for key, path_name, score_name in self._best_names():
            path = files.own_best(resumed.get(path_name), key, step)
            score = resumed.get(score_name)
            # Both or none: a score alone would be that of another metric.
            if path is not None and _is_number(score):
                known.update({path_name: path, score_name: score})
                best.append(path)
        progress = _read_progress(resumed.get(PROGRESS), files, step)
        # The model at hand is written under its own name alone.
        progress['write'] = [
            name
            for name in progress['write']
            if files.own_best(name) in best and files.is_best_at(name, step)
        ]
        known[PROGRESS] = progress
        return known

    def _go_on(self, runner: Runner, known: dict[str, Any]) -> None:
        """Go on with the files of the run that this one continues."""
        self._progress = known.pop(PROGRESS, None) or dict(
            validated=None, write=[], remove=[]
        )
        steps = known.pop('keep_ckpt_ids', [])
        for name, value in known.items():
            runner.message_hub.update_info(name, value)
        self._note_progress(runner)
        if self.save_best:
            self._set_best_paths(
                {
                    key: known.get(path_name)
                    for key, path_name, _ in self._best_names()
                }
            )
            self._settle_best(runner)
        if self.max_keep_ckpts > 0:
            self._keep_newest(runner, steps)

    def _remove_leftovers(self, runner: Runner) -> None:
        if not is_main_process():
            return
        for folder in sorted({runner.work_dir, self.out_dir}):
            for path in remove_leftovers(folder, self._files.has_name):
                runner.logger.info(f'Removed {path}, left by a killed run.')

    def _validation_is_due(self, runner: Runner) -> bool:
        """Whether the resumed step is to be validated and was not."""
        loop = runner.train_loop
        if runner.val_loop is None:
            return False
        if isinstance(loop, loops.EpochBasedTrainLoop):
            step, last = loop.epoch, loop.max_epochs
            if not self.by_epoch and loop.iter != step * len(loop.dataloader):
                return False  # within an epoch
        elif isinstance(loop, loops.IterBasedTrainLoop):
            step, last = loop.iter, loop.max_iters
        else:
            return False
        if step == 0 or step == self._progress['validated']:
            return False
        loop._decide_current_val_interval()
        return step >= loop.val_begin and (
            step % loop.val_interval == 0 or step == last
        )

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any]) -> None:
        """Note the validation, and save the best checkpoint."""
        if self._files is None:  # validation without a training
            return
        loop = runner.train_loop
        by_epoch = isinstance(loop, loops.EpochBasedTrainLoop)
        self._progress['validated'] = loop.epoch if by_epoch else loop.iter
        self._note_progress(runner)
        super().after_val_epoch(runner, metrics)

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        steps: list[int] = []
        if self.max_keep_ckpts > 0:
            steps = [item for item in self.keep_ckpt_ids if item != step]
            steps.append(step)
            # The file lists what is on the disk while it is written: after a
            # kill, the resumed run removes what is one too many.
            runner.message_hub.update_info('keep_ckpt_ids', steps)
        self.last_ckpt = self._files.path(step)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)

        runner.save_checkpoint(
            self.out_dir,
            self.filename_tmpl.format(step),
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            AtomicLocalBackend().put_text(
                self.last_ckpt, osp.join(runner.work_dir, 'last_checkpoint')
            )
        if self.max_keep_ckpts > 0:
            self._keep_newest(runner, steps)

    def _keep_newest(self, runner: Runner, steps: list[int]) -> None:
        """Keep the checkpoints of the last steps, and remove the others."""
        self.keep_ckpt_ids = deque(steps, self.max_keep_ckpts)
        runner.message_hub.update_info(
            'keep_ckpt_ids', list(self.keep_ckpt_ids)
        )
        # A template without a place for the step gives all one name.
        kept = {self._files.path(step) for step in self.keep_ckpt_ids}
        for step in steps[: -self.max_keep_ckpts]:
            path = self._files.path(step)
            if path not in kept:
                self._remove(path)

    def _save_best_checkpoint(
        self, runner: Runner, metrics: dict[str, Any]
    ) -> None:
        """As mmengine's, in an order that a kill cannot spoil.

        First the checkpoint that tells of the new best one, with what is to
        be written and removed; then the best one; then the removal.
        """
        if not self.save_best:
            return
        if 'auto' in self.key_indicators:
            self._init_rule(self.rules, [next(iter(metrics))])
        hub = runner.message_hub
        step = runner.epoch if self.by_epoch else runner.iter
        before, better = self._best_paths(), {}
        for (key, path_name, score_name), rule in zip(
            self._best_names(), self.rules
        ):
            score = metrics[key]
            best = hub.runtime_info.get(score_name, self.init_value_map[rule])
            if score is None or not self.is_better_than[key](score, best):
                continue
            better[key] = self._files.best_path(key, step)
            hub.update_info(path_name, better[key])
            hub.update_info(score_name, score)
        if not better:
            return
        self._set_best_paths({**before, **better})
        self._progress.update(
            write=[osp.basename(path) for path in better.values()],
            remove=[
                osp.basename(before[key])
                for key in better
                if before.get(key) is not None
            ],
        )
        self._note_progress(runner)
        if self.last_ckpt is not None or self._continues:
            self._save_checkpoint_with_step(
                runner, step, dict(epoch=runner.epoch, iter=runner.iter)
            )
        self._settle_best(runner)
        for key, path in better.items():
            runner.logger.info(
                f'The best checkpoint with {metrics[key]:0.4f} {key} at '
                f'{step} {"epoch" if self.by_epoch else "iter"} is saved to '
                f'{osp.basename(path)}.'
            )

    def _settle_best(self, runner: Runner) -> None:
        """Write the best checkpoints that were told of, then remove others."""
        for name in self._progress['write']:
            runner.save_checkpoint(
                self.out_dir,
                filename=name,
                file_client_args=self.file_client_args,
                save_optimizer=False,
                save_param_scheduler=False,
                meta=dict(epoch=runner.epoch, iter=runner.iter),
                by_epoch=False,
                backend_args=self.backend_args,
            )
        kept = set(self._best_paths().values())
        for name in self._progress['remove']:
            path = self._files.own_best(name)
            if path not in kept and self._remove(path):
                runner.logger.info(
                    f'The previous best checkpoint {path} is removed'
                )
        self._progress.update(write=[], remove=[])
        self._note_progress(runner)

    def _publish_model(self, runner: Runner, ckpt_path: str | None) -> None:
        if ckpt_path is not None:  # one of several metrics has no best yet
            super()._publish_model(runner, ckpt_path)

    def _note_progress(self, runner: Runner) -> None:
        runner.message_hub.update_info(PROGRESS, dict(self._progress))

    def _best_names(self) -> list[tuple[str, str, str]]:
        """Metric, and the names of its best path and score in the hub."""
        keys = self.key_indicators if self.save_best else []
        if len(keys) == 1:
            return [(keys[0], 'best_ckpt', 'best_score')]
        return [(key, f'best_ckpt_{key}', f'best_score_{key}') for key in keys]

    def _best_paths(self) -> dict[str, str | None]:
        if len(self.key_indicators) == 1:
            return {self.key_indicators[0]: self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    def _set_best_paths(self, paths: dict[str, str | None]) -> None:
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = paths[self.key_indicators[0]]
        else:
            self.best_ckpt_path_dict = paths

    def _remove(self, path: str) -> bool:
        """Remove a checkpoint, by the main process; whether it did."""
        return is_main_process() and self._files.remove(path)


def _resumed_file(runner: Runner) -> str | None:
    if isinstance(runner._resume, str):  # of mmengine's FlexibleRunner
        return runner._resume
    if not runner._resume:
        return None
    return runner._load_from or find_latest_checkpoint(runner.work_dir)


def _read_progress(
    progress: Any, files: OwnCheckpoints, last: int
) -> dict[str, Any]:
    """What a checkpoint says about its run's last steps, made safe."""
    if not isinstance(progress, dict):
        progress = {}
    validated = progress.get('validated')
    found: dict[str, Any] = dict(
        validated=validated if type(validated) is int else None
    )
    for task in ('write', 'remove'):
        names = progress.get(task)
        paths = [
            files.own_best(name, last=last)
            for name in (names if isinstance(names, list) else [])
        ]
        found[task] = [osp.basename(path) for path in paths if path]
    return found


def _is_number(value: Any) -> bool:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    try:
        return isinstance(value, Real) and not math.isnan(value)
    except OverflowError:  # an int beyond all floats
        return False
