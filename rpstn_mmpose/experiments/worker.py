# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""One run: train and test what a plan left in a folder.

``python -m rpstn_mmpose.experiments.worker OUT/<config>/seed<seed>`` shows on
the screen why a run failed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint

from ..checkpoints.atomic_file import write_atomically
from ..evaluation.model_cost import cpu_name, gmacs_per_frame
from ..version import __version__
from .plan import PCK_FILE
from .results import RESULT_FILE, load_record

JOB = 'job.json'
CONFIG = 'config.py'
PROGRESS = 'progress.json'

Show = Callable[[Dict[str, Any]], None]


class RunHook(Hook):
    """Tells how far a run is, and counts what it costs.

    The counts are kept in mmengine's message hub, which is part of every
    checkpoint: a resumed run goes on counting from where it starts again.

    Args:
        show: Function that gets ``what``, ``done``, ``total`` and ``loss``
            of the run, about twice a second.
    """

    def __init__(self, show: Show) -> None:
        self.show = show
        self.shown = 0.0
        # Of a run that does not train.
        self.frames, self.seconds_in_all = 0, 0.0

    def before_train(self, runner: Runner) -> None:
        """Go on counting."""
        self.frames = runner.message_hub.get_info('ablation_frames', 0)
        before = runner.message_hub.get_info('ablation_seconds', 0.0)
        self.started = time.perf_counter() - before

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Count the batch."""
        inputs = data_batch['inputs']
        if isinstance(inputs, dict):  # a batch of lifters
            inputs = inputs['keypoints'].unsqueeze(2)
        # T x 3 x H x W, or 3 x H x W of image models
        self.frames += sum(len(x) if x.dim() == 4 else 1 for x in inputs)
        hub = runner.message_hub
        hub.update_info('ablation_frames', self.frames)
        hub.update_info('ablation_seconds', self.seconds)
        self._tell(
            f'epoch {runner.epoch + 1}/{runner.max_epochs}',
            runner.iter + 1,
            runner.max_iters,
            outputs,
        )

    def after_train(self, runner: Runner) -> None:
        """Keep the time of the training, of which the test is no part."""
        self.seconds_in_all = runner.message_hub.get_info('ablation_seconds')

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: list | None = None,
    ) -> None:
        """Tell how far the test is."""
        self._tell('test', batch_idx + 1, len(runner.test_dataloader))

    @property
    def seconds(self) -> float:
        """Of training so far."""
        return time.perf_counter() - self.started

    def _tell(
        self, what: str, done: int, total: int, outputs: dict | None = None
    ) -> None:
        if done < total and time.perf_counter() - self.shown < 0.5:
            return
        loss = f'loss {float(outputs["loss"]):.5f}' if outputs else ''
        self.show(dict(what=what, done=done, total=total, loss=loss))
        self.shown = time.perf_counter()


def write_progress(
    state: dict[str, Any], path: Path, parent: int | None
) -> None:
    """Leave in a file how far a run is.

    Args:
        state: See :class:`RunHook`.
        path: Of the file.
        parent: Process without which the run stops, None: it goes on.
    """
    if parent not in (None, os.getppid()):
        raise SystemExit('run_ablation was killed; stopping as well')
    temporary = path.with_suffix('.tmp')
    temporary.write_text(json.dumps(state))
    os.replace(temporary, path)


def train_and_test(work_dir: Path, show: Show) -> None:
    """Train, test once, count the costs, and write ``result.json``.

    Without a training in the config, the weights that it names are tested.

    Args:
        work_dir: With ``config.py`` and ``job.json`` of a plan.
        show: See :class:`RunHook`.
    """
    job = json.loads((work_dir / JOB).read_text())
    cfg = Config.fromfile(work_dir / CONFIG)
    if (work_dir / 'last_checkpoint').is_file():
        cfg.resume, cfg.load_from = True, None
    runner = Runner.from_cfg(cfg)
    hook = RunHook(show)
    runner.register_hook(hook)
    checkpoint = cfg.get('load_from')
    if cfg.get('train_cfg'):
        runner.train()
        checkpoint = find_latest_checkpoint(cfg.work_dir)
        runner.load_checkpoint(checkpoint)
    metrics = runner.test()
    record = dict(
        job,
        checkpoint=os.path.relpath(checkpoint, cfg.work_dir),
        **_costs(runner),
        train_seconds=hook.seconds_in_all,
        train_seconds_total=hook.seconds_in_all,
        frame_passes=hook.frames,
        frame_passes_total=hook.frames,
        rpstn_mmpose=__version__,
        metrics={k: v for k, v in map(_number, metrics.items()) if k},
    )
    if (work_dir / PCK_FILE).is_file():
        record['pck'] = json.loads((work_dir / PCK_FILE).read_text())
    if job['started_from'] is not None:
        start = load_record(job['started_from'])
        record['started_from'] = start['config']
        for key in ('train_seconds_total', 'frame_passes_total'):
            record[key] += start[key]
    write_atomically(
        (json.dumps(record, indent=1) + '\n').encode(), work_dir / RESULT_FILE
    )


def _number(item: tuple) -> tuple:
    """A metric as JSON knows it, without a name if it is no number."""
    name, value = item
    try:
        value = float(value)
    except (TypeError, ValueError):
        return None, None
    return name, value if math.isfinite(value) else None


def _costs(runner: Runner) -> dict[str, Any]:
    """What the model costs, and where it was trained."""
    model = getattr(runner.model, 'module', runner.model)
    inputs = runner.test_dataloader.dataset[0]['inputs']
    try:
        gmacs = gmacs_per_frame(model, inputs)
    except Exception as error:  # tracing knows not every model; keep the rest
        print(f'GMACs could not be counted: {error!r}')
        gmacs = None
    device = next(model.parameters()).device
    return dict(
        params=sum(p.numel() for p in model.parameters()),
        gmacs_per_frame=gmacs,
        torch_threads=torch.get_num_threads(),
        cpu=cpu_name(),
        device=(
            torch.cuda.get_device_name(device)
            if device.type == 'cuda'
            else device.type
        ),
    )


def main(argv: list[str] | None = None) -> None:
    """Run what a folder holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'folder', type=Path, help='OUT/<config>/seed<seed> of run_ablation.py'
    )
    parser.add_argument(
        '--end-with-parent',
        action='store_true',
        help='stop when the process that started this one is gone',
    )
    args = parser.parse_args(argv)
    folder = args.folder
    if not (folder / JOB).is_file():
        sys.exit(
            f'ablation_run: {folder} was not prepared by '
            f'run_ablation.py: it has no {JOB}'
        )
    warnings.filterwarnings('ignore')  # other packages' deprecations
    parent = os.getppid() if args.end_with_parent else None
    train_and_test(
        folder, partial(write_progress, path=folder / PROGRESS, parent=parent)
    )


if __name__ == '__main__':
    main()
