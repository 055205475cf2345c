# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""One run of an ablation: train and test what run_ablation.py prepared in a
folder. It is started by run_ablation.py; by hand it shows on the screen why
a run failed."""
from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import List, Optional

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint

import rpstn_mmpose
from rpstn_mmpose.checkpoints.atomic_file import write_atomically
from rpstn_mmpose.evaluation.ablation_results import RESULT_FILE, load_record
from rpstn_mmpose.evaluation.model_cost import cpu_name, gmacs_per_frame

JOB = 'job.json'
CONFIG = 'config.py'
PROGRESS = 'progress.json'


class RunHook(Hook):
    """Tells how far a run is, and counts what it costs.

    The counts are kept in mmengine's message hub, which is part of every
    checkpoint: a resumed run goes on counting from where it starts again.

    Args:
        work_dir (Path): The run's folder.
        end_with_parent (bool): Stop when the process that started this one
            is gone. Defaults to False.
    """

    def __init__(self, work_dir: Path, end_with_parent: bool = False) -> None:
        self.path = work_dir / PROGRESS
        self.parent = os.getppid() if end_with_parent else None
        self.written = 0.

    def before_train(self, runner) -> None:
        self.frames = runner.message_hub.get_info('ablation_frames', 0)
        before = runner.message_hub.get_info('ablation_seconds', 0.)
        self.started = time.perf_counter() - before

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None) -> None:
        # T x 3 x H x W, or 3 x H x W of image models
        self.frames += sum(len(x) if x.dim() == 4 else 1
                           for x in data_batch['inputs'])
        hub = runner.message_hub
        hub.update_info('ablation_frames', self.frames)
        hub.update_info('ablation_seconds', self.seconds)
        if self._is_due():
            self._write(f'epoch {runner.epoch + 1}/{runner.max_epochs}',
                        runner.iter + 1, runner.max_iters,
                        f'loss {float(outputs["loss"]):.5f}')

    def after_train(self, runner) -> None:
        self.seconds_in_all = runner.message_hub.get_info('ablation_seconds')

    def after_test_iter(self, runner, batch_idx, data_batch=None,
                        outputs=None) -> None:
        if self._is_due():
            self._write('test', batch_idx + 1, len(runner.test_dataloader))

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def _is_due(self) -> bool:
        return time.perf_counter() - self.written > 0.5

    def _write(self, what: str, done: int, total: int, loss: str = '') -> None:
        if self.parent not in (None, os.getppid()):
            raise SystemExit('run_ablation was killed; stopping as well')
        self.written = time.perf_counter()
        temporary = self.path.with_suffix('.tmp')
        temporary.write_text(
            json.dumps(dict(what=what, done=done, total=total, loss=loss)))
        os.replace(temporary, self.path)


def train_and_test(work_dir: Path, end_with_parent: bool = False) -> None:
    """Train, test once, count the costs, and write ``result.json``.

    Args:
        work_dir: With ``config.py`` and ``job.json`` of run_ablation.py.
        end_with_parent: See :class:`RunHook`.
    """
    warnings.filterwarnings('ignore')  # other packages' deprecations
    job = json.loads((work_dir / JOB).read_text())
    cfg = Config.fromfile(work_dir / CONFIG)
    if (work_dir / 'last_checkpoint').is_file():
        cfg.resume, cfg.load_from = True, None
    runner = Runner.from_cfg(cfg)
    hook = RunHook(work_dir, end_with_parent)
    runner.register_hook(hook)
    runner.train()
    checkpoint = find_latest_checkpoint(cfg.work_dir)
    runner.load_checkpoint(checkpoint)
    runner.test()
    model = getattr(runner.model, 'module', runner.model)
    inputs = runner.test_dataloader.dataset[0]['inputs']
    try:
        gmacs = gmacs_per_frame(model, inputs)
    except Exception as error:  # tracing knows not every model; keep the rest
        print(f'GMACs could not be counted: {error!r}')
        gmacs = None
    device = next(model.parameters()).device
    record = dict(
        job,
        checkpoint=Path(checkpoint).name,
        params=sum(p.numel() for p in model.parameters()),
        gmacs_per_frame=gmacs,
        train_seconds=hook.seconds_in_all,
        train_seconds_total=hook.seconds_in_all,
        frame_passes=hook.frames,
        frame_passes_total=hook.frames,
        torch_threads=torch.get_num_threads(),
        cpu=cpu_name(),
        device=(torch.cuda.get_device_name(device)
                if device.type == 'cuda' else device.type),
        rpstn_mmpose=rpstn_mmpose.__version__,
        pck=json.loads((work_dir / 'pck.json').read_text()))
    if job['started_from'] is not None:
        start = load_record(job['started_from'])
        record['started_from'] = start['config']
        for key in ('train_seconds_total', 'frame_passes_total'):
            record[key] += start[key]
    write_atomically((json.dumps(record, indent=1) + '\n').encode(),
                     work_dir / RESULT_FILE)


def main(argv: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'folder', type=Path, help='OUT/<config>/seed<seed> of run_ablation.py')
    parser.add_argument(
        '--end-with-parent', action='store_true',
        help='stop when the process that started this one is gone')
    args = parser.parse_args(argv)
    folder = args.folder
    if not (folder / JOB).is_file():
        sys.exit(f'ablation_run: {folder} was not prepared by '
                 f'run_ablation.py: it has no {JOB}')
    train_and_test(folder, args.end_with_parent)


if __name__ == '__main__':
    main()
