# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""From nothing to a trained RPSTN: generated videos, the image baseline, the
video model that starts from it, a table, a plot and a video; then a person
detector, and both models on a video of several people."""
from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import math
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Dict, List, Optional, Tuple

warnings.filterwarnings('ignore')  # other packages' deprecations

IMAGE_RECIPE = 'td-hm_tiny_1xb16-1e_synthetic-penn-128x128'
VIDEO_RECIPE = 'rpstn_tiny_1xb8-1e_synthetic-penn-128x128'
DETECTOR_RECIPE = 'rtmdet_mini_1xb8-8e_synthetic-person-192x144'
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
        '--num-frames', type=int, default=5, help='frames a train video')
    parser.add_argument(
        '--num-test-frames', type=int, default=15, help='frames a test video')
    parser.add_argument(
        '--num-pictures',
        type=int,
        default=2000,
        help='pictures to train the detector on')
    parser.add_argument(
        '--num-crowd-frames',
        type=int,
        default=120,
        help='frames of the video of several people')
    parser.add_argument(
        '--epochs', type=int, help='of each stage, instead of the recipes')
    parser.add_argument(
        '--seed', type=int, default=2, help='of the data and the training')
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument(
        '--whole-budget',
        action='store_true',
        help='train SBL-tiny once more, with the frame passes of both stages')
    return parser.parse_args(argv)


def say(text: str) -> None:
    print(f'[{time.strftime("%H:%M:%S")}] {text}', flush=True)


def stage_config(recipe: str, work_dir: Path, data: Path,
                 args: argparse.Namespace):
    """The recipe on the generated data, evaluated once, after training."""
    from mmengine.config import Config

    import rpstn_mmpose
    cfg = Config.fromfile(rpstn_mmpose.config_path(recipe))
    cfg.work_dir = str(work_dir)
    cfg.randomness = dict(seed=args.seed)
    cfg.resume = True
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(data)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.pop('save_best')
    cfg.default_hooks.checkpoint.pop('rule')
    cfg.custom_hooks.append(dict(type='ProgressBarHook', title=work_dir.name))
    if args.epochs:
        set_epochs(cfg, args.epochs)
    return cfg


def set_epochs(cfg, epochs: int) -> None:
    """Change the length of a recipe; its learning rate ends with it."""
    cfg.train_cfg.max_epochs = epochs
    for scheduler in cfg.param_scheduler:
        if scheduler.get('by_epoch', True):
            scheduler.update(end=epochs, T_max=epochs)


def whole_budget_epochs(image_cfg, video_cfg) -> int:
    """Epochs of the image model that pass as many frames through a network
    as both stages do, rounded up.

    In the second stage the extractor sees every frame of a clip and the
    initializer the first.
    """
    clip_length = video_cfg.train_dataloader.dataset.clip_length
    passes = video_cfg.train_cfg.max_epochs * (1 + 1 / clip_length)
    return image_cfg.train_cfg.max_epochs + math.ceil(passes)


def start_afresh_if_changed(cfg, data_key: str) -> None:
    """An earlier run is gone on with if it had the same settings."""
    work_dir = Path(cfg.work_dir)
    key = hashlib.sha256((cfg.pretty_text + data_key).encode()).hexdigest()
    stamp = work_dir / 'settings.sha256'
    if work_dir.exists() and (not stamp.exists()
                              or stamp.read_text().strip() != key):
        shutil.rmtree(work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    stamp.write_text(key + '\n')


def train_and_test(cfg, data_key: str) -> Tuple[Dict, str]:
    """Run a stage through mmengine's Runner; its log goes to a file.

    Returns:
        tuple: Metrics of the test, path of the checkpoint.
    """
    from mmengine.runner import Runner, find_latest_checkpoint
    start_afresh_if_changed(cfg, data_key)
    work_dir = Path(cfg.work_dir)
    log = work_dir / 'log.txt'
    try:
        with log.open('a') as file, contextlib.redirect_stdout(file):
            runner = Runner.from_cfg(cfg)
            runner.train()
            checkpoint = find_latest_checkpoint(cfg.work_dir)
            runner.load_checkpoint(checkpoint)
            metrics = runner.test()
    except BaseException:
        print(f'the log is in {log}', file=sys.stderr)
        raise
    return metrics, checkpoint


def pose_stage(cfg, data_key: str) -> Dict:
    """Train and test a pose model.

    Returns:
        dict: What ClipPCK wrote, and the path of the ``checkpoint``.
    """
    result = Path(cfg.work_dir, 'pck.json')
    cfg.test_evaluator.out_file = str(result)
    _, checkpoint = train_and_test(cfg, data_key)
    return dict(json.loads(result.read_text()), checkpoint=checkpoint)


def mean_pose_result(data: Path, out: Path) -> Dict:
    """ClipPCK of a predictor that only knows the training set's mean pose."""
    import numpy as np

    from rpstn_mmpose.datasets import PennActionDataset
    from rpstn_mmpose.evaluation import ClipPCK, mean_pose, mean_pose_baseline
    train, test = (
        PennActionDataset(
            data_root=str(data), split=split, clip_length=1, test_mode=True)
        for split in ('train', 'test'))
    keys = ('keypoints', 'keypoints_labeled', 'bbox')
    infos = [train.get_data_info(i) for i in range(len(train))]
    pose = mean_pose(*(np.concatenate([i[key] for i in infos])
                       for key in keys))
    metric = ClipPCK(norm_item=['torso', 'person'], out_file=str(out))
    metric.dataset_meta = test.metainfo
    for i in range(len(test)):
        info = test.get_data_info(i)
        truth = {
            key: info[key]
            for key in ('keypoints', 'keypoints_visible',
                        'keypoints_labeled')
        }
        guess = mean_pose_baseline(pose, info['bbox'])
        metric.process(
            None, [
                dict(
                    gt_instances=dict(truth, bboxes=info['bbox']),
                    pred_instances=dict(keypoints=guess))
            ])
    metric.evaluate(len(test))
    return json.loads(out.read_text())


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
        title='Held-out synthetic videos')
    with (out / 'log.txt').open('a') as file, \
            contextlib.redirect_stdout(file):
        model, dataset = load_model_and_dataset(
            video_cfg, results['RPSTN-tiny']['checkpoint'],
            data_root=str(data))
        videos = choose_videos(list(list_videos(dataset)), number=6)
        poses = predict_videos(model, dataset, video_ids=videos,
                               progress='predict')
    write_comparison(
        out / 'comparison.mp4', [poses], ['RPSTN-tiny'],
        dataset.metainfo,
        fps=VIDEO_FPS,
        progress='video')
    write_contact_sheet(out / 'comparison.png', [poses], ['RPSTN-tiny'],
                        dataset.metainfo, step=1)
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
        num_workers=args.workers)
    cfg = stage_config(DETECTOR_RECIPE, args.out / 'detector', data, args)
    cfg.test_evaluator.ann_file = str(data / 'annotations/test.json')
    metrics, checkpoint = train_and_test(
        cfg, json.dumps(manifest['settings'], sort_keys=True))
    ap, recall = (100 * metrics[f'coco/bbox_{name}']
                  for name in ('mAP', 'AR@100'))
    say(f'person detector on {manifest["settings"]["num_test"]} held-out '
        f'pictures: AP@0.5 {ap:.1f}, recall@0.5 {recall:.1f}')
    return dumped_config(cfg), checkpoint


def dumped_config(cfg) -> Path:
    """The config as the Runner wrote it into the stage's folder."""
    return Path(cfg.work_dir, Path(cfg.filename).name)


def run_crowd(args: argparse.Namespace, pose: Tuple[Path, str],
              detector: Tuple[Path, str]) -> None:
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
        seed=args.seed,
        difficulty=CROWD_DIFFICULTY)
    found = args.out / 'crowd.json'
    found.unlink(missing_ok=True)
    command = [
        DEMO, source, '--pose-config', pose[0], '--pose-checkpoint', pose[1],
        '--det-config', detector[0], '--det-checkpoint', detector[1],
        '--out-dir', args.out, '--batch-size', 8
    ]
    status = run_tool(command)
    # 1 with a result: nobody was found in any frame, which is scored too.
    if status not in (0, 1) or not found.is_file():
        raise OSError(f'{DEMO.name} ended with status {status}')
    score = score_people(load_people(truth), load_people(found))
    (args.out / 'crowd_score.json').write_text(json.dumps(score) + '\n')
    table = people_table(score)
    (args.out / 'crowd_table.md').write_text(table)
    print('\n' + table)
    print(f'{score["false_people"]} boxes are nobody, in '
          f'{score["num_frames"]} frames.')
    if status == 0:
        status = run_tool([
            REPORT, args.out, '--name', 'crowd', '--video', source,
            '--pose-config', pose[0], '--pose-checkpoint', pose[1]
        ])
        if status != 0:
            raise OSError(f'{REPORT.name} ended with status {status}')
        print(f'See crowd_report.html in {args.out}.')


def run_tool(command: List) -> int:
    """Run another tool of this folder, on the same screen.

    Args:
        command: Its path and arguments.

    Returns:
        int: Its exit status.
    """
    command = [str(part) for part in command]
    print('$ python ' + ' '.join(command), flush=True)
    return subprocess.run([sys.executable, '-W', 'ignore',
                           *command]).returncode


def register_progress_bar() -> None:
    """Register the bar that stands for the log on the screen."""
    from mmengine.hooks import Hook
    from mmengine.registry import HOOKS
    from tqdm import tqdm

    @HOOKS.register_module(force=True)
    class ProgressBarHook(Hook):
        """Iterations of training and of testing, with the loss."""

        def __init__(self, title: str):
            self.title = title
            self.bar = None

        def before_train(self, runner) -> None:
            self.bar = tqdm(
                total=runner.max_iters,
                initial=runner.iter,
                desc=f'train {self.title}',
                unit='batch')

        def before_test(self, runner) -> None:
            self.bar = tqdm(
                total=len(runner.test_dataloader),
                desc=f'test {self.title}',
                unit='batch')

        def after_train_iter(self, runner, batch_idx, data_batch=None,
                             outputs=None) -> None:
            self.bar.update()
            self.bar.set_postfix(
                epoch=runner.epoch + 1, loss=f'{float(outputs["loss"]):.5f}')

        def after_test_iter(self, runner, batch_idx, data_batch=None,
                            outputs=None) -> None:
            self.bar.update()

        def after_train(self, runner) -> None:
            self.bar.close()

        def after_test(self, runner) -> None:
            self.bar.close()


def run(args: argparse.Namespace) -> None:
    import rpstn_mmpose  # noqa: F401
    from rpstn_mmpose.synthetic import generate_penn
    register_progress_bar()
    out, data = args.out, args.out / 'data'
    out.mkdir(parents=True, exist_ok=True)

    say('1/6 synthetic videos in the format of Penn Action')
    manifest = generate_penn(
        data,
        num_train=args.num_train,
        num_test=args.num_test,
        num_frames=args.num_frames,
        num_test_frames=args.num_test_frames,
        seed=args.seed,
        num_workers=args.workers)
    data_key = json.dumps(manifest['settings'], sort_keys=True)

    say('2/6 image baseline, SBL-tiny: every frame by itself')
    image_cfg = stage_config(IMAGE_RECIPE, out / 'sbl_tiny', data, args)
    image = pose_stage(image_cfg, data_key)

    say('3/6 RPSTN-tiny, starting from it')
    video_cfg = stage_config(VIDEO_RECIPE, out / 'rpstn_tiny', data, args)
    video_cfg.model.image_pretrained.checkpoint = image['checkpoint']
    video = pose_stage(video_cfg, data_key)
    longer = {}
    if args.whole_budget:
        epochs = whole_budget_epochs(image_cfg, video_cfg)
        say(f'SBL-tiny once more, for the whole budget: {epochs} epochs')
        longer_cfg = stage_config(IMAGE_RECIPE, out / 'sbl_tiny_whole_budget',
                                  data, args)
        set_epochs(longer_cfg, epochs)
        longer['SBL-tiny (whole budget)'] = pose_stage(
            longer_cfg, data_key)

    say('4/6 table, plot and video')
    with (out / 'log.txt').open('a') as file, \
            contextlib.redirect_stdout(file):
        mean = mean_pose_result(data, out / 'mean_pose.json')
    results = {
        'mean pose': mean,
        'SBL-tiny (stage 1)': image,
        **longer, 'RPSTN-tiny': video
    }
    draw(out, results, video_cfg, data)

    say('5/6 person detector, a small RTMDet')
    detector = train_detector(args)

    say('6/6 a video of four people: detected, tracked, poses by RPSTN-tiny')
    run_crowd(args, (dumped_config(video_cfg), video['checkpoint']), detector)
    scores = video['norms']['torso']
    print(f'Results in {out} (table.md, pck.png, comparison.mp4): RPSTN-tiny '
          f"mPCK@0.2 {scores['visible']['scores']['Mean']:.1f} visible, "
          f"{scores['occluded']['scores']['Mean']:.1f} occluded")


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        run(args)
    except (OSError, ValueError) as error:
        sys.exit(f'quick_start: {error}')


if __name__ == '__main__':
    main()
