# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import os.path as osp
from collections import deque
from pathlib import Path
from typing import Dict, List, Optional

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmpose.registry import HOOKS

from ..atomic_file import AtomicLocalBackend, remove_leftovers
from ..safe_checkpoint import CheckpointError


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
    - What killed runs left half written is removed at the start.

    With a remote ``out_dir``, or ``file_client_args``, or another backend
    named in ``backend_args``, mmengine's own writing is used; the order of
    the steps stays.
    """

    def before_run(self, runner) -> None:
        """Refuse an automatic resume that would start from a missing file.

        Raises:
            CheckpointError: ``last_checkpoint`` names no existing file.
        """
        if not runner._resume or runner._load_from is not None:
            return
        pointer = Path(runner.work_dir, 'last_checkpoint')
        last = pointer.read_text().strip() if pointer.is_file() else None
        # Checkpoints of DeepSpeed are folders; remote ones have a scheme.
        if last is not None and '://' not in last and not osp.exists(last):
            raise CheckpointError(
                f'{pointer} names {last or "nothing"}, which does not exist: '
                'give the checkpoint to go on from (--resume CHECKPOINT), or '
                'remove last_checkpoint to start anew.')

    def before_train(self, runner) -> None:
        """Choose the way of writing, and clean up after killed runs."""
        super().before_train(runner)
        if (self.file_client_args is None and self.backend_args in
            (None, dict(backend='local'))
                and type(self.file_backend) is LocalBackend):
            self.backend_args = dict(backend='rpstn_atomic')
            self.file_backend = AtomicLocalBackend()
        if is_main_process():
            folders = {runner.work_dir}
            if isinstance(self.file_backend, LocalBackend):
                folders.add(self.out_dir)
            for folder in sorted(folders):
                for path in remove_leftovers(folder):
                    runner.logger.info(
                        f'Removed {path}, left by a killed run.')

    def _save_checkpoint_with_step(self, runner, step: int,
                                   meta: dict) -> None:
        filename = self.filename_tmpl.format(step)
        outdated: List[int] = []
        if self.max_keep_ckpts > 0:
            steps = [item for item in self.keep_ckpt_ids if item != step]
            steps.append(step)
            outdated = steps[:-self.max_keep_ckpts]
            # The file lists what is on the disk while it is written: after a
            # kill, the resumed run removes what is one too many.
            runner.message_hub.update_info('keep_ckpt_ids', steps)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)

        runner.save_checkpoint(
            self.out_dir,
            filename,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args)
        if is_main_process():
            AtomicLocalBackend().put_text(
                self.last_ckpt, osp.join(runner.work_dir, 'last_checkpoint'))

        if self.max_keep_ckpts > 0:
            self.keep_ckpt_ids = deque(steps[len(outdated):],
                                       self.max_keep_ckpts)
            runner.message_hub.update_info('keep_ckpt_ids',
                                           list(self.keep_ckpt_ids))
            for item in outdated:
                self._remove(
                    self.file_backend.join_path(
                        self.out_dir, self.filename_tmpl.format(item)))

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        # The parent removes the best checkpoint it knows of before it writes
        # the next; it is made to know of none, and the removal comes after.
        before = self._best_paths()
        self._set_best_paths(dict.fromkeys(before))
        super()._save_best_checkpoint(runner, metrics)
        after = self._best_paths()
        self._set_best_paths(
            {key: after.get(key) or path
             for key, path in before.items()})
        kept = set(self._best_paths().values())
        for path in before.values():
            if path is not None and path not in kept and self._remove(path):
                runner.logger.info(
                    f'The previous best checkpoint {path} is removed')

    def _best_paths(self) -> Dict[str, Optional[str]]:
        if not self.save_best:
            return {}
        if len(self.key_indicators) == 1:
            return {'': self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    def _set_best_paths(self, paths: Dict[str, Optional[str]]) -> None:
        if '' in paths:
            self.best_ckpt_path = paths['']
        elif paths:
            self.best_ckpt_path_dict = paths

    def _remove(self, path: str) -> bool:
        """Remove a checkpoint, or DeepSpeed's folder; whether it was one."""
        if not is_main_process():
            return False
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):
            self.file_backend.rmtree(path)
        else:
            return False
        return True
