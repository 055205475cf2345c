# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Write a synthetic data set in the format of PoseTrack18."""

import argparse
import sys
from typing import List, Optional

from rpstn_mmpose.one_line_parser import OneLineParser
from rpstn_mmpose.synthetic import PRESETS
from rpstn_mmpose.synthetic.command_line import picture_size
from rpstn_mmpose.synthetic.posetrack_config import PoseTrackConfig

DEFAULTS = PoseTrackConfig()


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = OneLineParser(
        description='Write short videos of several articulated people, with '
        'moving occluders, track ids, sparsely labelled frames and ignore '
        'regions, in the on-disk format of PoseTrack18.'
    )
    parser.add_argument('out', metavar='OUT', help='folder to write')
    for name, what in (
        ('num-train', 'train sequences'),
        ('num-val', 'validation sequences'),
        ('num-frames', 'frames a sequence'),
        ('num-val-frames', 'frames a validation sequence'),
        ('label-every', 'label frames 0, N, 2N, ...'),
    ):
        default = getattr(DEFAULTS, name.replace('-', '_'))
        shown = 'as --num-frames' if default is None else default
        parser.add_argument(
            f'--{name}',
            type=int,
            default=default,
            metavar='N',
            help=f'{what} (default: {shown})',
        )
    parser.add_argument(
        '--people',
        type=int,
        nargs=2,
        default=DEFAULTS.people,
        metavar=('MIN', 'MAX'),
        help='people of a sequence (default: {} {})'.format(*DEFAULTS.people),
    )
    parser.add_argument(
        '--walkers',
        type=float,
        default=DEFAULTS.walkers,
        metavar='P',
        help='probability that a person but the first enters late or leaves '
        f'early (default: {DEFAULTS.walkers})',
    )
    parser.add_argument(
        '--ignored',
        type=float,
        default=DEFAULTS.ignored,
        metavar='P',
        help='probability of somebody who is not labelled, in an ignore '
        f'region (default: {DEFAULTS.ignored})',
    )
    parser.add_argument(
        '--size',
        type=picture_size,
        default=DEFAULTS.image_size,
        metavar='WxH',
        help='picture size (default: {}x{})'.format(*DEFAULTS.image_size),
    )
    parser.add_argument('--seed', type=int, default=0, help='(default: 0)')
    parser.add_argument(
        '--difficulty',
        choices=sorted(PRESETS),
        default='default',
        help='occlusion, clutter and speed',
    )
    parser.add_argument(
        '--workers', type=int, default=1, help='processes (default: 1)'
    )
    parser.add_argument(
        '--labels-only', action='store_true', help='write no pictures'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from rpstn_mmpose.synthetic import generate_posetrack


def main(argv: Optional[List[str]] = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    try:
        summary = generate_posetrack(
            args.out,
            num_train=args.num_train,
            num_val=args.num_val,
            num_frames=args.num_frames,
            num_val_frames=args.num_val_frames,
            people=args.people,
            label_every=args.label_every,
            walkers=args.walkers,
            ignored=args.ignored,
            image_size=args.size,
            seed=args.seed,
            difficulty=args.difficulty,
            num_workers=args.workers,
            pictures=not args.labels_only,
        )
    except (ValueError, OSError) as error:
        sys.exit(f'make_synthetic_posetrack.py: error: {error}')
    sequences = summary['num_sequences']
    state = 'already complete' if summary['existed'] else 'written'
    print(
        f'{args.out}: {state}: {sequences["train"]} train and '
        f'{sequences["val"]} validation sequences, {summary["num_frames"]} '
        f'frames, {summary["num_poses"]} labelled poses'
    )


if __name__ == '__main__':
    main()
