# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Convert a checkpoint of the authors' VideoPose3D code to MMPose."""

from __future__ import annotations

import argparse

from rpstn_mmpose.checkpoints.converter_tool import (
    print_test,
    read_converted,
    run_in_one_line,
)
from rpstn_mmpose.one_line_parser import OneLineParser

RECIPE = (
    'configs/body_3d_keypoint/video_pose3d/h36m/'
    'video-pose3d_243frm-supv-cpn-ft_1xb1024-80e_h36m.py'
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = OneLineParser(
        description="Convert a checkpoint of the authors' VideoPose3D code "
        "to the names of MMPose's TCN. It is read as data: nothing in it is "
        'run.'
    )
    parser.add_argument('input', metavar='IN', help='released .bin')
    parser.add_argument('output', metavar='OUT', help='new .pth')
    return parser.parse_args(argv)


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from rpstn_mmpose.checkpoints.files import write_checkpoint
from rpstn_mmpose.systems.video_pose3d.released_weights import (
    convert_released,
    recipe_options,
)


def convert(args: argparse.Namespace) -> None:
    weights = read_converted(args, convert_released)
    write_checkpoint(dict(state_dict=weights.state_dict), args.output)
    taps = ','.join(map(str, weights.widths))
    print(
        f'{args.output}: {len(weights.state_dict)} tensors, filters {taps}, '
        f'{weights.channels} channels, {weights.in_joints} joints to '
        f'{weights.joints}'
        + (', with the trajectory' if weights.trajectory else '')
    )
    print_test(RECIPE, args.output, recipe_options(weights))
    print(
        'weights do not tell whether the network is causal; if it is, add '
        '--cfg-options model.backbone.causal=True'
    )


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    run_in_one_line(
        convert, parse_args(argv), 'videopose3d_released_to_mmpose.py'
    )


if __name__ == '__main__':
    main()
