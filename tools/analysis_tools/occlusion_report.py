# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Hide joints at random behind patches in the test set, or in a video, and
tell how well two models find them: PCK of the masked joints, side by side, and
a picture. A video whose truth is not known (--boxes) has no such PCK: each
model is then compared with itself on the frames without patches, which tells
how steady it is, not how right."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

SHEET_FRAMES, SHEET_STEP = 6, 1
TRUTH, ITSELF = 'truth', 'the model itself without patches'
TITLES = {
    TRUTH: 'masked joints, PCK@{thr:g}',
    ITSELF: 'masked joints, agreement with itself without patches, @{thr:g}',
}


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of a clip or image model')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument(
        '--second',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='a second model, on the same masked frames',
    )
    parser.add_argument(
        '--labels',
        nargs='+',
        help="names of the models (default: their configs' names)",
    )
    parser.add_argument('--out', help='.json file for the numbers')
    parser.add_argument(
        '--sheet',
        help='.png file: the masked frames with the truth, and below each '
        "model's prediction; masked joints are hollow, wrong ones ringed",
    )
    add_video_options(parser)
    add_mask_options(parser)
    parser.add_argument(
        '--videos',
        type=int,
        help='number of videos, evenly over the data set (default: all)',
    )
    parser.add_argument(
        '--data-root', help="folder of the data, instead of the configs'"
    )
    parser.add_argument(
        '--thr',
        type=float,
        default=0.2,
        help='a joint is correct within so many reference lengths '
        '(default: 0.2)',
    )
    parser.add_argument(
        '--norm',
        default='torso',
        choices=['torso', 'person'],
        help='reference length (default: torso)',
    )
    parser.add_argument(
        '--batch-size', type=int, default=8, help='clips at once'
    )
    parser.add_argument(
        '--device', help='default: cuda where there is one, else cpu'
    )
    args = parser.parse_args(argv)
    args.models = [(args.config, args.checkpoint)]
    if args.second:
        args.models.append(tuple(args.second))
    if args.labels is None:
        args.labels = [Path(config).stem for config, _ in args.models]
    if len(args.labels) != len(args.models):
        parser.error(
            f'{len(args.models)} models but {len(args.labels)} --labels'
        )
    if len(set(args.labels)) != len(args.labels):
        parser.error('the models have the same name; give --labels')
    check_video_options(parser, args)
    if args.num_joints is None and args.prob is None:
        args.prob = 0.15
    return args


def add_video_options(parser: argparse.ArgumentParser) -> None:
    video = parser.add_argument_group(
        'a video instead of the test set',
        'with one of --truth and --boxes; each person counts as a video',
    )
    video.add_argument(
        '--video',
        help='video file or folder of frames; the frames with people are '
        'put into a temporary folder',
    )
    video.add_argument(
        '--truth',
        help='.json file of its people and their joints, as '
        'make_synthetic_crowd.py writes it (or topdown_video_demo.py: '
        'predictions then count as the truth)',
    )
    video.add_argument(
        '--boxes',
        help='.json file of boxes alone, as for topdown_video_demo.py or as '
        'it writes them; boxes without track ids are tracked. The reference '
        "of each model is its own prediction without patches: 'agreement "
        "with itself'. The patches are where the first model sees the joints",
    )


def add_mask_options(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        '--num-joints', type=int, help='joints to mask in a frame'
    )
    how.add_argument(
        '--prob',
        type=float,
        help='probability that a joint is masked (default: 0.15)',
    )
    parser.add_argument(
        '--patch-size',
        type=float,
        default=0.1,
        help="side of a patch, in longer sides of the person's box "
        '(default: 0.1)',
    )
    parser.add_argument(
        '--duration',
        type=int,
        default=1,
        help='frames in a row for which the same joints are masked '
        '(default: 1)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the choice (default: 0)'
    )


def check_video_options(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> None:
    given = sum([args.truth is not None, args.boxes is not None])
    if args.video is None:
        if given:
            parser.error('--truth and --boxes belong to a --video')
        return
    if given != 1:
        parser.error('--video needs one of --truth and --boxes')
    if args.data_root is not None or args.videos is not None:
        parser.error(
            '--data-root and --videos belong to a test set, not to a --video'
        )
    if args.boxes is not None and args.sheet is not None:
        parser.error(
            '--sheet shows the truth, which a video with --boxes '
            'does not have; give --truth'
        )


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()
    import rpstn_mmpose  # noqa: F401  keeps known warnings off

import cv2
import numpy as np
from mmengine.config import Config
from mmpose.registry import DATASETS, TRANSFORMS

from rpstn_mmpose.apis import load_boxes_of, open_source
from rpstn_mmpose.apis.config_edits import with_masks, with_video
from rpstn_mmpose.apis.given_people import with_poses, write_frames
from rpstn_mmpose.apis.tracking import track_boxes
from rpstn_mmpose.datasets.transforms import MaskRandomJoints
from rpstn_mmpose.evaluation.masked_joints import masked_table, score_masked
from rpstn_mmpose.structures import VideoPeople, joint_names, load_people
from rpstn_mmpose.visualization import (
    check_output_path,
    choose_videos,
    list_videos,
    load_model_and_dataset,
    predict_videos,
    write_contact_sheet,
)
from rpstn_mmpose.visualization.comparison import check_predictions, read_frame
from rpstn_mmpose.visualization.contact_sheet import (
    SHEET_ENDINGS,
    choose_frames,
)

Masks = Dict[str, Dict[int, np.ndarray]]


def load_video(args: argparse.Namespace, folder: str) -> VideoPeople:
    """Read the video and the file of its people.

    Args:
        args: The options.
        folder: Where to put the frames.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a video, or the people are of another one.
    """
    origin = args.truth or args.boxes
    if (
        args.out
        and os.path.exists(args.out)
        and os.path.exists(origin)
        and (os.path.samefile(args.out, origin))
    ):
        raise ValueError(f'{args.out} is the input; choose another --out')
    # Not left to open_source, which knows cameras too.
    if not os.path.exists(args.video):
        raise FileNotFoundError(f'{args.video}: no such video')
    source = open_source(args.video)
    if args.truth:
        people = replace(load_people(args.truth), listed=True)
    else:
        people = track_boxes(load_boxes_of(args.boxes, source))
    return write_frames(people, source, args.video, folder)


def masks_of(
    dataset: Any, transform: MaskRandomJoints, videos: Sequence[str]
) -> Masks:
    """Masked joints, (K,) bool, by video and frame."""
    masks: Masks = {}
    clips = list_videos(dataset)
    for video in videos:
        masks[video] = {}
        for index in clips[video]:
            info = dataset.get_data_info(index)
            _, masked = transform.patches(info)
            for row in np.flatnonzero(info['frame_mask']):
                masks[video][int(info['frame_ids'][row])] = masked[row]
    return masks


def draw(
    path: str,
    predictions: Sequence[Mapping[str, VideoPeople]],
    labels: Sequence[str],
    masks: Masks,
    dataset: Any,
    transform: MaskRandomJoints,
    args: argparse.Namespace,
) -> None:
    """Draw the stretch with most masked joints, patches included."""

    def seen(item: VideoPeople, video: str) -> VideoPeople:
        # Masked joints are drawn like occluded ones. Those that are occluded
        # anyhow are left out: the picture is about the patches.
        masked = np.stack([masks[video][int(f)] for f in item.frame_ids])
        return replace(
            item,
            keypoints_visible=item.keypoints_visible & ~masked,
            keypoints_labeled=item.keypoints_visible,
        )

    models = [
        {video: seen(item, video) for video, item in model.items()}
        for model in predictions
    ]
    video, rows = choose_frames(models[0], SHEET_FRAMES, SHEET_STEP)
    with tempfile.TemporaryDirectory() as folder:
        paths = list(models[0][video].img_paths)
        wanted = {int(models[0][video].frame_ids[row]): row for row in rows}
        for index in list_videos(dataset)[video]:
            info = dataset.get_data_info(index)
            frames = [int(frame) for frame in info['frame_ids']]
            if not any(
                info['frame_mask'][i] and frame in wanted
                for i, frame in enumerate(frames)
            ):
                continue
            info['img'] = [read_frame(name) for name in info['img_paths']]
            images = transform(info)['img']
            for i, frame in enumerate(frames):
                if info['frame_mask'][i] and frame in wanted:
                    name = os.path.join(folder, f'{frame}.png')
                    cv2.imwrite(name, images[i])
                    paths[wanted[frame]] = name
        models = [
            {video: replace(model[video], img_paths=np.array(paths))}
            for model in models
        ]
        write_contact_sheet(
            path,
            models,
            labels,
            dataset.metainfo,
            num_frames=SHEET_FRAMES,
            step=SHEET_STEP,
            thr=args.thr,
            norm_item=args.norm,
        )


def run(args: argparse.Namespace) -> Tuple[dict, str]:
    for path, endings in ((args.out, ('.json',)), (args.sheet, SHEET_ENDINGS)):
        if path:
            check_output_path(path, endings)
    mask = dict(
        type='MaskRandomJoints',
        num_joints=args.num_joints,
        prob=args.prob,
        patch_size=args.patch_size,
        duration=args.duration,
        seed=args.seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        return compare(args, mask, folder)


def predict_all(
    args: argparse.Namespace,
    configs: Sequence[Config],
    video: Optional[VideoPeople],
    transform: MaskRandomJoints,
) -> Tuple[list, Masks, Any]:
    """Run the models; the patches are those on the first one's data.

    Returns:
        tuple: Predictions by model, each by video; masks by video and frame;
        the data set.
    """
    predictions, videos, masks, dataset = [], [], {}, None
    for (config, checkpoint), cfg, label in zip(
        args.models, configs, args.labels
    ):
        unmasked = None
        if video is not None:
            cfg = with_video(cfg, video)
        if args.boxes:
            masked_step = cfg.test_dataloader.dataset.pipeline.pop(1)
        model, data = load_model_and_dataset(
            cfg, checkpoint, data_root=args.data_root, device=args.device
        )
        if dataset is not None and joint_names(data.metainfo) != joint_names(
            dataset.metainfo
        ):
            raise ValueError(f'{config} has other joints than {args.config}')
        if args.boxes:
            unmasked = predict_videos(
                model,
                data,
                batch_size=args.batch_size,
                progress=f'{label}, no patches',
            )
            if dataset is None:
                video = with_poses(video, unmasked)
            test_set = cfg.test_dataloader.dataset
            test_set.pipeline.insert(1, masked_step)
            test_set.video = video
            data = DATASETS.build(test_set)
        if dataset is None:
            dataset = data
            videos = choose_videos(list(list_videos(data)), args.videos)
            masks = masks_of(data, transform, videos)
        found = predict_videos(
            model, data, videos, batch_size=args.batch_size, progress=label
        )
        if unmasked is not None:
            found = {
                key: replace(
                    item, gt_keypoints=unmasked[key].keypoints[..., :2]
                )
                for key, item in found.items()
            }
        predictions.append(found)
    return predictions, masks, dataset


def compare(
    args: argparse.Namespace, mask: dict, folder: str
) -> Tuple[dict, str]:
    """Numbers and table; ``folder`` is for a video's frames."""
    transform = TRANSFORMS.build(mask)
    reference = ITSELF if args.boxes else TRUTH
    video = None
    configs = [with_masks(config, mask) for config, _ in args.models]
    if args.video:
        video = load_video(args, folder)
    predictions, masks, dataset = predict_all(args, configs, video, transform)
    check_predictions(predictions, args.labels)
    results = {
        label: score_masked(prediction, masks, args.thr, args.norm)
        for label, prediction in zip(args.labels, predictions)
    }
    if args.sheet:
        draw(
            args.sheet,
            predictions,
            args.labels,
            masks,
            dataset,
            transform,
            args,
        )
    about = dict(videos=len(masks))
    if video is not None:
        about = dict(video=video.name, people=len(masks), reference=reference)
    settings = {key: value for key, value in mask.items() if key != 'type'}
    return dict(
        thr=args.thr,
        norm_item=args.norm,
        mask=settings,
        **about,
        models=results,
    ), masked_table(results, TITLES[reference].format(thr=args.thr))


def without_nan(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        result, table = run(args)
        if args.out:
            text = json.dumps(without_nan(result), indent=1)
            Path(args.out).write_text(text + '\n')
    except (ImportError, KeyError, OSError, ValueError) as error:
        # One line: mmengine's messages have several.
        sys.exit('occlusion_report: ' + ' '.join(str(error).split()))
    print(table)
    for path in (args.out, args.sheet):
        if path:
            print(f'wrote {path}')


if __name__ == '__main__':
    main()
