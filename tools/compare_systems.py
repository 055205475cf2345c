# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Every 2D system and its single-frame twin on one generated benchmark.

Writes the data, trains an image model, and from it each system with as many
frames as the others, the image model among them; tests all of them on whole
videos, and writes a table, its numbers and a picture.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import csv
import io
import json
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any, Dict, NamedTuple, Sequence, Tuple

# Before the packages that warn of others' deprecations are imported.
warnings.filterwarnings('ignore')

TRACKS = 'synthetic-penn-tracks-128x128'
IMAGE = f'td-hm_tiny_1xb16-4e_{TRACKS}'
VIDEO = f'rpstn_tiny_1xb8-1e_{TRACKS}'
WARPER = f'posewarper_tiny_1xb16-2e_{TRACKS}'
CORRECTOR = f'dcpose_tiny_1xb16-2e_{TRACKS}'
VECTORS = f'rtmpose_tiny_1xb16-4e_{TRACKS}'
REGRESSION = f'dsta_tiny_1xb16-4e_{TRACKS}'
REFINER = f'posefix_tiny_1xb16-4e_{TRACKS}'
DKD = {'model.neck.num_convs': 3, 'model.head.relation': None}
ONE_FRAME = {
    'model.clip_offsets': [0],
    'train_dataloader.dataset.clip_offsets': [0],
    'test_dataloader.dataset.clip_offsets': [0],
}
# 3D systems, with frames of the future and without.
LIFTERS = tuple(
    f'{name}_tiny-27frm{ending}_1xb256-5e_synthetic-h36m'
    for name in ('video-pose3d', 'anatomy3d')
    for ending in ('', '-causal')
)
PENN = 'Penn Action, PCK@0.2 torso'
TRACK17 = 'PoseTrack17 val, AP'


class Row(NamedTuple):
    """A system.

    Attributes:
        key: Name of its folder.
        title: Name in the table.
        recipe: That it is trained by.
        start: Key of the row whose weights it starts from.
        change: Of the recipe, by dotted key.
        frames: That a labelled frame takes through the network in training.
        memory: Its name, on the model of ``start``, which is tested as it
            is.
        lookahead: Whether the memory reads the video in both directions.
        above: Whether it runs on top of ``start``, whose cost is added.
        needs: What its training needs.
        paper: Figure of the system's paper, with its data.
    """

    key: str
    title: str
    recipe: str = IMAGE
    start: str = 'start'
    change: dict[str, Any] = {}
    frames: int = 1
    memory: str = ''
    lookahead: bool = False
    above: bool = False
    needs: str = 'sparse labels'
    paper: str = '–'


# Titles of rows that sit on the image model begin with a plus.
ROWS = (
    Row('image', 'image model', paper=f'91.4 ({PENN}; in RPSTN)'),
    Row(
        'mean',
        '+ mean of heatmaps',
        start='image',
        memory='mean',
        needs='nothing',
    ),
    Row(
        'mean-both',
        '+ mean, both directions',
        start='image',
        memory='mean',
        lookahead=True,
        needs='nothing',
    ),
    Row(
        'learned',
        '+ learned memory',
        start='image',
        memory='learned',
        needs='all labels',
    ),
    Row(
        'learned-both',
        '+ learned memory, both directions',
        start='image',
        memory='learned',
        lookahead=True,
        needs='all labels',
    ),
    Row(
        'posewarper',
        '+ PoseWarper',
        WARPER,
        start='image',
        frames=2,
        paper=f'81.2 ({TRACK17})',
    ),
    Row(
        'dcpose',
        '+ DCPose',
        CORRECTOR,
        start='image',
        frames=3,
        paper=f'82.8 ({TRACK17})',
    ),
    Row(
        'posefix',
        '+ PoseFix',
        REFINER,
        start='image',
        above=True,
        paper='72.4, without 70.0 (COCO test-dev, AP; in RPSTN)',
    ),
    Row(
        'dkd',
        'DKD',
        VIDEO,
        change=DKD,
        needs='all labels',
        paper=f'90.6 ({PENN}; in RPSTN)',
    ),
    Row('rpstn', 'RPSTN', VIDEO, needs='all labels', paper=f'95.4 ({PENN})'),
    Row('rtmpose', "RTMPose's head", VECTORS),
    Row(
        'rtmpose-read',
        "RTMPose's head, read as heatmaps",
        VECTORS,
        start='rtmpose',
        memory='none',
        needs='nothing',
    ),
    Row(
        'rtmpose-mean',
        "RTMPose's head, mean of heatmaps",
        VECTORS,
        start='rtmpose',
        memory='mean',
        needs='nothing',
    ),
    Row(
        'rtmpose-both',
        "RTMPose's head, mean, both directions",
        VECTORS,
        start='rtmpose',
        memory='mean',
        lookahead=True,
        needs='nothing',
    ),
    Row('dsta-one', 'DSTA, one frame', REGRESSION, change=ONE_FRAME),
    Row('dsta', 'DSTA', REGRESSION, frames=3, paper=f'85.6 ({TRACK17})'),
)


class Preset(NamedTuple):
    """How much is done.

    Attributes:
        data: Settings of the generator, beside ``trajectories``.
        frames: Of a test video, at most; clips of the models with a memory
            are whole videos.
        start: Epochs of the image model that all start from.
        epochs: Epochs of each row, if a labelled frame is one frame.
        seeds: Of the trainings.
        full_width: 256 x 256 pixels and a ResNet-18 as in ImageNet's models,
            in place of 128 x 128 and a quarter of the channels.
    """

    data: dict[str, Any]
    frames: int
    start: int
    epochs: int
    seeds: tuple[int, ...]
    full_width: bool = False


# People move about as fast as in real clips; one in two videos has somebody
# who walks past in front.
SCENES = dict(speed=2, occluder_people=0.5)
PRESETS = {
    'quick': Preset(dict(SCENES, num_train=400, num_test=40), 20, 6, 2, (0,)),
    'full': Preset(
        dict(SCENES, num_train=600, num_test=150), 20, 8, 6, (0, 1, 2)
    ),
    'gpu': Preset(
        dict(SCENES, num_train=600, num_test=150, image_size=(320, 240)),
        20,
        8,
        6,
        (0, 1, 2),
        full_width=True,
    ),
}
TRAIN_FRAMES = 10
# Numbers of a recipe, and what they are at full width.
FULL_WIDTH = {
    ('in_channels', 128): 512,
    ('in_channels', 32): 256,
    ('stem_channels', 16): 64,
    ('base_channels', 16): 64,
    ('deconv_out_channels', (64, 48, 32)): (256, 256, 256),
    ('input_size', (128, 128)): (256, 256),
    ('heatmap_size', (32, 32)): (64, 64),
    ('sigma', 1.5): 2.0,
    ('sigma', 3.5): 7.0,
    ('in_featuremap_size', (4, 4)): (8, 8),
    ('hidden_dims', 64): 256,
    ('s', 32): 128,
    ('sigma', 4.0): 5.66,
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Called again with the same arguments, it goes on where it '
        'was stopped. OUT has table.md, results.csv, cost.png, the data, and '
        "a folder for each row with the runs' logs, configs and checkpoints.",
    )
    parser.add_argument(
        '--preset',
        choices=sorted(PRESETS),
        default='quick',
        help='quick: one seed, 20 minutes of two cores; full: three seeds, '
        'hours; gpu: the same at full width, 256 x 256 (default: quick)',
    )
    parser.add_argument(
        '--trajectories',
        type=Path,
        metavar='LABELS_DIR',
        help="Penn Action's label files, along which people move (default: "
        "the generator's own motions)",
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/compare'),
        help='folder of everything (default: work_dirs/compare)',
    )
    parser.add_argument(
        '--rows',
        nargs='+',
        metavar='ROW',
        choices=[row.key for row in ROWS],
        help=f'the wanted ones of {" ".join(row.key for row in ROWS)}, '
        'image, and what they start from (default: all)',
    )
    parser.add_argument(
        '--seeds',
        nargs='+',
        type=int,
        metavar='SEED',
        help='of the trainings (default: those of the preset)',
    )
    parser.add_argument(
        '--jobs',
        type=int,
        default=2,
        help='trainings at a time; they share the cores (default: 2)',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=0,
        help='processes that load data for each training, for a GPU (default: '
        'none)',
    )
    parser.add_argument(
        '--memory-weights',
        type=Path,
        metavar='FILE',
        help='of a LearnedHeatmapMemory, as train_memory.py leaves them: rows '
        'learned and learned-both',
    )
    parser.add_argument(
        '--lifters',
        action='store_true',
        help='the 3D systems, too, on generated motion capture: a table in '
        'OUT/lifters/results.md, minutes more for a seed',
    )
    args = parser.parse_args(argv)
    args.preset = PRESETS[args.preset]
    args.seeds = tuple(dict.fromkeys(args.seeds or args.preset.seeds))
    if min(*args.seeds, args.workers) < 0 or args.jobs < 1:
        parser.error(
            '--seeds and --workers must not be negative, --jobs at least 1'
        )
    if args.memory_weights and not args.memory_weights.is_file():
        parser.error(f'--memory-weights: {args.memory_weights} is not there')
    return args


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

import numpy as np
from mmengine.config import Config

from rpstn_mmpose.checkpoints.atomic_file import write_atomically
from rpstn_mmpose.evaluation.model_cost import cpu_name
from rpstn_mmpose.evaluation.tables import markdown_table
from rpstn_mmpose.experiments import execution
from rpstn_mmpose.experiments.configs import load_config, without_training
from rpstn_mmpose.experiments.figures import plot_cost
from rpstn_mmpose.experiments.pck import score
from rpstn_mmpose.experiments.plan import Run, make_run, plan_runs
from rpstn_mmpose.experiments.results import Metric, csv_row
from rpstn_mmpose.experiments.side_by_side import run_side_by_side
from rpstn_mmpose.experiments.stats import describe
from rpstn_mmpose.experiments.stream_cost import stream_cost
from rpstn_mmpose.experiments.tables import format_stat
from rpstn_mmpose.models.pose_estimators.memory_estimator import (
    MEMORIES,
    with_memory,
)
from rpstn_mmpose.recipes import config_path
from rpstn_mmpose.synthetic import generate_penn
from rpstn_mmpose.synthetic.generate_h36m import generate_h36m
from rpstn_mmpose.visualization import load_model_and_dataset, predict_videos

START = Row('start', 'start of all', start='')
POSES = 'poses.json'
COST = 'cost.json'
KINDS = {
    'visible': 'visible',
    'by_thing': 'hidden by things',
    'by_person': 'hidden by people',
}
# Unit and digits of what a stream costs, in the order of the columns.
COSTS = dict(
    params=(1e6, 2), gmacs_per_frame=(1, 3), milliseconds=(1, 1), delay=(1, 0)
)
Runs = Dict[Tuple[str, int], Run]


# What is run


def widen(value: Any) -> None:
    """Give a config the numbers of ``FULL_WIDTH``, in place."""
    if isinstance(value, dict):
        for key, item in value.items():
            item = tuple(item) if isinstance(item, (list, tuple)) else item
            for (name, small), large in FULL_WIDTH.items():
                if key == name and item == small:
                    value[key] = large
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, (dict, list, tuple)):
            widen(item)


def with_hidden_joints(steps: list) -> list:
    """A training pipeline whose targets are hidden joints, too."""
    stock = False
    for step in steps:
        stock |= step.type == 'GenerateTarget'
        if step.type == 'GenerateClipTarget':
            step.occluded_weight = 1.0
    if not stock:
        return steps
    return [steps[0], dict(type='LabeledAsVisible'), *steps[1:]]


def memories_of(args: argparse.Namespace) -> dict[str, Any]:
    """Memories that are there, by name."""
    memories: dict[str, Any] = dict(
        MEMORIES, none=dict(type='RecursiveHeatmapMean', weight=0.0)
    )
    if args.memory_weights:
        memories['learned'] = dict(
            type='LearnedHeatmapMemory',
            weights=str(args.memory_weights.resolve()),
        )
    return memories


def config_of(
    row: Row, preset: Preset, memories: dict = MEMORIES, workers: int = 0
) -> Config:
    """The config of a row for any seed."""
    epochs = preset.start if row is START else preset.epochs
    cfg = load_config(
        config_path(row.recipe), -(-epochs // row.frames), row.change
    )
    cfg.load_from = None
    cfg.model.test_cfg.flip_test = False
    loader = cfg.train_dataloader
    loader.num_workers, loader.persistent_workers = workers, workers > 0
    loader.dataset.pipeline = with_hidden_joints(loader.dataset.pipeline)
    if row.memory:
        cfg.model = with_memory(cfg.model, memories[row.memory])
        cfg.model.test_cfg.both_directions = row.lookahead
        cfg.test_dataloader = load_config(config_path(VIDEO)).test_dataloader
        without_training(cfg)
    test = cfg.test_dataloader
    if test.dataset.get('clip_length', 1) > 1:
        test.batch_size, test.dataset.clip_length = 4, preset.frames
    if preset.full_width:
        widen(cfg._cfg_dict)
    return cfg


def wanted_rows(args: argparse.Namespace) -> list[Row]:
    """Rows that are asked for, of which the parts are there, and those that
    they start from.
    """
    keys = {'image', *(args.rows or (row.key for row in ROWS))}
    keys |= {row.start for row in ROWS if row.key in keys}
    there = ('', *memories_of(args))
    return [row for row in ROWS if row.key in keys and row.memory in there]


def plan(args: argparse.Namespace, rows: Sequence[Row], data: Path) -> Runs:
    """All runs; what trains comes before what is only tested."""
    runs: Runs = {}
    for row in (START, *sorted(rows, key=lambda row: bool(row.memory))):
        run = make_run(
            row.title,
            config_of(row, args.preset, memories_of(args), args.workers),
            args.seeds[0],
            args.out / row.key,
            data,
            runs.get((row.start, args.seeds[0])),
        )
        for seed in args.seeds:
            runs[row.key, seed] = run._replace(
                seed=seed,
                work_dir=args.out / row.key / f'seed{seed}',
                start=runs.get((row.start, seed)),
                cfg=with_poses(run.cfg, runs.get((row.start, seed))),
            )
    return runs


def with_poses(cfg: Config, start: Run | None) -> Config:
    """A config that refines the poses of another run, if it refines any."""
    cfg = copy.deepcopy(cfg)
    for step in steps_of(cfg):
        if step.type == 'LoadInputPose':
            step.pose_file = str(start.work_dir.resolve() / POSES)
    return cfg


def steps_of(cfg: Config) -> list:
    return cfg.test_dataloader.dataset.pipeline


def refines(run: Run) -> bool:
    return any(step.type == 'LoadInputPose' for step in steps_of(run.cfg))


def load(run: Run) -> tuple[Any, Any]:
    """Model and test data of a finished run, on the CPU."""
    record = execution.finished_record(run)
    with contextlib.redirect_stdout(io.StringIO()):  # names the file
        return load_model_and_dataset(
            run.work_dir / execution.CONFIG,
            run.work_dir / record['checkpoint'],
            device='cpu',
        )


def write_poses(run: Run) -> None:
    """Leave a model's poses of the test videos, for refiners."""
    model, dataset = load(run)
    poses = []
    for video, people in predict_videos(model, dataset).items():
        for frame, points, scores, box in zip(
            people.frame_ids,
            people.keypoints,
            people.keypoint_scores,
            people.bboxes,
        ):
            joints = np.column_stack([points, scores])
            poses.append(
                dict(
                    image_id=f'{video}/{frame}',
                    category_id=1,
                    keypoints=joints.ravel().tolist(),
                    score=float(scores.mean()),
                    bbox=[*box[:2].tolist(), *(box[2:] - box[:2]).tolist()],
                )
            )
    write_atomically(json.dumps(poses).encode(), run.work_dir / POSES)


def before(run: Run) -> None:
    """Leave the poses that a run refines."""
    if refines(run) and not (run.start.work_dir / POSES).is_file():
        write_poses(run.start)


# What it costs


def cost_of(run: Run, lookahead: int) -> dict[str, Any]:
    """What :func:`stream_cost` counts; done once for a finished run."""
    path = run.work_dir / COST
    if path.is_file():
        found = json.loads(path.read_text())
        if found.pop('settings') == run.settings:
            return found
    model, dataset = load(run)
    found = stream_cost(model, run.cfg, dataset[0]['inputs'], lookahead)
    content = json.dumps(dict(found, settings=run.settings))
    write_atomically(content.encode(), path)
    return found


def costs_of(
    runs: Runs, rows: Sequence[Row], args: argparse.Namespace
) -> dict[str, dict]:
    """Costs of the rows whose first run is finished, by key."""
    costs: dict[str, dict] = {}
    for row in rows:
        run = runs[row.key, args.seeds[0]]
        if execution.finished_record(run) is not None:
            ahead = args.preset.frames - 1 if row.lookahead else 0
            cost = costs[row.key] = cost_of(run, ahead)
            if row.above:
                for key, value in costs[row.start].items():
                    known = None not in (cost[key], value)
                    cost[key] = cost[key] + value if known else None
    return costs


# What is reported


def table(rows: Sequence[Row], records: dict, costs: dict) -> str:
    """Markdown, a line for each row with a finished run."""
    cells = [
        ['PCK@0.2', *KINDS.values(), 'params, M', 'GMACs', 'ms', 'delay']
        + ['training needs', "its paper's"]
    ]
    for row in rows:
        if not records[row.key]:
            continue
        line = [row.title]
        for kind in KINDS:
            values = [score(record, kind) for record in records[row.key]]
            line.append(format_stat(describe(values)).replace(' ± –', ''))
        cost = costs.get(row.key, {})
        for name, (unit, digits) in COSTS.items():
            value = cost.get(name)
            line.append('–' if value is None else f'{value / unit:.{digits}f}')
        cells.append([*line, row.needs, row.paper])
    return markdown_table(cells)


def notes(args: argparse.Namespace, manifest: dict) -> str:
    """What a reader of the table has to know."""
    preset, videos = args.preset, manifest['num_videos']
    joints = manifest['joints']
    inside = sum(joints.values()) - joints['outside']
    things, people = (
        100 * joints[kind] / inside for kind in ('occluder', 'person')
    )
    along = 'real' if args.trajectories else "the generator's"
    lines = [
        f'Generated videos along {along} motions: {videos["train"]} to train '
        f'on, {videos["test"]} to test on; of their joints things hide '
        f'{things:.0f} % and people {people:.0f} %.',
        f'All start from one image model ({preset.start} epochs) and see as '
        f'many frames in training as the image model in {preset.epochs} '
        'further epochs; rows with a plus sit on that one, which they leave '
        'as it is. Hidden joints are targets. No flip test; models with a '
        'memory are tested on whole videos.',
        'GMACs and ms of a stream: a frame, one person, one core of '
        f'{cpu_name()}; delay in frames.',
    ]
    if len(args.seeds) == 1:
        lines.append(
            f'ONE seed ({args.seeds[0]}): another one moves a row by a point '
            'or so.'
        )
    else:
        lines.append(f'Mean ± standard deviation of {len(args.seeds)} seeds.')
    return ''.join(f'- {line}\n' for line in lines)


def write_numbers(
    rows: Sequence[Row], records: dict, costs: dict, path: Path
) -> None:
    """A line for each run, as a CSV file."""
    lines = [
        dict(
            system=row.title,
            **{
                f'stream_{key}': value
                for key, value in costs.get(row.key, {}).items()
            },
            **csv_row(record),
        )
        for row in rows
        for record in records[row.key]
    ]
    text = io.StringIO()
    names = list(dict.fromkeys(name for line in lines for name in line))
    writer = csv.DictWriter(text, names, lineterminator='\n')
    writer.writeheader()
    writer.writerows(lines)
    write_atomically(text.getvalue().encode(), path)


def report(
    args: argparse.Namespace,
    rows: Sequence[Row],
    runs: Runs,
    manifest: dict,
    costs: dict[str, dict],
) -> str:
    """Write table, numbers and picture of the finished runs; the table."""
    records = {
        row.key: [
            record
            for seed in args.seeds
            if (record := execution.finished_record(runs[row.key, seed]))
        ]
        for row in rows
    }
    text = f'{table(rows, records, costs)}\n{notes(args, manifest)}'
    write_atomically(text.encode(), args.out / 'table.md')
    write_numbers(rows, records, costs, args.out / 'results.csv')
    drawn = [
        dict(record, gmacs_per_frame=costs[row.key]['gmacs_per_frame'])
        for row in rows
        if row.key in costs
        for record in records[row.key]
    ]
    if drawn:
        plot_cost(drawn, args.out / 'cost.png')
    return text


def compare_lifters(args: argparse.Namespace) -> list[str]:
    """The 3D systems by their error; the runs that failed."""
    data, out = args.out / 'data_3d', args.out / 'lifters'
    generate_h36m(data, num_takes=6, num_frames=250)
    runs = plan_runs(LIFTERS, args.seeds, data, out, need_pck=False)
    metric = Metric('MPJPE', lower_is_better=True)
    return execution.run_all(runs, out, metric=metric)


def compare(args: argparse.Namespace) -> list[str]:
    """All of it; the runs that failed."""
    rows = wanted_rows(args)
    data, given = args.out / 'data', {}
    if args.trajectories:
        given = dict(
            trajectories=args.trajectories, max_frames=args.preset.frames
        )
    else:
        given = dict(
            num_frames=TRAIN_FRAMES, num_test_frames=args.preset.frames
        )
    manifest = generate_penn(
        data,
        **args.preset.data,
        **given,
        num_workers=os.cpu_count() or 1,
        progress=sys.stderr.isatty(),
    )
    runs = plan(args, rows, data)

    def table_so_far() -> None:
        report(args, rows, runs, manifest, {})

    first = {key: run for key, run in runs.items() if key[0] == START.key}
    rest = [run for key, run in runs.items() if key not in first]
    failed = run_side_by_side(
        list(first.values()), min(args.jobs, len(first)), before, table_so_far
    )
    failed += run_side_by_side(rest, args.jobs, before, table_so_far)
    if args.lifters:
        failed += compare_lifters(args)
    costs = costs_of(runs, rows, args)
    print(f'\n{report(args, rows, runs, manifest, costs)}')
    print(f'Results in {args.out} (table.md, results.csv, cost.png)')
    return failed


def interrupt(*_: Any) -> None:
    """Treat another signal like Ctrl-C."""
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    try:
        failed = compare(args)
    except (OSError, ValueError) as error:
        sys.exit('compare_systems: ' + ' '.join(str(error).split()))
    except KeyboardInterrupt:
        print(
            'compare_systems: interrupted; call it again to go on',
            file=sys.stderr,
        )
        # The runs end with this process, the threads that wait for them not.
        os._exit(130)
    if failed:
        sys.exit(f'compare_systems: {len(failed)} failed: {", ".join(failed)}')


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, interrupt)
    main()
