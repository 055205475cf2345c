# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Convert a checkpoint of the authors' RPSTN code to this package."""

from __future__ import annotations

import argparse
from typing import List, Optional

from rpstn_mmpose.checkpoints.converter_tool import (
    print_test,
    read_converted,
    run_in_one_line,
)
from rpstn_mmpose.one_line_parser import OneLineParser

RECIPES = 'configs/body_2d_keypoint/rpstn'
METAINFO = dict(
    penn='configs/_base_/datasets/penn_action.py',
    jhmdb='configs/_base_/datasets/jhmdb.py',
)


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = OneLineParser(
        description="Convert a checkpoint of the authors' RPSTN code (13 "
        'joints of Penn Action or 15 of Sub-JHMDB) to this package. It is '
        'read as data: nothing in it is run. Says which recipe it is for.'
    )
    parser.add_argument('input', metavar='IN', help='released .pth(.tar)')
    parser.add_argument('output', metavar='OUT', help='new .pth')
    parser.add_argument(
        '--dataset',
        choices=sorted(METAINFO),
        help='what it was trained on (default: told by its joints)',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from mmpose.datasets.datasets.utils import parse_pose_metainfo

from rpstn_mmpose.checkpoints.files import write_checkpoint
from rpstn_mmpose.datasets.metainfo import resolve_metainfo_file
from rpstn_mmpose.systems.rpstn.released_weights import (
    RELEASED_JOINTS,
    convert_released,
    matching_recipe,
    recipe_options,
)


def convert(args: argparse.Namespace) -> None:
    weights = read_converted(
        args, lambda checkpoint: convert_released(checkpoint, args.dataset)
    )
    metainfo = parse_pose_metainfo(
        dict(from_file=resolve_metainfo_file(METAINFO[weights.dataset]))
    )
    write_checkpoint(
        dict(state_dict=weights.state_dict, meta=dict(dataset_meta=metainfo)),
        args.output,
    )

    layers = ', '.join(sorted({n.rpartition('.')[0] for n in weights.unused}))
    print(
        f'{args.output}: {len(weights.state_dict)} tensors, '
        f'{RELEASED_JOINTS[weights.dataset]} joints ({weights.dataset}), '
        f'ResNet-{weights.initializer_depth} initializer, '
        f'ResNet-{weights.extractor_depth} extractor'
    )
    print(
        'left out, the released network does not use them either: '
        f'{layers or "nothing"}'
    )
    recipe = f'{RECIPES}/{matching_recipe(weights)}'
    print(f'recipe: {recipe}')
    print_test(recipe, args.output, recipe_options(weights))
    print(
        'the code is public with either axis of the softmax, and weights '
        'do not tell which; for the other one: --cfg-options '
        'model.head.relation.arithmetic=released-rows'
    )
    if weights.dataset == 'jhmdb':
        print(
            'for weights of split 2 or 3: --cfg-options '
            'test_dataloader.dataset.sub=2 (or 3)'
        )


def main(argv: Optional[List[str]] = None) -> None:
    """Run the tool."""
    run_in_one_line(convert, parse_args(argv), 'rpstn_released_to_mmpose.py')


if __name__ == '__main__':
    main()
