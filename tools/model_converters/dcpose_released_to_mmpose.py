# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Convert a checkpoint of the authors' DCPose code to this package."""

from __future__ import annotations

import argparse

from rpstn_mmpose.checkpoints.converter_tool import (
    print_test,
    read_converted,
    run_in_one_line,
)
from rpstn_mmpose.one_line_parser import OneLineParser

RECIPE = (
    'configs/body_2d_keypoint/dcpose/posetrack18/'
    'dcpose_hrnet-w48_8xb8-20e_posetrack18-384x288.py'
)
METAINFO = 'configs/_base_/datasets/posetrack18.py'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = OneLineParser(
        description="Convert a checkpoint of the authors' DCPose code "
        '(DcPose_RSN, 17 joints of PoseTrack) to this package. It is read as '
        'data: nothing in it is run.'
    )
    parser.add_argument('input', metavar='IN', help='released .pth')
    parser.add_argument('output', metavar='OUT', help='new .pth')
    return parser.parse_args(argv)


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from mmpose.datasets.datasets.utils import parse_pose_metainfo

from rpstn_mmpose.checkpoints.files import write_checkpoint
from rpstn_mmpose.datasets.metainfo import resolve_metainfo_file
from rpstn_mmpose.systems.dcpose.released_weights import (
    convert_released,
    recipe_options,
)


def convert(args: argparse.Namespace) -> None:
    metainfo = parse_pose_metainfo(
        dict(from_file=resolve_metainfo_file(METAINFO))
    )
    weights = read_converted(
        args,
        lambda checkpoint: convert_released(
            checkpoint, joints=metainfo['num_keypoints']
        ),
    )
    write_checkpoint(
        dict(state_dict=weights.state_dict, meta=dict(dataset_meta=metainfo)),
        args.output,
    )
    print(
        f'{args.output}: {len(weights.state_dict)} tensors, '
        f'HRNet-W{weights.width}'
    )
    print_test(RECIPE, args.output, recipe_options(weights))


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    run_in_one_line(convert, parse_args(argv), 'dcpose_released_to_mmpose.py')


if __name__ == '__main__':
    main()
