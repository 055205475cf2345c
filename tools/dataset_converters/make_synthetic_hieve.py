# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Write a synthetic data set in the formats of HiEve."""

import argparse
import sys
from typing import List, Optional

from rpstn_mmpose.one_line_parser import OneLineParser
from rpstn_mmpose.synthetic import PRESETS
from rpstn_mmpose.synthetic.command_line import picture_size
from rpstn_mmpose.synthetic.hieve_config import HiEveConfig

DEFAULTS = HiEveConfig()


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = OneLineParser(
        description='Write short videos of several articulated people, with '
        'moving occluders, track ids and actions, in the on-disk formats of '
        'HiEve: boxes, poses, and all of it.'
    )
    parser.add_argument('out', metavar='OUT', help='folder to write')
    numbers = dict(
        num_train='videos of the split train15',
        num_val='videos of the split val4',
        num_test='videos without labels',
        num_frames='frames a video',
        label_every='frames 0, N, 2N, ... have actions',
        seed='of all that is drawn',
    )
    for name, what in numbers.items():
        parser.add_argument(
            f'--{name.replace("_", "-")}',
            type=int,
            default=getattr(DEFAULTS, name),
            metavar='N',
            help=f'{what} (default: %(default)s)',
        )
    parser.add_argument(
        '--people',
        type=int,
        nargs=2,
        default=DEFAULTS.people,
        metavar=('MIN', 'MAX'),
        help='people of a video (default: {} {})'.format(*DEFAULTS.people),
    )
    parser.add_argument(
        '--size',
        dest='image_size',
        type=picture_size,
        default=DEFAULTS.image_size,
        metavar='WxH',
        help='picture size (default: {}x{})'.format(*DEFAULTS.image_size),
    )
    parser.add_argument(
        '--difficulty',
        choices=sorted(PRESETS),
        default='default',
        help='occlusion, clutter and speed',
    )
    parser.add_argument(
        '--workers',
        dest='num_workers',
        type=int,
        default=1,
        help='processes (default: 1)',
    )
    parser.add_argument(
        '--labels-only',
        dest='pictures',
        action='store_false',
        help='write no pictures',
    )
    return parser.parse_args(argv)


def main(argv: Optional[List[str]] = None) -> None:
    """Run the tool."""
    settings = vars(parse_args(argv))
    out = settings.pop('out')
    # Help and wrong options do not wait for what draws.
    from rpstn_mmpose.synthetic.hieve_generator import generate_hieve

    try:
        summary = generate_hieve(out, **settings)
    except (ValueError, OSError) as error:
        sys.exit(f'make_synthetic_hieve.py: error: {error}')
    videos = summary['num_videos']
    state = 'already complete' if summary['existed'] else 'written'
    print(
        f'{out}: {state}: {videos["train"]} train, {videos["val"]} '
        f'validation and {videos["test"]} test videos, '
        f'{summary["num_frames"]} frames, {summary["num_poses"]} poses'
    )


if __name__ == '__main__':
    main()
