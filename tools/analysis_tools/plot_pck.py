# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Compare models: a figure and a table of what ClipPCK wrote of each."""

import argparse
import sys
from pathlib import Path


def parse_args(args=None):
    parser = argparse.ArgumentParser(
        description='Draw PCK by threshold and by joint of one or more '
        'models and print them as a Markdown table. The results are what '
        'ClipPCK writes, e.g. with tools/test.py CONFIG CHECKPOINT '
        '--cfg-options test_evaluator.out_file=RESULT.json'
    )
    parser.add_argument(
        'results', nargs='+', metavar='RESULT.json', help='ClipPCK out_file'
    )
    parser.add_argument(
        '--labels',
        nargs='+',
        help="names of the models (default: the files' names)",
    )
    parser.add_argument(
        '--out', help='picture to write: .png, .pdf, .svg or .jpg'
    )
    parser.add_argument('--table', help='Markdown file to write the table to')
    parser.add_argument(
        '--norm',
        default='torso',
        choices=['torso', 'person'],
        help='reference length (default: torso)',
    )
    parser.add_argument('--title', help='line above the figure')
    args = parser.parse_args(args)
    if args.labels is None:
        args.labels = [Path(path).stem for path in args.results]
    if len(args.labels) != len(args.results):
        parser.error(
            f'{len(args.results)} results but {len(args.labels)} --labels'
        )
    return args


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from rpstn_mmpose.visualization.output_path import check_output_path
from rpstn_mmpose.visualization.pck_report import (
    load_pck_result,
    pck_table,
    plot_pck,
)


def run(args):
    results = [load_pck_result(path, args.norm) for path in args.results]
    table = pck_table(results, args.labels, args.norm)
    print(table, end='')
    if args.table:
        path = check_output_path(args.table, ('.md', '.txt'))
        path.write_text(table, encoding='utf-8')
    if args.out:
        plot_pck(results, args.labels, args.out, args.norm, args.title)


def main(args=None):
    args = parse_args(args)
    try:
        run(args)
    except (OSError, ValueError) as error:
        sys.exit(f'plot_pck: {error}')


if __name__ == '__main__':
    main()
