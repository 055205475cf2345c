# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Write a synthetic data set in the files of Human3.6M."""

from __future__ import annotations

import sys
from pathlib import Path

from rpstn_mmpose.one_line_parser import OneLineParser


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    parser = OneLineParser(
        description='Write 2D keypoints and 3D poses of synthetic people, '
        "seen by four cameras each, in the files that VideoPose3D's "
        'preparation of Human3.6M writes.'
    )
    parser.add_argument('out', metavar='OUT', help='folder to write')
    parser.add_argument(
        '--num-takes', type=int, default=12, help='of a person (default: 12)'
    )
    parser.add_argument(
        '--num-frames', type=int, default=400, help='a take (default: 400)'
    )
    parser.add_argument(
        '--noise',
        type=float,
        default=4.0,
        help="errors of the imagined detector's keypoints, pixels (default: "
        '4)',
    )
    parser.add_argument(
        '--hidden',
        type=float,
        default=0.12,
        help='part of the time in which a joint is hidden (default: 0.12)',
    )
    parser.add_argument('--seed', type=int, default=0, help='(default: 0)')
    args = parser.parse_args(argv)
    from rpstn_mmpose.synthetic.generate_h36m import generate_h36m

    try:
        manifest = generate_h36m(
            args.out,
            num_takes=args.num_takes,
            num_frames=args.num_frames,
            noise=args.noise,
            hidden=args.hidden,
            seed=args.seed,
        )
    except (ValueError, OSError) as error:
        sys.exit(f'{Path(__file__).name}: error: {error}')
    state = 'already complete' if manifest['existed'] else 'written'
    print(
        f'{args.out}: {state}: {manifest["num_sequences"]} sequences, '
        f'{manifest["num_frames"]} frames'
    )


if __name__ == '__main__':
    main()
