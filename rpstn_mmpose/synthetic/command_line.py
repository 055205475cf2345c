# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What the tools that write synthetic data sets have in common."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from ..one_line_parser import OneLineParser
from .difficulty import PRESETS


def picture_size(text: str) -> tuple[int, int]:
    """Parse WxH."""
    try:
        width, height = (int(part) for part in text.lower().split('x'))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not WxH, for example 192x144'
        ) from None
    return width, height


def make_parser(format_name: str) -> OneLineParser:
    """Parser of all settings of :class:`GenerateConfig`.

    Args:
        format_name (str): Data set whose format is written.
    """
    parser = OneLineParser(
        description='Write short videos of articulated people, with moving '
        f'occluders, in the on-disk format of {format_name}.'
    )
    parser.add_argument('out', metavar='OUT', help='folder to write')
    parser.add_argument(
        '--num-train',
        type=int,
        help='train videos (default: 400, with --trajectories all)',
    )
    parser.add_argument(
        '--num-test',
        type=int,
        help='test videos (default: 100, with --trajectories all)',
    )
    parser.add_argument(
        '--num-frames', type=int, help='frames a video (default: 10)'
    )
    parser.add_argument(
        '--num-test-frames',
        type=int,
        help='frames a test video (default: as --num-frames)',
    )
    parser.add_argument(
        '--size',
        type=picture_size,
        default=(192, 144),
        metavar='WxH',
        help='picture size (default: 192x144); with --trajectories the '
        'longer side counts',
    )
    parser.add_argument('--seed', type=int, default=0, help='(default: 0)')
    _add_content(parser)
    parser.add_argument(
        '--workers', type=int, default=1, help='processes (default: 1)'
    )
    parser.add_argument(
        '--labels-only', action='store_true', help='write no pictures'
    )
    return parser


def _add_content(parser: OneLineParser) -> None:
    """Options of what is to be seen."""
    parser.add_argument(
        '--difficulty',
        choices=sorted(PRESETS),
        default='default',
        help='occlusion, clutter and speed',
    )
    parser.add_argument(
        '--trajectories',
        metavar='LABELS_DIR',
        help='render people along the real Penn Action label files of this '
        'folder, in their real split',
    )
    parser.add_argument(
        '--max-frames',
        type=int,
        help='frames a video at most, with --trajectories (default: all)',
    )
    parser.add_argument(
        '--occluder-people',
        type=float,
        default=0.0,
        metavar='P',
        help='probability that somebody walks past in front of the person '
        '(default: 0)',
    )
    parser.add_argument(
        '--speed',
        type=int,
        default=1,
        choices=(1, 2, 3, 4),
        help='motion so many times as fast (default: 1)',
    )


def run_tool(
    generate: str, format_name: str, tool: str, argv: list[str] | None = None
) -> None:
    """Parse the command line, write the data set, say what was written.

    Args:
        generate (str): ``'generate_penn'`` or its like in
            :mod:`rpstn_mmpose.synthetic.generate`.
        format_name (str): Data set whose format is written.
        tool (str): File name of the tool, for error messages.
        argv (list, optional): Arguments; ``sys.argv`` by default.
    """
    args = make_parser(format_name).parse_args(argv)
    # Help and wrong options do not wait for what draws.
    module = import_module('.generate', __package__)
    try:
        summary = getattr(module, generate)(
            args.out,
            num_train=args.num_train,
            num_test=args.num_test,
            num_frames=args.num_frames,
            num_test_frames=args.num_test_frames,
            max_frames=args.max_frames,
            image_size=args.size,
            seed=args.seed,
            difficulty=args.difficulty,
            trajectories=args.trajectories,
            num_workers=args.workers,
            pictures=not args.labels_only,
            occluder_people=args.occluder_people,
            speed=args.speed,
        )
    except (ValueError, OSError) as error:
        sys.exit(f'{tool}: error: {error}')
    videos = summary['num_videos']
    state = 'already complete' if summary['existed'] else 'written'
    print(
        f'{args.out}: {state}: {videos["train"]} train and {videos["test"]} '
        f'test videos, {summary["num_frames"]} frames, '
        f'{100 * summary["occlusion_rate"]:.1f} % of the joints hidden by '
        'occluders'
    )
    if summary['skipped']:
        kinds = ', '.join(f'{n} {k}' for k, n in summary['skipped'].items())
        print(f'{args.out}: unusable label files: {kinds}')
