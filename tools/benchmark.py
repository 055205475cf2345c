# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Measure speed and memory beside the released arrangement.

The baseline is the same network with the same weights, run the way the
paper's code runs it: float32, contiguous maps, the extractor called frame by
frame, batch norms unfused. Baseline and variants take turns, so that other
work on the machine slows all of them; every figure is the median of the
rounds. Weights are random, with batch norms settled on the inputs, unless a
checkpoint is given.

Benchmarks: inference (clips), streaming (a frame at a time), train (a
training step), memory (of a training step over the clip's length), data
(JPEG frames to crops, beside MMPose's own image pipeline), epoch (training
epochs of the quick start's recipe), matching (the dynamic convolution alone),
decode (heatmaps to keypoints), onnx (the streaming step under onnxruntime),
feed (JPEG files to batches on the device, by number of workers, beside what a
training step needs), windows (PoseWarper's next frame of a stream, beside all
five frames for each pose), lifter (Anatomy3D on a whole video, beside a loop
over its frames, and in a stream).
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import platform
import sys
import time
import warnings
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np
from benchmarks.bench import COLUMNS, RECIPE, TINY_RECIPE, Bench, shown
from benchmarks.data import frame_size, run_data
from benchmarks.decode import run_decode
from benchmarks.epoch import run_epoch
from benchmarks.feed import run_feed
from benchmarks.inference import run_inference, run_streaming
from benchmarks.lifter import run_lifter
from benchmarks.single import run_matching, run_onnx
from benchmarks.training import run_memory, run_train
from benchmarks.windows import run_windows

warnings.filterwarnings('ignore')  # other packages' deprecations

BENCHMARKS = dict(
    inference=run_inference,
    streaming=run_streaming,
    train=run_train,
    memory=run_memory,
    data=run_data,
    epoch=run_epoch,
    matching=run_matching,
    decode=run_decode,
    onnx=run_onnx,
    feed=run_feed,
    windows=run_windows,
    lifter=run_lifter,
)
DEFAULT = ('inference', 'streaming', 'train', 'memory', 'data', 'matching')


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'names',
        nargs='*',
        metavar='BENCHMARK',
        help=f'one or more of {", ".join(BENCHMARKS)} (default: '
        f'{", ".join(DEFAULT)})',
    )
    parser.add_argument(
        '--config', help=f'recipe or config file (default: {RECIPE})'
    )
    parser.add_argument('--checkpoint', help='trained weights of the config')
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument(
        '--threads', type=int, help='of torch (default: its own choice)'
    )
    parser.add_argument(
        '--batch-sizes',
        type=int,
        nargs='+',
        default=[1, 8],
        help='clips, or people of a stream (default: 1 8)',
    )
    parser.add_argument(
        '--train-batch',
        type=int,
        nargs='+',
        help='clips of a training step (default: 2; on a GPU 8 16 32); the '
        'last one is the batch of feed',
    )
    parser.add_argument(
        '--workers',
        type=int,
        nargs='+',
        default=[2, 4, 8, 16],
        help='processes that load data, in feed (default: 2 4 8 16)',
    )
    parser.add_argument('--repeats', type=int, default=7, help='rounds')
    parser.add_argument('--warmup', type=int, default=2, help='rounds')
    parser.add_argument(
        '--compile',
        action='store_true',
        help='torch.compile variants too; minutes of compilation',
    )
    parser.add_argument(
        '--half', action='store_true', help='bfloat16 variants too'
    )
    parser.add_argument(
        '--only',
        nargs='+',
        metavar='PART',
        help='of clips, streams and training steps: the baseline, and '
        'variants whose name has one of these parts (default: all)',
    )
    parser.add_argument(
        '--cpu-time',
        action='store_true',
        help='count the seconds that the process computes, not those that '
        'pass: for a machine that is busy, with --threads 1',
    )
    parser.add_argument(
        '--profile',
        action='store_true',
        help='tables of where the time goes, in profile.txt',
    )
    parser.add_argument(
        '--frame-sizes',
        type=frame_size,
        nargs='+',
        metavar='WxH',
        default=[(480, 270), (640, 480), (1280, 720), (1920, 1080)],
        help='of the data benchmark (default: 480x270 640x480 1280x720 '
        '1920x1080)',
    )
    parser.add_argument(
        '--person',
        type=float,
        default=200,
        help='longer side of the boxes in the data benchmark, pixels '
        '(default: 200)',
    )
    parser.add_argument(
        '--jpeg-quality',
        type=int,
        default=75,
        help='of the frames in the data benchmark (default: 75, that of '
        'libjpeg)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/benchmark'),
        help='folder of benchmark.md and benchmark.json (default: '
        'work_dirs/benchmark)',
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help='the tiny recipe and few rounds, to see that it runs',
    )
    args = parser.parse_args(argv)
    args.names = args.names or list(DEFAULT)
    unknown = sorted(set(args.names) - set(BENCHMARKS))
    if unknown:
        parser.error(
            f'no benchmark is called {", ".join(unknown)}; there '
            f'are {", ".join(BENCHMARKS)}'
        )
    on_gpu = args.device.startswith('cuda')
    args.train_batch = args.train_batch or ([8, 16, 32] if on_gpu else [2])
    for name in ('repeats', 'train_batch', 'batch_sizes', 'workers'):
        if np.min(getattr(args, name)) < 1:
            parser.error(
                f'--{name.replace("_", "-")} must be at least 1, '
                f'got {getattr(args, name)}'
            )
    if args.warmup < 0:
        parser.error('--warmup must be at least 0')
    if args.person <= 0 or not 1 <= args.jpeg_quality <= 100:
        parser.error('--person must be above 0 and --jpeg-quality 1 to 100')
    if args.cpu_time and on_gpu:
        parser.error('--cpu-time is for --device cpu')
    if args.quick:
        args.config = args.config or TINY_RECIPE
        args.repeats, args.warmup = min(args.repeats, 2), 1
        args.frame_sizes = args.frame_sizes[:1]
        args.workers = args.workers[:1]
    args.config = args.config or RECIPE
    return args


def matmul_speed(device: str, dtype, side: int) -> float:
    """Operations a second of a large matrix product, in 10^9: about what no
    direct convolution can exceed. The best of a few."""
    import torch

    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best = float('inf')
    for _ in range(8):
        start = time.perf_counter()
        product = a @ b
        if device.startswith('cuda'):
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
        del product
    return 2 * side**3 / best / 1e9


def machine(args: argparse.Namespace) -> Dict[str, Any]:
    """What the figures depend on."""
    import torch

    from rpstn_mmpose import __version__
    from rpstn_mmpose.evaluation.model_cost import cpu_name

    flags = set()
    with contextlib.suppress(OSError):
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('flags'):
                flags = set(line.split(':')[1].split())
                break
    interesting = ('avx2', 'avx512f', 'avx512_bf16', 'amx_bf16', 'amx_tile')
    facts = dict(
        cpu=cpu_name(),
        cores=os.cpu_count(),
        instructions=[flag for flag in interesting if flag in flags],
        threads=torch.get_num_threads(),
        load_average=os.getloadavg()[0] if hasattr(os, 'getloadavg') else None,
        device=args.device,
        torch=torch.__version__,
        python=platform.python_version(),
        rpstn_mmpose=__version__,
        clock='CPU seconds' if args.cpu_time else 'wall clock',
    )
    side = 256 if args.quick else 2048
    for name in ('float32', 'bfloat16'):
        speed = matmul_speed(args.device, getattr(torch, name), side)
        facts[f'matrix product, {name}'] = f'{speed:.0f} GFLOP/s'
    if args.device.startswith('cuda'):
        facts['gpu'] = torch.cuda.get_device_name()
    return facts


def markdown(facts: Dict[str, Any], rows: List[dict], command: str) -> str:
    """The table, with the machine and the command above it."""
    lines = [f'`{command}`', '']
    lines += [f'- {key}: {value}' for key, value in facts.items()]
    lines += [
        '',
        '| ' + ' | '.join(COLUMNS) + ' |',
        '|' + ' --- |' * len(COLUMNS),
    ]
    lines += [
        '| ' + ' | '.join(shown(row[name], name) for name in COLUMNS) + ' |'
        for row in rows
    ]
    return '\n'.join(lines) + '\n'


def main(argv: Optional[List[str]] = None) -> int:
    args = parse_args(argv)
    try:
        import torch

        import rpstn_mmpose  # noqa: F401

        if args.threads:
            torch.set_num_threads(args.threads)
        if args.device.startswith('cuda') and not torch.cuda.is_available():
            raise ValueError('torch finds no GPU; give --device cpu')
        from mmengine.logging import MMLogger
        from mmengine.registry import init_default_scope

        if not MMLogger.check_instance_created('benchmark'):
            MMLogger.get_instance('benchmark', log_level='ERROR')
        init_default_scope('mmpose')
        bench = Bench(args)
        facts = machine(args)
        print(' | '.join(COLUMNS))
        for name in args.names:
            BENCHMARKS[name](bench)
            gc.collect()
        for part in bench.unknown:
            print(f'benchmark: no name of a variant has --only {part!r}')
    except (OSError, ValueError, ImportError) as error:
        print(f'benchmark: {error}', file=sys.stderr)
        return 1
    command = ' '.join(['python tools/benchmark.py', *(argv or sys.argv[1:])])
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / 'benchmark.md').write_text(
        markdown(facts, bench.rows, command)
    )
    (args.out / 'benchmark.json').write_text(
        json.dumps(
            dict(command=command, machine=facts, results=bench.rows), indent=2
        )
        + '\n'
    )
    if bench.profiles:
        (args.out / 'profile.txt').write_text('\n'.join(bench.profiles))
    print(f'Written: {args.out / "benchmark.md"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
