# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""From nothing to a trained RPSTN: generated videos, the image baseline, the
video model that starts from it, a table, a plot and a video; then a person
detector, and both models on a video of several people."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import runpy
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

if TYPE_CHECKING:
    from rpstn_mmpose.experiments.plan import Run

warnings.filterwarnings('ignore')  # other packages' deprecations

IMAGE_RECIPE = 'td-hm_tiny_1xb16-1e_synthetic-penn-128x128'
VIDEO_RECIPE = 'rpstn_tiny_1xb8-1e_synthetic-penn-128x128'
DETECTOR_RECIPE = 'rtmdet_mini_1xb8-5e_synthetic-person-192x144'
DEMO = Path(__file__).resolve().parent / 'demo/topdown_video_demo.py'
REPORT = DEMO.with_name('report.py')
# Of the pictures and the video of several people.
CROWD_DIFFICULTY = 'easy'
VIDEO_FPS = 8


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument('--num-train', type=int, default=4000, help='videos')
    parser.add_argument('--num-test', type=int, default=60, help='videos')
    parser.add_argument(
        '--num-frames', type=int, default=5, help='frames a train video'
    )
    parser.add_argument(
        '--num-test-frames', type=int, default=15, help='frames a test video'
    )
    parser.add_argument(
        '--num-pictures',
        type=int,
        default=2000,
        help='pictures to train the detector on',
    )
    parser.add_argument(
        '--num-crowd-frames',
        type=int,
        default=120,
        help='frames of the video of several people',
    )
    parser.add_argument(
        '--epochs', type=int, help='of each stage, instead of the recipes'
    )
    parser.add_argument(
        '--seed', type=int, default=2, help='of the data and the training'
    )
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument(
        '--whole-budget',
        action='store_true',
        help='train SBL-tiny once more, with the frame passes of both stages',
    )
    return parser.parse_args(argv)


def say(text: str) -> None:
    print(f'[{time.strftime("%H:%M:%S")}] {text}', flush=True)


def make_stage(
    recipe: str,
    folder: str,
    data: Path,
    args: argparse.Namespace,
    epochs: Optional[int] = None,
    start: Optional[Run] = None,
) -> Run:
    """A recipe on the generated data, tested once, after training.

    Args:
        recipe: Name of the recipe.
        folder: Of the stage, below that of all results.
        data: The data set.
        args: Of the command line.
        epochs: Length of the training instead of ``--epochs``.
        start: Stage whose model this one starts from.
    """
    from rpstn_mmpose import config_path
    from rpstn_mmpose.experiments.configs import load_config
    from rpstn_mmpose.experiments.plan import make_run

    cfg = load_config(
        config_path(recipe), epochs or args.epochs, need_pck=False
    )
    return make_run(recipe, cfg, args.seed, args.out / folder, data, start)


def train(run: Run) -> Dict:
    """Train and test a stage, if that is not done yet.

    Returns:
        dict: The record of the run, and the path of its ``checkpoint``.
    """
    from rpstn_mmpose.experiments.execution import execute_here

    record = execute_here(run, run.work_dir.name)
    return dict(record, checkpoint=str(run.work_dir / record['checkpoint']))


def pose_stage(run: Run) -> Dict:
    """Train and test a pose model.

    Returns:
        dict: What ClipPCK wrote, and the path of the ``checkpoint``.
    """
    record = train(run)
    return dict(record['pck'], checkpoint=record['checkpoint'])


def whole_budget_epochs(image_cfg, video_cfg) -> int:
    """Epochs of the image model that pass as many frames through a network
    as both stages do, rounded up.

    In the second stage the extractor sees every frame of a clip and the
    initializer the first.
    """
    clip_length = video_cfg.train_dataloader.dataset.clip_length
    passes = video_cfg.train_cfg.max_epochs * (1 + 1 / clip_length)
    return image_cfg.train_cfg.max_epochs + math.ceil(passes)


def mean_pose_of(data: Path, out: Path) -> Dict:
    """ClipPCK of a predictor that only knows the training set's mean pose."""
    from rpstn_mmpose.datasets import PennActionDataset
    from rpstn_mmpose.experiments.mean_pose import mean_pose_result

    train, test = (
        PennActionDataset(
            data_root=str(data), split=split, clip_length=1, test_mode=True
        )
        for split in ('train', 'test')
    )
    return mean_pose_result(train, test, out)


def draw(out: Path, results: Dict[str, Dict], video_cfg, data: Path) -> None:
    """Table, plot, side-by-side video and contact sheet."""
    from rpstn_mmpose.visualization import (
        choose_videos,
        list_videos,
        load_model_and_dataset,
        pck_table,
        plot_pck,
        predict_videos,
        write_comparison,
        write_contact_sheet,
    )

    table = pck_table(list(results.values()), list(results))
    (out / 'table.md').write_text(table)
    plot_pck(
        list(results.values()),
        list(results),
        out / 'pck.png',
        title='Held-out synthetic videos',
    )
    with (out / 'log.txt').open('a') as file, contextlib.redirect_stdout(file):
        model, dataset = load_model_and_dataset(
            video_cfg, results['RPSTN-tiny']['checkpoint'], data_root=str(data)
        )
        videos = choose_videos(list(list_videos(dataset)), number=6)
        poses = predict_videos(
            model, dataset, video_ids=videos, progress='predict'
        )
    write_comparison(
        out / 'comparison.mp4',
        [poses],
        ['RPSTN-tiny'],
        dataset.metainfo,
        fps=VIDEO_FPS,
        progress='video',
    )
    write_contact_sheet(
        out / 'comparison.png',
        [poses],
        ['RPSTN-tiny'],
        dataset.metainfo,
        step=1,
        typical=True,
    )
    print('\n' + table)


def train_detector(args: argparse.Namespace) -> Tuple[Path, str]:
    """Train a person detector on generated pictures.

    Returns:
        tuple: Its config, its checkpoint.
    """
    from rpstn_mmpose.synthetic.generate_crowd import generate_detection

    data = args.out / 'data_people'
    manifest = generate_detection(
        data,
        num_train=args.num_pictures,
        num_test=max(args.num_pictures // 8, 1),
        seed=args.seed,
        difficulty=CROWD_DIFFICULTY,
        num_workers=args.workers,
    )
    run = make_stage(DETECTOR_RECIPE, 'detector', data, args)
    record = train(run)
    ap, recall = (
        100 * record['metrics'][f'coco/bbox_{name}']
        for name in ('mAP', 'AR@100')
    )
    say(
        f'person detector on {manifest["settings"]["num_test"]} held-out '
        f'pictures: AP@0.5 {ap:.1f}, recall@0.5 {recall:.1f}'
    )
    return run.work_dir / 'config.py', record['checkpoint']


def run_crowd(
    args: argparse.Namespace,
    pose: Tuple[Path, str],
    detector: Tuple[Path, str],
) -> None:
    """Run the demo on a video of four people; compare it with the truth.

    Args:
        args: Of the command line.
        pose: Config and checkpoint of the pose model.
        detector: Config and checkpoint of the detector.
    """
    from rpstn_mmpose.evaluation.people_score import people_table, score_people
    from rpstn_mmpose.structures import load_people
    from rpstn_mmpose.synthetic.generate_crowd import write_crossing_video

    source = args.out / 'data_crowd' / 'crowd.mp4'
    truth = write_crossing_video(
        source,
        num_frames=args.num_crowd_frames,
        image_size=(640, 480),
        seed=args.seed,
        difficulty=CROWD_DIFFICULTY,
    )
    found = args.out / 'crowd.json'
    found.unlink(missing_ok=True)
    of_pose = dict(pose_config=pose[0], pose_checkpoint=pose[1])
    status = run_tool(
        DEMO,
        source,
        **of_pose,
        det_config=detector[0],
        det_checkpoint=detector[1],
        out_dir=args.out,
        batch_size=8,
    )
    # 1 with a result: nobody was found in any frame, which is scored too.
    if status not in (0, 1) or not found.is_file():
        raise OSError(f'{DEMO.name} ended with status {status}')
    score = score_people(load_people(truth), load_people(found))
    (args.out / 'crowd_score.json').write_text(json.dumps(score) + '\n')
    table = people_table(score)
    (args.out / 'crowd_table.md').write_text(table)
    print('\n' + table)
    print(
        f'{score["false_people"]} boxes are nobody, in '
        f'{score["num_frames"]} frames.'
    )
    if status == 0:
        status = run_tool(
            REPORT, args.out, name='crowd', video=source, **of_pose
        )
        if status != 0:
            raise OSError(f'{REPORT.name} ended with status {status}')
        print(f'See crowd_report.html in {args.out}.')


def run_tool(tool: Path, argument: Path, **options) -> int:
    """Run another tool of this folder, on the same screen.

    In this process, which has imported the packages already.

    Args:
        tool: Its path.
        argument: Its only argument.
        **options: Its options.

    Returns:
        int: Its exit status.
    """
    command = [str(tool), str(argument)]
    for key, value in options.items():
        command += [f'--{key.replace("_", "-")}', str(value)]
    print('$ python ' + ' '.join(command), flush=True)
    before = sys.argv
    sys.argv = command
    try:
        runpy.run_path(command[0], run_name='__main__')
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
            return 1
        return error.code or 0
    finally:
        sys.argv = before
    return 0


def run(args: argparse.Namespace) -> None:
    import rpstn_mmpose  # noqa: F401
    from rpstn_mmpose.synthetic import generate_penn

    out, data = args.out, args.out / 'data'
    out.mkdir(parents=True, exist_ok=True)

    say('1/6 synthetic videos in the format of Penn Action')
    generate_penn(
        data,
        num_train=args.num_train,
        num_test=args.num_test,
        num_frames=args.num_frames,
        num_test_frames=args.num_test_frames,
        seed=args.seed,
        num_workers=args.workers,
    )

    say('2/6 image baseline, SBL-tiny: every frame by itself')
    image_run = make_stage(IMAGE_RECIPE, 'sbl_tiny', data, args)
    image = pose_stage(image_run)

    say('3/6 RPSTN-tiny, starting from it')
    video_run = make_stage(
        VIDEO_RECIPE, 'rpstn_tiny', data, args, start=image_run
    )
    video = pose_stage(video_run)
    longer = {}
    if args.whole_budget:
        epochs = whole_budget_epochs(image_run.cfg, video_run.cfg)
        say(f'SBL-tiny once more, for the whole budget: {epochs} epochs')
        longer['SBL-tiny (whole budget)'] = pose_stage(
            make_stage(
                IMAGE_RECIPE, 'sbl_tiny_whole_budget', data, args, epochs
            )
        )

    say('4/6 table, plot and video')
    with (out / 'log.txt').open('a') as file, contextlib.redirect_stdout(file):
        mean = mean_pose_of(data, out / 'mean_pose.json')
    results = {
        'mean pose': mean,
        'SBL-tiny (stage 1)': image,
        **longer,
        'RPSTN-tiny': video,
    }
    draw(out, results, video_run.cfg, data)

    say('5/6 person detector, a small RTMDet')
    detector = train_detector(args)

    say('6/6 a video of four people: detected, tracked, poses by RPSTN-tiny')
    pose = video_run.work_dir / 'config.py', video['checkpoint']
    run_crowd(args, pose, detector)
    scores = video['norms']['torso']
    print(
        f'Results in {out} (table.md, pck.png, comparison.mp4): RPSTN-tiny '
        f'mPCK@0.2 {scores["visible"]["scores"]["Mean"]:.1f} visible, '
        f'{scores["occluded"]["scores"]["Mean"]:.1f} occluded'
    )


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        run(args)
    except (OSError, ValueError) as error:
        sys.exit(f'quick_start: {error}')


if __name__ == '__main__':
    main()
