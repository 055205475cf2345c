# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Run one or two models over test videos and show them beside the truth."""

import argparse
import sys


def parse_args(args=None):
    parser = argparse.ArgumentParser(
        description='Run a model over videos of its test data set and write '
        'a video with the truth at the left and the prediction at the right. '
        'Occluded joints are hollow, wrong ones have a red ring.'
    )
    parser.add_argument('config', help='config of a clip or image model')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('--out', help='.mp4 file to write')
    parser.add_argument(
        '--sheet', help='.png file to write: a few frames with occluded joints'
    )
    parser.add_argument(
        '--second',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='a second model to show beside the first',
    )
    parser.add_argument(
        '--labels',
        nargs='+',
        help='names of the models (default: prediction, second)',
    )
    parser.add_argument(
        '--videos',
        type=int,
        help='number of videos, evenly over the data set (default: 4)',
    )
    parser.add_argument('--video-ids', nargs='+', help='these videos instead')
    parser.add_argument(
        '--max-frames', type=int, help='first frames of each video only'
    )
    parser.add_argument(
        '--data-root', help="folder of the data, instead of the config's"
    )
    parser.add_argument(
        '--thr',
        type=float,
        default=0.2,
        help='a joint is wrong beyond this many reference lengths '
        '(default: 0.2)',
    )
    parser.add_argument(
        '--norm',
        default='torso',
        choices=['torso', 'person'],
        help='reference length (default: torso)',
    )
    parser.add_argument(
        '--fps', type=float, help='frames per second of --out (default: 25)'
    )
    parser.add_argument(
        '--batch-size', type=int, default=8, help='clips at once'
    )
    parser.add_argument(
        '--device', help='default: cuda where there is one, else cpu'
    )
    return check_options(parser, parser.parse_args(args))


def check_options(parser, args):
    """End with a usage error where options do not fit."""
    if not (args.out or args.sheet):
        parser.error('give --out VIDEO.mp4, --sheet PICTURE.png or both')
    if args.fps is not None and not args.out:
        parser.error('--fps is of the video; give --out, or leave it out')
    if args.video_ids and args.videos is not None:
        parser.error('--videos does nothing beside --video-ids')
    args.fps = 25 if args.fps is None else args.fps
    args.videos = 4 if args.videos is None else args.videos
    models = 2 if args.second else 1
    if args.labels is None:
        args.labels = ['prediction', 'second'][:models]
    if len(args.labels) != models:
        parser.error(f'{models} models but {len(args.labels)} --labels')
    return args


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from rpstn_mmpose.visualization import (
    check_output_path,
    choose_videos,
    list_videos,
    load_model_and_dataset,
    predict_videos,
    write_comparison,
    write_contact_sheet,
)
from rpstn_mmpose.visualization.contact_sheet import SHEET_ENDINGS


def run(args):
    for path, endings in ((args.out, ('.mp4',)), (args.sheet, SHEET_ENDINGS)):
        if path:
            check_output_path(path, endings)
    pairs = [(args.config, args.checkpoint)]
    if args.second:
        pairs.append(args.second)
    videos, predictions, meta = None, [], None
    for (config, checkpoint), label in zip(pairs, args.labels):
        model, dataset = load_model_and_dataset(
            config, checkpoint, data_root=args.data_root, device=args.device
        )
        if videos is None:
            meta = dataset.metainfo
            videos = choose_videos(
                list(list_videos(dataset)), args.videos, args.video_ids
            )
        predictions.append(
            predict_videos(
                model,
                dataset,
                videos,
                max_frames=args.max_frames,
                batch_size=args.batch_size,
                progress=label,
            )
        )
    style = dict(thr=args.thr, norm_item=args.norm)
    if args.sheet:
        write_contact_sheet(
            args.sheet, predictions, args.labels, meta, **style
        )
        print(f'wrote {args.sheet}')
    if args.out:
        scores = write_comparison(
            args.out,
            predictions,
            args.labels,
            meta,
            fps=args.fps,
            progress='drawing',
            **style,
        )
        for label, (visible, occluded) in scores.items():
            print(
                f'{label}: PCK@{args.thr:g} ({args.norm}) visible '
                f'{visible:.1f}, occluded {occluded:.1f}'
            )
        print(f'wrote {args.out}')


def main(args=None):
    args = parse_args(args)
    try:
        run(args)
    except (ImportError, KeyError, OSError, ValueError) as error:
        # One line: mmengine's messages have several.
        sys.exit('compare_video: ' + ' '.join(str(error).split()))


if __name__ == '__main__':
    main()
