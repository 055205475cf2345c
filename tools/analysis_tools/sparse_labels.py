# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What labels of every k-th frame are worth: models and carried-over labels.

Trains, for each seed and with as many steps each, the image model on all and
on few labels, a PoseWarper and the image model for longer on the few, and the
image model on labels that were carried over; then tests them all, and
compares carried-over labels of the test videos with the truth.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

IMAGE = 'td-hm_tiny_1xb16-4e_synthetic-penn-tracks-128x128'
WARPER = 'posewarper_tiny_1xb16-2e_synthetic-penn-tracks-128x128'
METRIC = dict(type='ClipPCK', thr=0.2, norm_item='torso')
# What carries labels over: name, method, sides.
CARRIERS = {
    'PoseWarper, both sides': ('warp', 'both'),
    'PoseWarper, nearest label': ('warp', 'nearest'),
    'interpolation': ('interpolate', 'both'),
    'nearest label': ('repeat', 'both'),
    'image model of each frame': ('image', 'nearest'),
}
MODELS_IN_ORDER = {
    'all': 'image model, all labels',
    'few': 'image model, every {k}th frame',
    'more': 'the same, trained on',
    'warper': 'PoseWarper on it, five frames',
    'warped': 'image model, labels carried over by PoseWarper',
    'straight': 'image model, labels interpolated',
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'data', help='folder that make_synthetic_penn.py wrote'
    )
    parser.add_argument('--work-dir', required=True)
    parser.add_argument('--every', type=int, default=7, help='default: 7')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument(
        '--steps', type=int, default=800, help='of an image model'
    )
    parser.add_argument(
        '--warper-steps',
        type=int,
        default=400,
        help='of a PoseWarper, and of the image model trained on',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()
    import rpstn_mmpose  # noqa: F401  keeps known warnings off

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import DATASETS, MODELS

from rpstn_mmpose.checkpoints.atomic_file import write_atomically
from rpstn_mmpose.checkpoints.files import read_checkpoint
from rpstn_mmpose.datasets import PennActionDataset
from rpstn_mmpose.datasets.sparse_labels import keep_every
from rpstn_mmpose.datasets.tracks import Track
from rpstn_mmpose.evaluation.tables import markdown_table
from rpstn_mmpose.experiments.stats import describe
from rpstn_mmpose.experiments.tables import format_stat
from rpstn_mmpose.recipes import config_path
from rpstn_mmpose.systems.posewarper.label_files import videos_of_dataset
from rpstn_mmpose.systems.posewarper.label_output import (
    label_content,
    write_labels,
)
from rpstn_mmpose.systems.posewarper.propagation import load_propagator
from rpstn_mmpose.systems.posewarper.propagation_score import score_by_distance


class Study:
    """One seed.

    Args:
        args: Of the command line.
        seed: Of weights, order and labelled frames.
    """

    def __init__(self, args: argparse.Namespace, seed: int) -> None:
        self.args, self.seed = args, seed
        self.folder = Path(args.work_dir) / f'seed{seed}'
        self.data = str(Path(args.data).resolve())

    def config(self, recipe: str, steps: int, **dataset: Any) -> Config:
        """A recipe with a number of steps, on this data."""
        config = Config.fromfile(config_path(recipe))
        train = config.train_dataloader
        train.dataset.update(data_root=self.data, **dataset)
        train.sampler = dict(type='InfiniteSampler', shuffle=True)
        config.train_cfg = dict(
            type='IterBasedTrainLoop', max_iters=steps, val_interval=steps + 1
        )
        config.param_scheduler = [
            dict(config.param_scheduler[0]),
            dict(
                type='CosineAnnealingLR',
                begin=0,
                end=steps,
                T_max=steps,
                eta_min=2e-5,
                by_epoch=False,
            ),
        ]
        config.default_hooks.checkpoint = dict(
            type='AtomicCheckpointHook', by_epoch=False, interval=steps
        )
        for part in ('val', 'test'):
            for name in ('dataloader', 'cfg', 'evaluator'):
                config.pop(f'{part}_{name}', None)
        config.randomness = dict(seed=self.seed)
        config.load_from = None
        return config

    def train(self, name: str, config: Config, start: str = '') -> str:
        """The checkpoint of a training; one that is there is taken."""
        config.work_dir = str(self.folder / name)
        steps = config.train_cfg.max_iters
        path = Path(config.work_dir) / f'iter_{steps}.pth'
        if not path.is_file():
            if config.model.type == 'PoseWarper':
                config.model.image_pretrained = dict(checkpoint=start)
            elif start:
                config.load_from = start
            Runner.from_cfg(config).train()
        return str(path)

    def test(self, recipe: str, checkpoint: str) -> dict[str, float]:
        """PCK of visible and hidden joints, frame by frame."""
        config = Config.fromfile(config_path(recipe))
        config.model.pop('image_pretrained', None)
        config.model.test_cfg = dict(flip_test=False)
        model = MODELS.build(config.model).eval()
        model.load_state_dict(read_checkpoint(checkpoint)['state_dict'])
        data = DATASETS.build(
            dict(config.val_dataloader.dataset, data_root=self.data)
        )
        evaluator = Evaluator(METRIC)
        evaluator.dataset_meta = data.metainfo
        with torch.no_grad():
            for first in range(0, len(data), 16):
                rows = range(first, min(first + 16, len(data)))
                samples = model.test_step(
                    pseudo_collate([data[row] for row in rows])
                )
                evaluator.process(samples)
        scores = evaluator.evaluate(len(data))
        return dict(
            visible=scores['PCK/mPCK'], hidden=scores['PCK/mPCK_occluded']
        )

    def carry(self, split: str, checkpoint: str, carrier: str) -> list[tuple]:
        """Labels of a split, carried over: videos, poses, what was left out
        and the joints' names.
        """
        method, sides = CARRIERS[carrier]
        pictures = method in ('warp', 'image')
        tool = load_propagator(
            config_path(WARPER),
            checkpoint if pictures else None,
            method=method,
            sides=sides,
        )
        names = tool.metainfo['keypoint_id2name']
        joints = [names[number] for number in sorted(names)]
        dataset = Config.fromfile(config_path(WARPER)).val_dataloader.dataset
        dataset = DATASETS.build(
            dict(dataset, data_root=self.data, split=split)
        )
        found = []
        for video in videos_of_dataset(dataset):
            track = Track(video.name, frame_ids=video.frames())
            kept = keep_every([track], self.args.every, self.seed)[video.name]
            left_out = video.keep(kept.tolist())
            poses = tool(video.source, video.people, video.num_frames)
            found.append((video, poses, left_out, joints))
        return found

    def carried_over(self, checkpoint: str, carrier: str) -> str:
        """File of the training labels, carried over."""
        path = self.folder / f'{carrier.replace(" ", "_")}.json'
        if not path.is_file():
            found = self.carry('train', checkpoint, carrier)
            videos, poses, _, joints = zip(*found)
            write_labels(path, label_content(videos, poses, joints[0]))
        return str(path.resolve())

    def compare(self, checkpoint: str, carrier: str) -> dict:
        """PCK of carried-over labels of the test videos, by distance."""
        counts: dict[str, dict[str, list[int]]] = {}
        for _, poses, left_out, joints in self.carry(
            'test', checkpoint, carrier
        ):
            scores = score_by_distance(poses, left_out, joints)
            for away, shares in scores.items():
                for kind, share in shares.items():
                    total = counts.setdefault(str(away), {}).setdefault(
                        kind, [0, 0]
                    )
                    total[0] += share.correct
                    total[1] += share.total
        return counts

    def run(self) -> dict:
        """All of it; what was done already is not done again."""
        path = self.folder / 'result.json'
        if path.is_file():
            return json.loads(path.read_text())
        args, few = (
            self.args,
            dict(label_every=self.args.every, label_seed=self.seed),
        )
        models = {
            'all': self.train('all', self.config(IMAGE, args.steps)),
            'few': self.train('few', self.config(IMAGE, args.steps, **few)),
        }
        for name, recipe in (('more', IMAGE), ('warper', WARPER)):
            config = self.config(recipe, args.warper_steps, **few)
            models[name] = self.train(name, config, models['few'])
        for name, carrier in (
            ('warped', 'PoseWarper, both sides'),
            ('straight', 'interpolation'),
        ):
            file = self.carried_over(models['warper'], carrier)
            config = self.config(
                IMAGE,
                args.steps,
                type='PoseTrackClipDataset',
                metainfo=PennActionDataset.METAINFO,
                ann_file=file,
            )
            models[name] = self.train(name, config)
        result = dict(
            models={
                name: self.test(WARPER if name == 'warper' else IMAGE, weights)
                for name, weights in models.items()
            },
            labels={
                carrier: self.compare(models['warper'], carrier)
                for carrier in CARRIERS
            },
        )
        write_atomically(json.dumps(result).encode(), str(path))
        return result


def tables(results: list[dict], every: int) -> str:
    """Two Markdown tables: models, and labels by distance."""

    def cell(values: list[float]) -> str:
        return format_stat(describe(values))

    rows = [['model', 'visible', 'hidden']]
    for name, title in MODELS_IN_ORDER.items():
        scores = [result['models'][name] for result in results]
        rows.append(
            [title.format(k=every)]
            + [cell([s[kind] for s in scores]) for kind in rows[0][1:]]
        )
    columns = [
        (away, kind)
        for away in range(1, every // 2 + 1)
        for kind in ('visible', 'hidden')
    ]
    labels = [
        ['labels by']
        + [f'{away} frame{"s"[: away > 1]}, {kind}' for away, kind in columns]
    ]
    for carrier in CARRIERS:
        row = [carrier]
        for away, kind in columns:
            counts = [
                result['labels'][carrier].get(str(away), {}).get(kind, [0, 0])
                for result in results
            ]
            row.append(
                cell([100 * c / n if n else math.nan for c, n in counts])
            )
        labels.append(row)
    return f'{markdown_table(rows)}\n{markdown_table(labels)}'


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    init_default_scope('mmpose')
    if not (Path(args.data) / 'labels').is_dir():
        sys.exit(
            f'sparse_labels.py: error: {args.data} has no labels; write it '
            'with make_synthetic_penn.py'
        )
    results = []
    for seed in args.seeds:
        results.append(Study(args, seed).run())
        print(tables(results, args.every), flush=True)


if __name__ == '__main__':
    main()
