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
onnx (the streaming step under onnxruntime).
"""
from __future__ import annotations

import argparse
import contextlib
import copy
import ctypes
import gc
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

warnings.filterwarnings('ignore')  # other packages' deprecations

RECIPE = 'rpstn_res50_1xb8-100e_penn-256x256'
TINY_RECIPE = 'rpstn_tiny_1xb8-1e_synthetic-penn-128x128'
DEFAULT = ('inference', 'streaming', 'train', 'memory', 'data', 'matching')
CLIP_LENGTH = 5
MEMORY_LENGTHS = (5, 7, 10, 20)
COLUMNS = ('benchmark', 'case', 'variant', 'ms', 'ratio', 'peak MB', 'error',
           'note')


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'names',
        nargs='*',
        metavar='BENCHMARK',
        help=f'one or more of {", ".join(BENCHMARKS)} (default: '
        f'{", ".join(DEFAULT)})')
    parser.add_argument(
        '--config', help=f'recipe or config file (default: {RECIPE})')
    parser.add_argument('--checkpoint', help='trained weights of the config')
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument(
        '--threads', type=int, help='of torch (default: its own choice)')
    parser.add_argument(
        '--batch-sizes', type=int, nargs='+', default=[1, 8],
        help='clips, or people of a stream (default: 1 8)')
    parser.add_argument(
        '--train-batch', type=int, default=2,
        help='clips of a training step (default: 2)')
    parser.add_argument('--repeats', type=int, default=7, help='rounds')
    parser.add_argument('--warmup', type=int, default=2, help='rounds')
    parser.add_argument(
        '--compile', action='store_true',
        help='torch.compile variants too; minutes of compilation')
    parser.add_argument(
        '--half', action='store_true', help='bfloat16 variants too')
    parser.add_argument(
        '--cpu-time', action='store_true',
        help='count the seconds that the process computes, not those that '
        'pass: for a machine that is busy, with --threads 1')
    parser.add_argument(
        '--profile', action='store_true',
        help='tables of where the time goes, in profile.txt')
    parser.add_argument(
        '--frame-size', type=int, nargs=2, default=(640, 480),
        metavar=('W', 'H'), help='of the data benchmark (default: 640 480)')
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/benchmark'),
        help='folder of benchmark.md and benchmark.json (default: '
        'work_dirs/benchmark)')
    parser.add_argument(
        '--quick', action='store_true',
        help='the tiny recipe and few rounds, to see that it runs')
    args = parser.parse_args(argv)
    args.names = args.names or list(DEFAULT)
    unknown = sorted(set(args.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f'no benchmark is called {", ".join(unknown)}; there '
                     f'are {", ".join(BENCHMARKS)}')
    for name in ('repeats', 'train_batch'):
        if getattr(args, name) < 1:
            parser.error(f'--{name.replace("_", "-")} must be at least 1, '
                         f'got {getattr(args, name)}')
    if args.warmup < 0 or min(args.batch_sizes) < 1:
        parser.error('--warmup must be at least 0 and --batch-sizes at least '
                     '1')
    if args.cpu_time and args.device != 'cpu':
        parser.error('--cpu-time is for --device cpu')
    if args.quick:
        args.config = args.config or TINY_RECIPE
        args.repeats, args.warmup = min(args.repeats, 2), 1
    args.config = args.config or RECIPE
    return args


class PeakMemory:
    """Most memory in use while the context is open, in MB.

    On a GPU what torch has handed out, on a CPU the resident memory of the
    whole process (on Linux, looked at every few milliseconds).
    """

    def __init__(self, device: str) -> None:
        self.cuda = device.startswith('cuda')
        self.peak = 0.0

    def __enter__(self) -> 'PeakMemory':
        import torch
        gc.collect()
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
            return self
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL('libc.so.6').malloc_trim(0)
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        statm = Path('/proc/self/statm')
        page = os.sysconf('SC_PAGE_SIZE') if statm.exists() else 0
        while page:
            resident = int(statm.read_text().split()[1]) * page / 2**20
            self.peak = max(self.peak, resident)
            if self._done.wait(0.002):
                break

    def __exit__(self, *error) -> None:
        import torch
        if self.cuda:
            self.peak = torch.cuda.max_memory_allocated() / 2**20
        else:
            self._done.set()
            self._watcher.join()


class Bench:
    """What the benchmarks share: settings, the clock, the results."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.rows: List[Dict[str, Any]] = []
        self.profiles: List[str] = []
        self.cuda = args.device.startswith('cuda')

    def now(self) -> float:
        if self.cuda:
            import torch
            torch.cuda.synchronize()
        clock = time.process_time if self.args.cpu_time else time.perf_counter
        return clock()

    def seconds(self, function: Callable) -> float:
        start = self.now()
        function()
        return self.now() - start

    def compare(self,
                benchmark: str,
                case: str,
                variants: Dict[str, Callable],
                units: Optional[Dict[str, float]] = None,
                errors: Optional[Dict[str, float]] = None,
                memory: bool = True) -> Dict[str, float]:
        """Time variants in turns; the first is the baseline.

        Args:
            benchmark, case: Names for the table.
            variants: What to call, by name.
            units: How many units, such as frames, a call does, by name;
                otherwise 1. The figures are times of a unit.
            errors: Largest difference to the baseline, by name.
            memory: Whether to look at the memory in one more round.

        Returns:
            dict: Seconds a unit, by name.
        """
        units = units or {}
        for function in variants.values():
            for _ in range(self.args.warmup):
                function()
        times: Dict[str, list] = {name: [] for name in variants}
        for _ in range(self.args.repeats):
            for name, function in variants.items():
                times[name].append(
                    self.seconds(function) / units.get(name, 1))
        result = {name: statistics.median(t) for name, t in times.items()}
        baseline = next(iter(result.values()))
        for name, function in variants.items():
            peak = None
            if memory:
                with PeakMemory(self.args.device) as watch:
                    function()
                peak = watch.peak or None
            self.add(benchmark, case, name, result[name],
                     baseline / result[name], peak, (errors or {}).get(name))
            if self.args.profile:
                self.profile(f'{benchmark}, {case}: {name}', function)
        return result

    def add(self, benchmark: str, case: str, variant: str, seconds: float,
            ratio: Optional[float], peak: Optional[float] = None,
            error: Optional[float] = None, note: str = '') -> None:
        row = dict(zip(COLUMNS, (benchmark, case, variant, seconds * 1e3,
                                 ratio, peak, error, note)))
        self.rows.append(row)
        print(' | '.join(shown(row[name], name) for name in COLUMNS),
              flush=True)

    def profile(self, title: str, function: Callable) -> None:
        from torch.profiler import ProfilerActivity, profile
        kinds = [ProfilerActivity.CPU]
        key = 'self_cpu_time_total'
        if self.cuda:
            kinds.append(ProfilerActivity.CUDA)
            key = 'self_cuda_time_total'
        with profile(activities=kinds) as record:
            function()
        table = record.key_averages().table(
            sort_by=key, row_limit=15, max_name_column_width=50)
        self.profiles.append(f'{title}\n{table}\n')


def shown(value: Any, column: str) -> str:
    if value is None:
        return '-'
    if column == 'error':
        return f'{value:.1e}'
    if column == 'peak MB':
        return f'{value:.0f}'
    return f'{value:.2f}' if isinstance(value, float) else str(value)


# Models


def build_model(bench: Bench, **train_cfg):
    """The config's model, in evaluation mode, on the device."""
    from mmengine.config import Config
    from mmpose.registry import MODELS
    cfg = load_config(bench.args.config)
    model_cfg = Config(copy.deepcopy(cfg.model.to_dict()))
    model_cfg.image_pretrained = None
    model_cfg.train_cfg = dict(model_cfg.get('train_cfg') or {}, **train_cfg)
    for part in (model_cfg.backbone,
                 model_cfg.get('initializer', {}).get('backbone', {})):
        part.pop('init_cfg', None)
    import torch
    torch.manual_seed(0)
    model = MODELS.build(model_cfg)
    model.init_weights()
    if bench.args.checkpoint:
        from rpstn_mmpose.engine import CheckpointError, load_weights
        from rpstn_mmpose.engine.hooks.checkpoint_guard_hook import (
            check_checkpoint_matches)
        try:
            check_checkpoint_matches(
                model,
                load_weights(bench.args.checkpoint, map_location='cpu'),
                bench.args.checkpoint)
        except CheckpointError as error:
            raise ValueError(str(error)) from error
    else:
        settle(model, random_clips(model, 2, CLIP_LENGTH))
    return model.eval().to(bench.args.device)


def load_config(name: str):
    from mmengine.config import Config

    import rpstn_mmpose
    path = name if Path(name).is_file() else rpstn_mmpose.config_path(name)
    return Config.fromfile(path)


def random_clips(model, batch: int, length: int, seed: int = 0):
    import torch
    width, height = model.head.decoder.input_size
    generator = torch.Generator().manual_seed(seed)
    clips = torch.randn(
        batch, length, 3, height, width, generator=generator)
    return clips.to(next(model.parameters()).device)


def settle(model, clips) -> None:
    """Give a fresh network the scales of a trained one: batch norms take
    the clips' statistics, and the initializer's heatmaps reach one."""
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = 1.0
        model.train()
        model(clips, None, mode='tensor')
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        model.eval()
        first = model.initial_heatmaps(clips)
        if first is not None:
            scale = 1 / first.abs().max().clamp_min(1e-12)
            for weight in model.initializer.head.final_layer.parameters():
                weight.mul_(scale)


def released_arrangement(model, clips):
    """Heatmaps of clips the way the paper's code goes about it."""
    import torch
    feats = [model.extract_feat(clip) for clip in clips.split(1, dim=1)]
    initial = model.initial_heatmaps(clips)
    heatmaps, state = model.start(
        feats[0][:, 0], None if initial is None else initial[:, 0])
    frames = [heatmaps]
    for frame in feats[1:]:
        heatmaps, state = model.step(frame[:, 0], state)
        frames.append(heatmaps)
    return torch.stack(frames, dim=1)


def fast_models(bench: Bench, model) -> Dict[str, Any]:
    """Optimized copies, by name."""
    from rpstn_mmpose.models.utils.fast_inference import (
        optimize_for_inference)
    wanted: Dict[str, dict] = {'fast': {}}
    if bench.args.half:
        wanted['fast, bfloat16'] = dict(dtype='bfloat16')
    if bench.args.compile:
        wanted['fast, compiled'] = dict(compile=True)
    if bench.args.half and bench.args.compile:
        wanted['fast, bfloat16, compiled'] = dict(
            dtype='bfloat16', compile=True)
    return {
        name: optimize_for_inference(copy.deepcopy(model), **options)
        for name, options in wanted.items()
    }


def difference(a, b) -> float:
    return float((a.float() - b.float()).abs().max())


def run_inference(bench: Bench) -> None:
    """Whole clips, a figure is the time of a batch."""
    import torch
    model = build_model(bench)
    copies = fast_models(bench, model)
    with torch.no_grad():
        for batch in bench.args.batch_sizes:
            clips = random_clips(model, batch, CLIP_LENGTH)
            functions = {
                'baseline': lambda c=clips: released_arrangement(model, c),
                'all frames at once':
                lambda c=clips: model(c, None, mode='tensor')
            }
            for name, fast in copies.items():
                functions[name] = lambda c=clips, m=fast: m(
                    c, None, mode='tensor')
            expected = functions['baseline']()
            errors = {
                name: difference(function(), expected)
                for name, function in functions.items()
            }
            bench.compare('inference', f'{batch} x {CLIP_LENGTH} frames',
                          functions, errors=errors)


def run_streaming(bench: Bench) -> None:
    """The next frame of N people; a figure is the time of a frame. The
    baseline's is its clip's divided by its frames."""
    import torch
    model = build_model(bench)
    copies = {'one frame': model, **fast_models(bench, model)}
    found: Dict[str, Dict[int, float]] = {}
    with torch.no_grad():
        for people in bench.args.batch_sizes:
            clips = random_clips(model, people, CLIP_LENGTH)
            expected = released_arrangement(model, clips)
            functions, errors = {}, {}
            for name, net in copies.items():
                state, errors[name] = stream(net, clips, expected)
                functions[name] = (
                    lambda m=net, s=state, c=clips: m.step(
                        m.extract_feat(c[:, :1])[:, 0], s))

            def baseline(clips=clips):
                return released_arrangement(model, clips)

            times = bench.compare(
                'streaming',
                f'{people} people',
                dict(baseline=baseline, **functions),
                units=dict(baseline=CLIP_LENGTH),
                errors=errors)
            for name, value in times.items():
                found.setdefault(name, {})[people] = value
    few, many = min(bench.args.batch_sizes), max(bench.args.batch_sizes)
    if few == 1 and many > 1:
        for name, times in found.items():
            extra = (times[many] - times[1]) / (many - 1)
            bench.add('streaming', 'each further person', name, extra, None,
                      note=f'{extra / times[1]:.2f} of the first')


def stream(net, clips, expected) -> Tuple[Any, float]:
    """Walk through the clips; the last state, the largest difference."""
    frames = clips.split(1, dim=1)
    initial = net.initial_heatmaps(frames[0])
    heatmaps, state = net.start(
        net.extract_feat(frames[0])[:, 0],
        None if initial is None else initial[:, 0])
    error = difference(heatmaps, expected[:, 0])
    for t, frame in enumerate(frames[1:], 1):
        heatmaps, state = net.step(net.extract_feat(frame)[:, 0], state)
        error = max(error, difference(heatmaps, expected[:, t]))
    return state, error


# Training


def training_batch(model, batch: int, length: int) -> dict:
    """Inputs and samples as the data preprocessor gives them."""
    import numpy as np
    import torch
    from mmengine.structures import InstanceData
    from mmpose.structures import PoseDataSample
    inputs = random_clips(model, batch, length)
    width, height = model.head.decoder.heatmap_size
    joints = model.head.out_channels
    samples = []
    for _ in range(batch):
        sample = PoseDataSample(
            metainfo=dict(frame_mask=np.ones(length, dtype=bool)))
        sample.gt_instance_labels = InstanceData(
            heatmaps=torch.rand(length, joints, height, width).to(inputs),
            keypoint_weights=torch.ones(length, joints).to(inputs))
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


class TrainingStep:
    """Loss, backward and a step of Adam, by an optimizer wrapper."""

    def __init__(self, bench: Bench, length: int, batch: int,
                 half: bool = False, channels_last: bool = False,
                 **train_cfg) -> None:
        import torch
        from mmengine.optim import OptimWrapper

        from rpstn_mmpose.engine import AutocastOptimWrapper
        self.model = build_model(bench, compute_acc=False, **train_cfg).train()
        if channels_last:
            self.model.to(memory_format=torch.channels_last)
        wrapper = AutocastOptimWrapper if half else OptimWrapper
        self.optimizer = wrapper(
            torch.optim.Adam(self.model.parameters(), lr=1e-5))
        torch.manual_seed(0)
        self.batch = training_batch(self.model, batch, length)
        self.first_loss: Optional[float] = None

    def __call__(self) -> None:
        with self.optimizer.optim_context(self.model):
            losses = self.model(**self.batch, mode='loss')
        loss = sum(v for k, v in losses.items() if k.startswith('loss'))
        if self.first_loss is None:
            self.first_loss = float(loss.detach())
        self.optimizer.update_params(loss)


def run_train(bench: Bench) -> None:
    """Training steps; an error is the change of the first step's loss.

    Frame by frame, batch norms see fewer frames at once, so the loss is
    another one there and no error is given for what follows.
    """
    size = bench.args.train_batch
    steps = {
        'baseline': dict(frames_per_pass=1),
        'all frames at once': {},
        'channels last': dict(channels_last=True)
    }
    if bench.args.half:
        steps['channels last, bfloat16'] = dict(channels_last=True, half=True)
    steps['channels last, checkpointing'] = dict(
        channels_last=True, checkpointing=True, frames_per_pass=1)
    made = {
        name: TrainingStep(bench, CLIP_LENGTH, size, **options)
        for name, options in steps.items()
    }
    for step in made.values():
        step()
    same = {'baseline': 'baseline', 'channels last, checkpointing': 'baseline'}
    errors = {
        name: abs(step.first_loss
                  - made[same.get(name, 'all frames at once')].first_loss)
        for name, step in made.items()
    }
    bench.compare('train', f'{size} x {CLIP_LENGTH} frames', made,
                  errors=errors, memory=False)


def run_memory(bench: Bench) -> None:
    """Peak memory of a training step of one clip over its length."""
    lengths = MEMORY_LENGTHS[:2] if bench.args.quick else MEMORY_LENGTHS
    plans = {
        'plain': dict(frames_per_pass=1),
        'checkpointing': dict(frames_per_pass=1, checkpointing=True)
    }
    for name, options in plans.items():
        first = None
        for length in lengths:
            step = TrainingStep(
                bench, length, 1, channels_last=True, **options)
            step()  # makes Adam's state
            with PeakMemory(bench.args.device) as watch:
                seconds = bench.seconds(step)
            first = first or watch.peak
            bench.add(
                'memory', f'1 x {length} frames', name, seconds, None,
                watch.peak or None,
                note=f'{watch.peak / first:.2f} of {lengths[0]} frames'
                if first else '')
            del step


# Data


@contextlib.contextmanager
def synthetic_penn(bench: Bench, num_videos: int, num_frames: int,
                   image_size: Tuple[int, int]):
    """Generated videos in Penn Action's format, in a temporary folder."""
    from rpstn_mmpose.synthetic import generate_penn
    with tempfile.TemporaryDirectory() as folder:
        generate_penn(
            folder,
            num_train=num_videos,
            num_test=1,
            num_frames=num_frames,
            image_size=image_size,
            progress=False)
        yield folder


def with_reduction(pipeline: List[dict], input_size) -> List[dict]:
    """A clip pipeline that reads frames no larger than its crops need."""
    steps = copy.deepcopy(pipeline)
    for step in steps:
        if step['type'] == 'LoadClip':
            step['reduce_to'] = input_size
        for inner in step.get('transforms', []):
            if inner['type'] == 'TopdownAffine':
                inner['type'] = 'ReducedTopdownAffine'
    return steps


def image_pipeline(input_size) -> List[dict]:
    """MMPose's own, of its SimpleBaseline configs, for tests."""
    return [
        dict(type='LoadImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='TopdownAffine', input_size=input_size),
        dict(type='PackPoseInputs')
    ]


def image_training_pipeline(codec) -> List[dict]:
    """The same for training, with the augmentation of the clips."""
    return [
        dict(type='LoadImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='RandomFlip', direction='horizontal'),
        dict(
            type='RandomBBoxTransform', shift_prob=0, scale_factor=(0.8, 1.4),
            rotate_factor=40, rotate_prob=1.0),
        dict(type='TopdownAffine', input_size=codec['input_size']),
        dict(type='GenerateTarget', encoder=codec),
        dict(type='PackPoseInputs')
    ]


def frames_of(info: dict) -> List[dict]:
    """A clip's frames, as an image data set hands them out."""
    rows = ('bbox', 'bbox_score', 'keypoints', 'keypoints_visible')
    shared = ('dataset_name', 'flip_indices', 'flip_pairs', 'upper_body_ids',
              'lower_body_ids', 'dataset_keypoint_weights')
    frames = []
    for row, path in enumerate(info['img_paths']):
        frame = {key: info[key] for key in shared if key in info}
        frame.update({
            key: info[key][row:row + 1] for key in rows if key in info
        })
        frame['img_path'] = path
        frames.append(frame)
    return frames


def run_data(bench: Bench) -> None:
    """A frame from its JPEG file to the batch, in one worker."""
    import cv2
    import torch
    from mmengine.dataset import Compose

    from rpstn_mmpose.datasets import PennActionDataset
    cv2.setNumThreads(0)  # as mmengine sets it in workers
    cfg = load_config(bench.args.config)
    codec = dict(cfg.codec)
    size = codec['input_size']
    test = copy.deepcopy(cfg.test_dataloader.dataset.pipeline)
    for step in test:
        step.pop('padding', None)  # both crop alike: MMPose's default
    train = copy.deepcopy(load_config(RECIPE).train_pipeline)
    for step in train:
        if 'encoder' in step:
            step['encoder'] = codec
        for inner in step.get('transforms', []):
            if inner['type'] == 'TopdownAffine':
                inner['input_size'] = size
    with synthetic_penn(bench, 2 if bench.args.quick else 8, CLIP_LENGTH,
                        tuple(bench.args.frame_size)) as folder:
        dataset = PennActionDataset(
            data_root=folder, split='train', clip_length=CLIP_LENGTH)
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        count = CLIP_LENGTH * len(infos)
        case = '{}x{} frames to {}x{}'.format(*bench.args.frame_size, *size)
        for name, image_steps, clip_steps in (
            ('test', image_pipeline(size), test),
            ('training', image_training_pipeline(codec), train)):
            image = Compose(image_steps)
            clip = Compose(clip_steps)
            reduced = Compose(with_reduction(clip_steps, size))

            def images(image=image):
                return [[image(frame) for frame in frames_of(info)]
                        for info in infos]

            def clips(pipeline=clip):
                return [pipeline(copy.copy(info)) for info in infos]

            variants = {
                "baseline (MMPose's images)": images,
                'clips': clips,
                'clips, reduced JPEG': lambda p=reduced: clips(p)
            }
            errors = {}
            if name == 'test':
                crops = torch.stack([
                    torch.stack([frame['inputs'] for frame in frames])
                    for frames in images()
                ]).float()
                for key in list(variants)[1:]:
                    got = torch.stack([x['inputs'] for x in variants[key]()])
                    errors[key] = float((got.float() - crops).abs().mean())
            bench.compare(
                'data',
                f'{name}, {case}',
                variants,
                units=dict.fromkeys(variants, count),
                errors=errors)
        sides = [(info['bbox'][:, 2:] - info['bbox'][:, :2]).max(axis=1)
                 for info in infos]
        print(f'longer sides of the boxes: {min(map(min, sides)):.0f} to '
              f'{max(map(max, sides)):.0f} pixels; the error is the mean '
              'change of a pixel, of 255')


def run_epoch(bench: Bench) -> None:
    """A training epoch of the quick start's recipe on generated videos."""
    from mmengine.runner import Runner
    videos = 16 if bench.args.quick else 200
    variants = {
        'baseline': dict(frames_per_pass=1),
        'recipe': {},
    }
    with synthetic_penn(bench, videos, CLIP_LENGTH, (192, 144)) as folder:
        times = {}
        for name, train_cfg in variants.items():
            cfg = load_config(TINY_RECIPE)
            cfg.work_dir = str(Path(folder, 'work', name))
            cfg.log_level = 'ERROR'
            cfg.model.image_pretrained = None
            cfg.train_dataloader.dataset.data_root = folder
            for key in ('val_cfg', 'val_dataloader', 'val_evaluator',
                        'test_cfg', 'test_dataloader', 'test_evaluator'):
                cfg[key] = None
            cfg.default_hooks.checkpoint = None
            cfg.randomness = dict(seed=0)
            if name == 'baseline':
                cfg.model.train_cfg.update(train_cfg)
                cfg.custom_hooks = []
            runner = Runner.from_cfg(cfg)
            with PeakMemory(bench.args.device) as watch:
                times[name] = bench.seconds(runner.train)
            bench.add('epoch', f'{videos} clips, {TINY_RECIPE}', name,
                      times[name], times['baseline'] / times[name],
                      watch.peak or None)


# Single operations


def run_matching(bench: Bench) -> None:
    """The dynamic convolution; memory orders, one call or one a sample."""
    import torch
    import torch.nn.functional as F

    from rpstn_mmpose.models.necks.dynamic_conv import depthwise_dynamic_conv
    channels, side, kernel = (8, 16, 3) if bench.args.quick else (256, 64, 7)
    device = bench.args.device

    def one_call(feats, kernels):
        batch = len(feats)
        return F.conv2d(
            feats.reshape(1, -1, side, side),
            kernels.reshape(-1, 1, kernel, kernel),
            padding=kernel // 2,
            groups=batch * channels).view_as(kernels.new_empty(
                batch, channels, side, side))

    def call_a_sample(feats, kernels):
        return torch.cat([
            F.conv2d(
                feats[row:row + 1],
                kernels[row].unsqueeze(1),
                padding=kernel // 2,
                groups=channels) for row in range(len(feats))
        ])

    def shifted_sums(feats, kernels):
        padded = F.pad(feats, (kernel // 2, ) * 4)
        out = torch.zeros_like(feats)
        for y in range(kernel):
            for x in range(kernel):
                out.addcmul_(padded[:, :, y:y + side, x:x + side],
                             kernels[:, :, y:y + 1, x:x + 1])
        return out

    with torch.no_grad():
        for batch in bench.args.batch_sizes:
            feats = torch.randn(batch, channels, side, side, device=device)
            kernels = torch.randn(
                batch, channels, kernel, kernel, device=device)
            last = feats.contiguous(memory_format=torch.channels_last)
            functions = {
                'baseline (contiguous, one call)': (one_call, feats),
                'contiguous, a call a sample': (call_a_sample, feats),
                'contiguous, shifted sums': (shifted_sums, feats),
                'channels last, one call': (one_call, last),
                'channels last, a call a sample': (call_a_sample, last),
                'channels last, shifted sums': (shifted_sums, last),
                'chosen, contiguous': (depthwise_dynamic_conv, feats),
                'chosen, channels last': (depthwise_dynamic_conv, last)
            }
            expected = one_call(feats, kernels)
            bench.compare(
                'matching',
                f'{batch} x {channels} x {side} x {side}, kernel {kernel}',
                {
                    name: lambda f=function, x=maps, k=kernels: f(x, k)
                    for name, (function, maps) in functions.items()
                },
                errors={
                    name: difference(function(maps, kernels), expected)
                    for name, (function, maps) in functions.items()
                },
                memory=False)


def run_onnx(bench: Bench) -> None:
    """The streaming step of N people under onnxruntime."""
    import torch
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError(f'the onnx benchmark needs onnxruntime ({error}); '
                         'pip install onnx onnxruntime onnxscript') from error
    from rpstn_mmpose.models.utils.onnx_export import export_streaming
    model = build_model(bench)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    providers = (['CUDAExecutionProvider'] if bench.cuda else
                 ['CPUExecutionProvider'])
    for people in bench.args.batch_sizes:
        clips = random_clips(model, people, CLIP_LENGTH)
        with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
            expected = released_arrangement(model, clips)
            state, _ = stream(model, clips, expected)
            _, step = export_streaming(
                copy.deepcopy(model).cpu(), Path(folder), people)
            session = onnxruntime.InferenceSession(
                str(step), options, providers=providers)
            frame = clips[:, -1]
            feeds = dict(
                image=frame.cpu().numpy(),
                prev_feats=state.feats.cpu().numpy(),
                prev_heatmaps=state.heatmaps.cpu().numpy())

            def plain(frame=frame, state=state):
                return model.step(
                    model.extract_feat(frame[:, None])[:, 0], state)[0]

            def ort(session=session, feeds=feeds):
                return session.run(['heatmaps'], feeds)[0]

            bench.compare(
                'onnx',
                f'{people} people',
                {
                    'baseline': lambda c=clips: released_arrangement(model, c),
                    'PyTorch, one frame': plain,
                    'onnxruntime, one frame': ort
                },
                units=dict(baseline=CLIP_LENGTH),
                errors={
                    'onnxruntime, one frame':
                    difference(torch.from_numpy(ort()), plain().cpu())
                })


BENCHMARKS = dict(
    inference=run_inference,
    streaming=run_streaming,
    train=run_train,
    memory=run_memory,
    data=run_data,
    epoch=run_epoch,
    matching=run_matching,
    onnx=run_onnx)

# Results


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
        clock='CPU seconds' if args.cpu_time else 'wall clock')
    if args.device.startswith('cuda'):
        facts['gpu'] = torch.cuda.get_device_name()
    return facts


def markdown(facts: Dict[str, Any], rows: List[dict], command: str) -> str:
    """The table, with the machine and the command above it."""
    lines = [f'`{command}`', '']
    lines += [f'- {key}: {value}' for key, value in facts.items()]
    lines += ['', '| ' + ' | '.join(COLUMNS) + ' |',
              '|' + ' --- |' * len(COLUMNS)]
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
    except (OSError, ValueError, ImportError) as error:
        print(f'benchmark: {error}', file=sys.stderr)
        return 1
    command = ' '.join(
        ['python tools/benchmark.py', *(argv or sys.argv[1:])])
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / 'benchmark.md').write_text(
        markdown(facts, bench.rows, command))
    (args.out / 'benchmark.json').write_text(
        json.dumps(
            dict(command=command, machine=facts, results=bench.rows),
            indent=2) + '\n')
    if bench.profiles:
        (args.out / 'profile.txt').write_text('\n'.join(bench.profiles))
    print(f'Written: {args.out / "benchmark.md"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
