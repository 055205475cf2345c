# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Write a synthetic video of several people, or pictures with person boxes."""

import argparse
import sys
from typing import List, Optional

from rpstn_mmpose.one_line_parser import OneLineParser
from rpstn_mmpose.synthetic import PRESETS
from rpstn_mmpose.synthetic.command_line import picture_size


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = OneLineParser(description=__doc__)
    kinds = parser.add_subparsers(dest='kind', required=True)
    video = kinds.add_parser(
        'video',
        help='people who cross without touching, leave and return: an .mp4 '
        'file, and its truth as a .json file beside it',
    )
    video.add_argument('out', metavar='OUT.mp4', help='video to write')
    video.add_argument(
        '--num-frames', type=int, default=120, help='(default: 120)'
    )
    video.add_argument(
        '--num-people', type=int, default=4, help='2 to 6 (default: 4)'
    )
    video.add_argument(
        '--fps', type=float, default=20, help='frames a second (default: 20)'
    )
    detection = kinds.add_parser(
        'detection',
        help='pictures of people of all sizes, with boxes in the format of '
        'COCO, to train a detector on',
    )
    detection.add_argument('out', metavar='OUT', help='folder to write')
    detection.add_argument(
        '--num-train', type=int, default=1600, help='(default: 1600)'
    )
    detection.add_argument(
        '--num-test', type=int, default=200, help='(default: 200)'
    )
    detection.add_argument(
        '--workers', type=int, default=1, help='processes (default: 1)'
    )
    for kind, size in ((video, (384, 288)), (detection, (192, 144))):
        kind.add_argument(
            '--size',
            type=picture_size,
            default=size,
            metavar='WxH',
            help='picture size (default: {}x{})'.format(*size),
        )
        kind.add_argument('--seed', type=int, default=0, help='(default: 0)')
        kind.add_argument(
            '--difficulty',
            choices=sorted(PRESETS),
            default='default',
            help='occlusion, clutter and speed',
        )
    return parser.parse_args(argv)


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from rpstn_mmpose.synthetic.generate_crowd import (
    generate_detection,
    write_crossing_video,
)


def run(args: argparse.Namespace) -> str:
    """Write what is asked for.

    Returns:
        str: What was done.
    """
    common = dict(
        image_size=args.size, seed=args.seed, difficulty=args.difficulty
    )
    if args.kind == 'video':
        truth = write_crossing_video(
            args.out,
            num_frames=args.num_frames,
            num_people=args.num_people,
            fps=args.fps,
            **common,
        )
        return f'{args.out}: {args.num_frames} frames; truth in {truth}'
    manifest = generate_detection(
        args.out,
        num_train=args.num_train,
        num_test=args.num_test,
        num_workers=args.workers,
        **common,
    )
    state = 'already complete' if manifest['existed'] else 'written'
    people = manifest['people']
    return (
        f'{args.out}: {state}: {args.num_train} train and {args.num_test} '
        f'test pictures with {people["train"]} and {people["test"]} people'
    )


def main(argv: Optional[List[str]] = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    try:
        print(run(args))
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f'make_synthetic_crowd.py: error: {error}')


if __name__ == '__main__':
    main()
