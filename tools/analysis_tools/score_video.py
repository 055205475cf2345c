# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Compare what topdown_video_demo.py found in a synthetic video of several
people with the truth that make_synthetic_crowd.py wrote beside it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import List, Optional


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('prediction', help='.json file of the demo')
    parser.add_argument('truth', help='.json file of the generator')
    parser.add_argument('--out', help='.json file for the numbers')
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
        '--iou-thr',
        type=float,
        default=0.5,
        help='least overlap of the boxes of a match (default: 0.5)',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from rpstn_mmpose.evaluation.people_score import people_table, score_people
from rpstn_mmpose.structures import load_people
from rpstn_mmpose.visualization import check_output_path


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        out = args.out and check_output_path(args.out, ('.json',))
        score = score_people(
            load_people(args.truth),
            load_people(args.prediction),
            thr=args.thr,
            norm_item=args.norm,
            iou_thr=args.iou_thr,
        )
        if out:
            out.write_text(json.dumps(score, indent=1) + '\n')
    except (KeyError, OSError, ValueError) as error:
        sys.exit('score_video: ' + ' '.join(str(error).split()))
    print(people_table(score))
    print(
        f'{score["false_people"]} boxes are nobody, in '
        f'{score["num_frames"]} frames'
    )


if __name__ == '__main__':
    main()
