# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Convert a checkpoint of the authors' Anatomy3D code to this package."""

from __future__ import annotations

import argparse

from rpstn_mmpose.checkpoints.converter_tool import (
    print_test,
    read_converted,
    run_in_one_line,
)
from rpstn_mmpose.one_line_parser import OneLineParser

RECIPE = (
    'configs/body_3d_keypoint/anatomy3d/h36m/'
    'anatomy3d_243frm-supv-cpn-ft_1xb1024-60e_h36m-released.py'
)
METAINFO = 'configs/_base_/datasets/h36m.py'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = OneLineParser(
        description="Convert a checkpoint of the authors' Anatomy3D code "
        '(Human3.6M, any number of filters and channels) to this package. '
        'It is read as data: nothing in it is run.'
    )
    parser.add_argument('input', metavar='IN', help='released .bin')
    parser.add_argument('output', metavar='OUT', help='new .pth')
    return parser.parse_args(argv)


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from mmpose.datasets.datasets.utils import parse_pose_metainfo

from rpstn_mmpose.checkpoints.files import write_checkpoint
from rpstn_mmpose.datasets.metainfo import resolve_metainfo_file
from rpstn_mmpose.systems.anatomy3d.released_weights import (
    convert_released,
    recipe_options,
)


def convert(args: argparse.Namespace) -> None:
    weights = read_converted(args, convert_released)
    metainfo = parse_pose_metainfo(
        dict(from_file=resolve_metainfo_file(METAINFO))
    )
    write_checkpoint(
        dict(state_dict=weights.state_dict, meta=dict(dataset_meta=metainfo)),
        args.output,
    )
    print(
        f'{args.output}: {len(weights.state_dict)} tensors, '
        f'{3**weights.num_filters} frames, {weights.channels} channels'
    )
    print_test(RECIPE, args.output, recipe_options(weights))
    print(
        'weights do not tell whether the network is causal; if it is, add '
        '--cfg-options model.backbone.causal=True'
    )


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    run_in_one_line(
        convert, parse_args(argv), 'anatomy3d_released_to_mmpose.py'
    )


if __name__ == '__main__':
    main()
