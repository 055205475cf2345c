# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Poses before and after a refiner, by the kind of error.

Trains on generated people, for each seed, the image model with and without
JRE, and from it the refiner, the refiner with JRE in its head, and a plain
second pass: the same network, which sees no pose. All of them are tested on
the image models' poses.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple, Sequence

# Before the packages that warn of others' deprecations are imported.
warnings.filterwarnings('ignore')

DATA = 'synthetic-posetrack-128x128'
STAGE_1 = f'td-hm_tiny_1xb16-4e_{DATA}'
REFINER = f'posefix_tiny_1xb16-4e_{DATA}'
METAINFO = 'configs/_base_/datasets/posetrack18.py'
JRE = {'model.head.type': 'JREHead'}
CHANGES = {
    'jre': {'model.head.relation.type': 'JointRelationExtractor'},
    'plain': {'model.level': 0},
}
THR = 0.2
# What is refined, and by which run of the refiner; '' is the image model.
ROWS = (
    ('SBL', '', None),
    ('SBL, plain second pass', '', 'plain'),
    ('SBL, PoseFix', '', ''),
    ('SBL, PoseFix with JRE in its head', '', 'jre'),
    ('SBL-JRE', 'jre', None),
    ('SBL-JRE, plain second pass', 'jre', 'plain'),
    ('SBL-JRE, PoseFix (PoseFix-JRE of the paper)', 'jre', ''),
    ('SBL-JRE, PoseFix with JRE in its head', 'jre', 'jre'),
)


class Truth(NamedTuple):
    """Annotations of N people in the order of the test data.

    Attributes:
        keypoints: (N, K, 2), pixels.
        labeled: (N, K) bool.
        visible: (N, K) bool.
        bboxes: (N, 4).
        images: N ids.
        near: N arrays (M, K, 2) of the people beside.
    """

    keypoints: np.ndarray
    labeled: np.ndarray
    visible: np.ndarray
    bboxes: np.ndarray
    images: list
    near: list


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--data-root',
        type=Path,
        required=True,
        help='what make_synthetic_posetrack.py wrote',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/refine'),
        help='folder of runs and refine.md (default: work_dirs/refine)',
    )
    parser.add_argument(
        '--seeds', type=int, nargs='+', default=[0, 1, 2], help='of trainings'
    )
    parser.add_argument(
        '--max-epochs', type=int, help='of every training (default: 4)'
    )
    args = parser.parse_args(argv)
    args.seeds = list(dict.fromkeys(args.seeds))
    if min(args.seeds) < 0 or (args.max_epochs or 1) < 1:
        parser.error('--seeds must not be negative, --max-epochs positive')
    return args


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

import numpy as np
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from rpstn_mmpose import config_path
from rpstn_mmpose.checkpoints.atomic_file import write_atomically
from rpstn_mmpose.evaluation.functional import pck_counts, reference_length
from rpstn_mmpose.evaluation.tables import markdown_table
from rpstn_mmpose.experiments import execution
from rpstn_mmpose.experiments.configs import load_config
from rpstn_mmpose.experiments.plan import make_run
from rpstn_mmpose.experiments.results import Metric, load_record
from rpstn_mmpose.systems.posefix.error_kinds import error_kinds
from rpstn_mmpose.systems.posefix.error_table import KINDS, read_skeleton
from rpstn_mmpose.systems.posefix.pose_errors import radii, reference_points
from rpstn_mmpose.systems.posefix.transforms import AddNearPeople
from rpstn_mmpose.visualization import load_model_and_dataset

METRIC = Metric('PoseTrack/Total')


def train(
    args: Any, config: str, seed: int, label: str = '', change: Any = None
) -> Path:
    """Train a config, or a change of it, if it is not done; its folder.

    Raises:
        ValueError: The run failed.
    """
    name = f'{config}+{label}' if label else config
    run = make_run(
        name,
        load_config(config_path(config), args.max_epochs, change, False),
        seed,
        args.out / name / f'seed{seed}',
        args.data_root,
    )
    if execution.run_all([run], args.out, metric=METRIC):
        raise ValueError(f'{run} failed; see {run.work_dir / execution.LOG}')
    return run.work_dir


def checkpoint_of(folder: Path) -> Path:
    record = load_record(folder / execution.RESULT_FILE)
    return (folder / record['checkpoint']).resolve()


def predict(folder: Path, poses: Path | None = None) -> np.ndarray:
    """Keypoints (N, K, 2) that a run's model finds in the test data.

    Args:
        folder: Of the run.
        poses: What a refiner refines.
    """
    config = Config.fromfile(folder / execution.CONFIG)
    if poses is not None:
        for step in config.test_dataloader.dataset.pipeline:
            if step.type == 'LoadInputPose':
                step.pose_file = str(poses)
    model, dataset = load_model_and_dataset(config, checkpoint_of(folder))
    loader = DataLoader(
        dataset,
        batch_size=config.test_dataloader.batch_size,
        collate_fn=pseudo_collate,
    )
    return np.concatenate(
        [
            sample.pred_instances.keypoints
            for batch in loader
            for sample in model.test_step(batch)
        ]
    )


def read_truth(folder: Path) -> Truth:
    """The test data of a run."""
    config = Config.fromfile(folder / execution.CONFIG)
    _, dataset = load_model_and_dataset(config, checkpoint_of(folder))
    beside, people = AddNearPeople(), []
    for index in range(len(dataset)):
        info = dict(dataset.get_data_info(index), dataset=dataset)
        people.append(beside.transform(info))

    def stacked(key: str) -> np.ndarray:
        return np.concatenate([person[key] for person in people])

    return Truth(
        stacked('keypoints'),
        stacked('keypoints_labeled') > 0,
        stacked('keypoints_visible') > 0,
        stacked('bbox'),
        [person['img_id'] for person in people],
        [person['near_keypoints'] for person in people],
    )


def write_poses(found: np.ndarray, truth: Truth, path: Path) -> None:
    """Poses as results in COCO's form."""
    results = []
    for image, box, pose in zip(truth.images, truth.bboxes, found):
        x1, y1, x2, y2 = map(float, box)
        points = np.column_stack([pose, np.ones(len(pose))])
        results.append(
            dict(
                image_id=image,
                category_id=1,
                keypoints=points.ravel().tolist(),
                bbox=[x1, y1, x2 - x1, y2 - y1],
                score=1.0,
            )
        )
    write_atomically(json.dumps(results).encode(), path)


def kinds_of(found: np.ndarray, truth: Truth, skeleton: Any) -> np.ndarray:
    """Kind of error (N, K) of each labelled joint, -1 of the others."""
    sides = truth.bboxes[:, 2:] - truth.bboxes[:, :2]
    out = []
    for row, pose in enumerate(found):
        known = truth.labeled[row]
        own = np.where(known[:, None], truth.keypoints[row], np.nan)
        points = reference_points(
            own, known, truth.near[row], skeleton.mirrored
        )
        rings = radii(sides[row].prod(), skeleton.sigmas)
        out.append(error_kinds(pose, points, rings))
    return np.stack(out)


def shares_right(
    found: np.ndarray, truth: Truth, kinds: np.ndarray, names: Sequence[str]
) -> list[tuple[int, int]]:
    """Right and counted visible joints: of all, then by kind of the input."""
    length = reference_length(
        'torso', names, truth.keypoints, truth.labeled, truth.bboxes
    )
    counts = []
    for kind in (None, *range(len(KINDS))):
        mask = truth.visible & (True if kind is None else kinds == kind)
        right, total = pck_counts(found, truth.keypoints, mask, length, THR)
        counts.append((int(right.sum()), int(total.sum())))
    return counts


def one_seed(args: Any, seed: int, skeleton: Any) -> dict[str, list]:
    """Counts of all rows, by name."""
    first = {
        '': train(args, STAGE_1, seed),
        'jre': train(args, STAGE_1, seed, 'jre', JRE),
    }
    truth = read_truth(first[''])
    found, files, kinds = {}, {}, {}
    for name, folder in first.items():
        files[name] = folder.resolve() / 'poses.json'
        found[name] = predict(folder)
        write_poses(found[name], truth, files[name])
        kinds[name] = kinds_of(found[name], truth, skeleton)
    start = {
        'load_from': str(checkpoint_of(first[''])),
        'test_dataloader.dataset.pipeline.1.pose_file': str(files['']),
    }
    runs = {
        name: train(args, REFINER, seed, name, {**start, **change})
        for name, change in {'': {}, **CHANGES}.items()
    }
    rows = {}
    for title, given, by in ROWS:
        poses = found[given]
        if by is not None:
            poses = predict(runs[by], files[given])
        rows[title] = shares_right(poses, truth, kinds[given], skeleton.names)
    return rows


def table(seeds: list[dict[str, list]]) -> str:
    """Means over seeds, and spreads of the first column."""
    head = [f'PCK@{THR:g} torso', 'all', *KINDS]
    rows = [head]
    for title, _, _ in ROWS:
        with np.errstate(invalid='ignore'):
            shares = 100 * np.array(
                [[r / n if n else np.nan for r, n in s[title]] for s in seeds]
            )
        cells = [
            '–' if np.isnan(c).all() else f'{np.nanmean(c):.1f}'
            for c in shares.T
        ]
        if len(seeds) > 1:
            cells[0] += f' ± {shares[:, 0].std(ddof=1):.1f}'
        rows.append([title, *cells])
    for title, _, by in ROWS:
        if by is None:
            counts = np.mean([[n for _, n in s[title]] for s in seeds], axis=0)
            rows.append([f'joints of {title}', *(f'{n:.0f}' for n in counts)])
    return markdown_table(rows)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        skeleton = read_skeleton(METAINFO)
        seeds = []
        for seed in args.seeds:
            seeds.append(one_seed(args, seed, skeleton))
            text = (
                f'{table(seeds)}\nVisible joints of {args.data_root}, seeds '
                f'{args.seeds[: len(seeds)]}; columns by what the image '
                'model made of a joint.\n'
            )
            write_atomically(text.encode(), args.out / 'refine.md')
            write_atomically(
                json.dumps(dict(zip(args.seeds, seeds))).encode(),
                args.out / 'refine.json',
            )
        print(f'\n{text}\nwrote {args.out / "refine.md"}')
    except (OSError, ValueError) as error:
        sys.exit('refine_report: ' + ' '.join(str(error).split()))
    except KeyboardInterrupt:
        sys.exit('refine_report: interrupted; call it again to go on')


if __name__ == '__main__':
    main()
