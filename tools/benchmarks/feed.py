# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""From JPEG files to batches on the device, by the processes that load."""

from __future__ import annotations

import argparse
import statistics
import time

from .bench import CLIP_LENGTH, Bench
from .models import load_config
from .videos import synthetic_penn

COLLATES = ('pseudo_collate', 'stack_in_worker')
BATCHES_A_WORKER = 3


def make_loader(
    bench: Bench, folder: str, workers: int, collate: str, batch: int
):
    """The recipe's own loader of training clips, of generated videos."""
    from mmengine.runner import Runner

    loader = load_config(bench.args.config).train_dataloader
    loader.dataset.data_root = folder
    loader.update(
        batch_size=batch,
        num_workers=workers,
        persistent_workers=False,
        pin_memory=bench.cuda,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        collate_fn=dict(type=collate),
    )
    return Runner.build_dataloader(loader, seed=0)


def take(bench: Bench, loader, preprocessor, count: int):
    """Seconds a batch that pass, and that the main process computes until it
    is on the device; pixels are still bytes there.
    """
    batches = iter(loader)
    own = []
    for index, _ in enumerate(range(count + 1)):
        if index == 1:  # the workers have started
            start = bench.now()
        before = time.process_time()
        data = moved = None  # to give back the memory is a part of it
        data = next(batches)
        data['inputs'] = preprocessor.stacked(data['inputs'])
        moved = preprocessor.cast_data(data)
        own.append(time.process_time() - before)
    assert len(moved['data_samples']) == len(moved['inputs'])
    return (bench.now() - start) / count, statistics.median(own[1:])


def step_seconds(bench: Bench, batch: int) -> float:
    """Of a fast training step, in 16 bits with ``--half``."""
    from .training import TrainingStep

    step = TrainingStep(
        bench,
        CLIP_LENGTH,
        batch,
        half=bench.args.half,
        channels_last=True,
        fused=True,
    )
    for _ in range(bench.args.warmup):
        step()
    return statistics.median(
        bench.seconds(step) for _ in range(bench.args.repeats)
    )


def run_feed(bench: Bench) -> None:
    """Batches by number of workers, made by mmengine's loader as it is and in
    the workers. A ratio is that of what the main process computes.

    What a training step of this batch takes stands last, on a GPU and in a
    quick run; on a CPU it would be many minutes.
    """
    from rpstn_mmpose.models import ClipDataPreprocessor

    args = argparse.Namespace(**vars(bench.args))
    args.cpu_time = False  # the workers' seconds are not this process's
    bench = _with(bench, args)
    batch = 2 if args.quick else args.train_batch[-1]
    frames = batch * CLIP_LENGTH
    device = 'cuda' if bench.cuda else 'cpu'
    preprocessor = ClipDataPreprocessor(non_blocking=True).to(device)
    with synthetic_penn(
        3 if args.quick else 16, CLIP_LENGTH, args.frame_sizes[0]
    ) as folder:
        for workers in args.workers:
            found = {name: [] for name in COLLATES}
            for _ in range(min(args.repeats, 3)):
                for name in COLLATES:
                    loader = make_loader(bench, folder, workers, name, batch)
                    count = BATCHES_A_WORKER * workers
                    found[name].append(
                        take(bench, loader, preprocessor, count)
                    )
            own = {
                name: statistics.median(pair[1] for pair in pairs)
                for name, pairs in found.items()
            }
            for name, pairs in found.items():
                seconds = statistics.median(pair[0] for pair in pairs)
                bench.add(
                    'feed',
                    f'{batch} x {CLIP_LENGTH} frames, {workers} workers',
                    name,
                    seconds,
                    own[COLLATES[0]] / own[name],
                    note=f'{frames / seconds:.0f} frames/s, '
                    f'{1e3 * own[name]:.1f} ms of the main process',
                )
    if bench.cuda or args.quick:
        seconds = step_seconds(bench, batch)
        bench.add(
            'feed',
            f'{batch} x {CLIP_LENGTH} frames',
            'a training step',
            seconds,
            None,
            note=f'{frames / seconds:.0f} frames/s',
        )


def _with(bench: Bench, args: argparse.Namespace) -> Bench:
    """The same results, other settings."""
    other = Bench(args)
    other.rows = bench.rows
    return other
