# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Fit the scores of a DSTA model's joints to how often they are right.

A joint's score is then the chance that it is within a tenth of the longer side
of its person's box, by the joint and its sigma. It is fitted on the training
split, with annotated boxes and without augmentation.
"""

from __future__ import annotations

import argparse
import json
import sys


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of a DSTA model')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('output', help='.json for model.head.score')
    parser.add_argument(
        '--within',
        type=float,
        default=0.1,
        help='of the longer side of the box (default: 0.1)',
    )
    parser.add_argument(
        '--data-root', help="folder of the data, instead of the config's"
    )
    args = parser.parse_args(argv)
    if not args.output.endswith('.json'):
        parser.error(f'the output has to end in .json, got {args.output}')
    if args.within <= 0:
        parser.error(f'--within has to be above 0, got {args.within}')
    return args


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()
    import rpstn_mmpose  # noqa: F401  keeps known warnings off

import numpy as np
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import nn
from torch.utils.data import DataLoader

from rpstn_mmpose.checkpoints.atomic_file import write_atomically
from rpstn_mmpose.systems.dsta.confidence import calibrate
from rpstn_mmpose.visualization import load_model_and_dataset


def training_config(path: str) -> Config:
    """The config, tested on its training split."""
    config = Config.fromfile(path)
    config.test_dataloader.dataset = dict(
        config.train_dataloader.dataset,
        pipeline=config.test_dataloader.dataset.pipeline,
        test_mode=True,
    )
    return config


def outcomes(
    model: nn.Module, loader: DataLoader, within: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What became of the joints of all clips.

    Args:
        model: In evaluation mode.
        loader: Batches of clips with labels.
        within: Largest distance of a joint that is right, in longer sides of
            the box.

    Returns:
        tuple: Sigmas (N, K, 2) as shares of the crop's sides; (N, K) bool
        which joints were right, and which are labelled.

    Raises:
        ValueError: A model that gives no sigmas.
    """
    sigmas, right, known = [], [], []
    for batch in loader:
        for sample in model.test_step(batch):
            pred, truth = sample.pred_instances, sample.gt_instances
            if 'keypoint_sigmas' not in pred:
                raise ValueError(
                    f'{type(model).__name__} gives no sigmas; give a model '
                    'with a JointTokenHead'
                )
            scale = np.reshape(sample.metainfo['input_scale'], (-1, 1, 2))
            sigmas.append(pred.keypoint_sigmas / scale)
            box = np.asarray(truth.bboxes)
            side = (box[:, 2:] - box[:, :2]).max(axis=1)[:, None]
            gap = np.linalg.norm(pred.keypoints - truth.keypoints, axis=-1)
            right.append(gap <= within * side)
            known.append(np.asarray(truth.keypoints_visible) > 0)
    return tuple(np.concatenate(part) for part in (sigmas, right, known))


def fit(args: argparse.Namespace) -> None:
    """Run the tool."""
    config = training_config(args.config)
    model, dataset = load_model_and_dataset(
        config, args.checkpoint, data_root=args.data_root
    )
    loader = DataLoader(
        dataset,
        batch_size=config.test_dataloader.get('batch_size', 16),
        num_workers=config.test_dataloader.get('num_workers', 0),
        collate_fn=pseudo_collate,
    )
    sigmas, right, known = outcomes(model, loader, args.within)
    found = calibrate(sigmas, right, known)
    content = dict(
        slope=found.slope.tolist(),
        offset=found.offset.tolist(),
        joints=[
            dataset.metainfo['keypoint_id2name'][k]
            for k in range(sigmas.shape[1])
        ],
        within=args.within,
    )
    write_atomically(json.dumps(content, indent=1).encode(), args.output)
    print(
        f'{args.output}: {known.sum():,} joints, '
        f'{100 * right[known].mean():.1f} % right; use it with '
        f'--cfg-options model.head.score={args.output}'
    )


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        fit(args)
    except (OSError, ValueError) as error:
        sys.exit(f'calibrate_scores.py: error: {error}')


if __name__ == '__main__':
    main()
