# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Make a start for RPSTN out of a SimpleBaseline trained on MPII."""

from __future__ import annotations

import argparse
from typing import List, Optional

from rpstn_mmpose.checkpoints.converter_tool import (
    read_converted,
    run_in_one_line,
)
from rpstn_mmpose.one_line_parser import OneLineParser

METAINFO = dict(
    penn='configs/_base_/datasets/penn_action.py',
    jhmdb='configs/_base_/datasets/jhmdb.py',
)
MPII = 'configs/_base_/datasets/mpii.py'


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = OneLineParser(
        description='Put the weights of an MPII SimpleBaseline, in the '
        "naming of MMPose or of Microsoft's human-pose-estimation.pytorch, "
        'under the names of extractor, initializer and 1x1 of RPSTN, joint '
        'by joint name. The file is read as data: nothing in it is run. '
        'Recipes do the same on the fly: model.image_pretrained.checkpoint '
        'takes either naming.'
    )
    parser.add_argument('input', metavar='IN', help='MPII .pth(.tar)')
    parser.add_argument('output', metavar='OUT', help='new .pth')
    parser.add_argument(
        '--dataset',
        choices=sorted(METAINFO),
        default='penn',
        help='whose joints the video model has (default: penn)',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from mmpose.datasets.datasets.utils import parse_pose_metainfo

from rpstn_mmpose.checkpoints.files import write_checkpoint
from rpstn_mmpose.datasets.metainfo import resolve_metainfo_file
from rpstn_mmpose.systems.rpstn.mpii_weights import convert_mpii


def joint_names(metainfo: str) -> List[str]:
    """Names in a metainfo file, in their order."""
    meta = parse_pose_metainfo(dict(from_file=resolve_metainfo_file(metainfo)))
    names = meta['keypoint_id2name']
    return [names[i] for i in sorted(names)]


def convert(args: argparse.Namespace) -> None:
    weights = read_converted(
        args,
        lambda checkpoint: convert_mpii(
            checkpoint, joint_names(METAINFO[args.dataset]), joint_names(MPII)
        ),
    )
    write_checkpoint(dict(state_dict=weights.state_dict), args.output)

    naming = "Microsoft's" if weights.microsoft else "MMPose's"
    print(
        f'{args.output}: {len(weights.state_dict)} tensors for initializer '
        f'and extractor, ResNet-{weights.depth}, from {naming} naming'
    )
    if weights.unused:
        print(f'left out: {", ".join(weights.unused)}')
    for joint, source in weights.start.items():
        print(f'  {joint:16s} from {source}')
    options = [f'load_from={args.output}', 'model.image_pretrained=None']
    if weights.microsoft:
        # Its code reads pictures with OpenCV and does not turn the channels.
        options.append('model.data_preprocessor.bgr_to_rgb=False')
    print(
        f'start from it, with a recipe of ResNet-{weights.depth}: '
        f'--cfg-options {" ".join(options)}'
    )


def main(argv: Optional[List[str]] = None) -> None:
    """Run the tool."""
    run_in_one_line(convert, parse_args(argv), 'mpii_sbl_to_rpstn.py')


if __name__ == '__main__':
    main()
