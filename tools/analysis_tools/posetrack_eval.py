# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""PoseTrack's AP and MOTA of prediction files, without the official one."""

import argparse
import json
import math
import sys


def parse_args(args=None):
    parser = argparse.ArgumentParser(
        description='Evaluate PoseTrack18 predictions by the rules of the '
        "official program: AP, and tracking by each joint's track. Both "
        'folders hold one PoseTrack18 JSON file a sequence, with the same '
        'file names and image ids; PoseTrackClipMetric writes such a folder '
        'of predictions with test_evaluator.out_dir=PRED_DIR'
    )
    parser.add_argument('gt_dir', metavar='GT_DIR', help='truth')
    parser.add_argument('pred_dir', metavar='PRED_DIR', help='predictions')
    parser.add_argument(
        '--out',
        metavar='RESULT.json',
        help='file for all values by joint, in per cent (null: not defined)',
    )
    parser.add_argument(
        '--no-tracking',
        action='store_true',
        help='AP only; for predictions whose track_id means nothing',
    )
    return parser.parse_args(args)


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from rpstn_mmpose.evaluation import (
    posetrack_ap,
    posetrack_mot,
    posetrack_table,
)
from rpstn_mmpose.visualization.output_path import check_output_path


def run(args):
    out = check_output_path(args.out, ('.json',)) if args.out else None
    ap = posetrack_ap(args.gt_dir, args.pred_dir)
    results = dict(poses=ap)
    if not args.no_tracking:
        mot = results['tracking'] = posetrack_mot(args.gt_dir, args.pred_dir)
    print('Poses, per cent:')
    print(
        posetrack_table(
            {'AP': ap['ap'], 'Precision': ap['pre'], 'Recall': ap['rec']}
        )
    )
    if not args.no_tracking:
        print('\nTracking, per cent:')
        print(
            posetrack_table(
                {
                    'MOTA': mot['mota'],
                    'MOTP': mot['motp'],
                    'Precision': mot['pre'],
                    'Recall': mot['rec'],
                }
            )
        )
        if math.isnan(mot['mota']['total']):
            print(
                'No sequence has two evaluated frames, of which the last '
                'does not count.'
            )
    if out is not None:
        plain = {
            part: {
                key: {
                    joint: None if math.isnan(value) else value
                    for joint, value in values.items()
                }
                for key, values in scores.items()
            }
            for part, scores in results.items()
        }
        out.write_text(json.dumps(plain, indent=1) + '\n', encoding='utf-8')


def main(args=None):
    args = parse_args(args)
    try:
        run(args)
    except (OSError, ValueError) as error:
        sys.exit(f'posetrack_eval: {error}')


if __name__ == '__main__':
    main()
