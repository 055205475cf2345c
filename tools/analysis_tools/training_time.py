# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""How long a recipe trains: clips, steps, operations and hours."""

import argparse
import json
import logging
import math
import sys
from contextlib import contextmanager
from pathlib import Path

# A step's operations in those of a forward pass: itself, and the gradients of
# the maps and of the weights, each as many as that.
FORWARD_AND_BACKWARD = 3


def parse_args(args=None):
    parser = argparse.ArgumentParser(
        description='Print the steps of a recipe, the operations of a step, '
        'and the hours that follow: from a measured step (--step-seconds), '
        'or, as an estimate, from the peak of a device (--tflops and '
        '--utilization). Reading data, validation and what several GPUs say '
        'to each other are not in it.'
    )
    parser.add_argument('config', help='file or name of a recipe')
    parser.add_argument(
        '--clips',
        type=int,
        help='clips of an epoch (default: counted in the data)',
    )
    parser.add_argument(
        '--data-root', help="folder to count in, instead of the config's"
    )
    parser.add_argument(
        '--gpus',
        type=int,
        help='processes (default: base_batch_size of auto_scale_lr by '
        'batch_size)',
    )
    parser.add_argument(
        '--step-seconds', type=float, help='measured training step of a GPU'
    )
    parser.add_argument(
        '--step-clips',
        type=int,
        default=1,
        help='clips in that step, by which it is scaled to the batch of the '
        'recipe (default: %(default)s)',
    )
    parser.add_argument(
        '--tflops',
        type=float,
        help='peak of a GPU in 10^12 operations a second, for the precision '
        'of the training',
    )
    parser.add_argument(
        '--utilization',
        type=float,
        help='part of the peak that is reached, above 0 and at most 1',
    )
    parser.add_argument('--out', help='JSON file to write the numbers to')
    args = parser.parse_args(args)
    for name in (
        'clips',
        'gpus',
        'step_seconds',
        'step_clips',
        'tflops',
        'utilization',
    ):
        value = getattr(args, name)
        if value is not None and not 0 < value < math.inf:
            parser.error(
                f'--{name.replace("_", "-")} must be above 0, but got {value}'
            )
    if (args.tflops is None) != (args.utilization is None):
        parser.error('--tflops and --utilization go together')
    if args.utilization is not None and args.utilization > 1:
        parser.error(
            f'--utilization must be at most 1, but got {args.utilization}'
        )
    if args.clips is not None and args.data_root is not None:
        parser.error('--data-root is of no use with --clips')
    return args


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()
    import rpstn_mmpose  # noqa: F401  keeps known warnings off

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, MODELS

import rpstn_mmpose
from rpstn_mmpose.checkpoints.atomic_file import write_atomically
from rpstn_mmpose.datasets import BaseClipDataset, make_window
from rpstn_mmpose.evaluation.model_cost import gmacs_per_frame
from rpstn_mmpose.visualization.output_path import check_output_path


@contextmanager
def quiet():
    """Without the log of data sets and of the count, which would hide the
    result."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def load_config(name):
    """The recipe of a file or of a name."""
    return Config.fromfile(
        name if Path(name).is_file() else rpstn_mmpose.config_path(name)
    )


def clip_length(dataset):
    """Frames of a clip of a training set's config, also of a wrapped one."""
    for key in ('dataset', 'datasets'):
        if key in dataset:
            inner = dataset[key]
            return clip_length(inner[0] if key == 'datasets' else inner)
    kind = DATASETS.get(dataset.type)
    if kind is None or not issubclass(kind, BaseClipDataset):
        raise ValueError(
            f'its training set is a {dataset.type}, which has no '
            'clips; give a recipe that trains on clips'
        )
    options = ('window', 'clip_length', 'clip_offsets')
    return make_window(**{key: dataset.get(key) for key in options}).length


def count_clips(dataset, data_root):
    """Clips of an epoch; frames need not be there."""
    dataset = dict(dataset, pipeline=[])
    if data_root is not None:
        if 'data_root' not in dataset:
            raise ValueError('its training set has no data_root; give --clips')
        dataset['data_root'] = data_root
    return len(DATASETS.build(dataset))


def clip_gmacs(model, train_cfg, length, input_size):
    """Multiply-accumulates of a clip's forward pass in training, in 10^9."""
    width, height = input_size
    frames = torch.zeros(length, 3, height, width)
    if not hasattr(model, 'output_rows'):
        # MMPose's own models take the frames of clips as images.
        return length * gmacs_per_frame(model, frames[0])
    gmacs = length * gmacs_per_frame(model, frames)
    if (
        train_cfg.get('initializer_loss_weight', 0) > 0
        and train_cfg.get('initializer_loss_frames') == 'all'
    ):
        # Prediction takes the initializer to the first frame alone.
        gmacs += (length - 1) * gmacs_per_frame(model.initializer, frames[0])
    return gmacs


def training_steps(clips, batch_size, gpus, epochs):
    """Steps of an epoch and of the training: every process has its share of
    the clips, padded to the same number, and its last batch may be small."""
    epoch = math.ceil(math.ceil(clips / gpus) / batch_size)
    return epoch, epoch * epochs


def compute(args):
    config = load_config(args.config)
    init_default_scope('mmpose')
    loader = config.train_dataloader
    length = clip_length(loader.dataset)
    if args.clips is None:
        clips = count_clips(loader.dataset, args.data_root)
    else:
        clips = args.clips
    gpus = args.gpus
    if gpus is None:
        base = config.get('auto_scale_lr', {}).get(
            'base_batch_size', loader.batch_size
        )
        gpus = max(1, base // loader.batch_size)
    epochs = config.train_cfg.max_epochs
    per_epoch, steps = training_steps(clips, loader.batch_size, gpus, epochs)

    model = config.model
    train_cfg = model.get('train_cfg') or {}
    checkpointing = bool(train_cfg.get('checkpointing', False))
    gmacs = clip_gmacs(
        MODELS.build(model), train_cfg, length, model.head.decoder.input_size
    )
    passes = FORWARD_AND_BACKWARD + checkpointing
    # A multiply-accumulate is two operations.
    tflop = 2 * gmacs * passes * loader.batch_size / 1000
    result = dict(
        config=Path(args.config).stem,
        clip_length=length,
        clips=clips,
        gpus=gpus,
        batch_size=loader.batch_size,
        epochs=epochs,
        steps_per_epoch=per_epoch,
        steps=steps,
        gmacs_per_clip=gmacs,
        checkpointing=checkpointing,
        tflop_per_step=tflop,
    )
    if args.step_seconds is not None:
        seconds = args.step_seconds / args.step_clips * loader.batch_size
        result.update(
            measured_step_seconds=seconds,
            measured_hours=steps * seconds / 3600,
        )
    if args.tflops is not None:
        seconds = tflop / (args.tflops * args.utilization)
        result.update(
            estimated_step_seconds=seconds,
            estimated_hours=steps * seconds / 3600,
        )
    return result


def report(result, args):
    """The lines that are printed."""
    one_step = '3 x forward' + (
        ' + 1 x again (checkpointing)' if result['checkpointing'] else ''
    )
    rows = [
        (
            'clips an epoch',
            f'{result["clips"]:,}',
            f'of {result["clip_length"]} frames'
            + ('' if args.clips else ', counted'),
        ),
        (
            'steps an epoch',
            f'{result["steps_per_epoch"]:,}',
            f'clips of a GPU: {result["batch_size"]}, GPUs: {result["gpus"]}',
        ),
        ('steps', f'{result["steps"]:,}', f'{result["epochs"]} epochs'),
        ('GMAC a clip', f'{result["gmacs_per_clip"]:.1f}', 'forward'),
        (
            'TFLOP a step',
            f'{result["tflop_per_step"]:.2f}',
            f'of one GPU: 2 x GMAC x clips, {one_step}',
        ),
    ]
    if args.step_seconds is not None:
        rows += [
            (
                's a step',
                f'{result["measured_step_seconds"]:.2f}',
                f'measured with {args.step_clips} clips a step: '
                f'{args.step_seconds:g}',
            ),
            (
                'hours',
                f'{result["measured_hours"]:,.1f}',
                f'{result["measured_hours"] / 24:,.1f} days; GPU-hours: '
                f'{result["measured_hours"] * result["gpus"]:,.1f}',
            ),
        ]
    if args.tflops is not None:
        rows += [
            (
                's a step, estimate',
                f'{result["estimated_step_seconds"]:.3f}',
                f'{args.tflops:g} TFLOP/s at {args.utilization:.0%}, not '
                'measured',
            ),
            (
                'hours, estimate',
                f'{result["estimated_hours"]:,.1f}',
                'GPU-hours: '
                f'{result["estimated_hours"] * result["gpus"]:,.1f}',
            ),
        ]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return [result['config']] + [
        f'  {name:<{widths[0]}}  {value:>{widths[1]}}  {note}'
        for name, value, note in rows
    ]


def run(args):
    if args.out:
        check_output_path(args.out, ('.json',))
    try:
        with quiet():
            result = compute(args)
    except ValueError as error:
        raise ValueError(f'{args.config}: {error}') from error
    print('\n'.join(report(result, args)))
    if args.out:
        write_atomically(
            (json.dumps(result, indent=1) + '\n').encode(), args.out
        )


def main(args=None):
    args = parse_args(args)
    try:
        run(args)
    except (OSError, ValueError) as error:
        sys.exit(f'training_time: {error}')


if __name__ == '__main__':
    main()
