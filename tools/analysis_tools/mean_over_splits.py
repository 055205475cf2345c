# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Mean score over a data set's splits, e.g. the three of sub-JHMDB."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

TEST = Path(__file__).resolve().parents[1] / 'test.py'


def parse_args(args=None):
    parser = argparse.ArgumentParser(
        description='Print a table with a row for each split and one for '
        'their mean. The results are what ClipPCK writes, e.g. with '
        'tools/test.py CONFIG CHECKPOINT --cfg-options '
        'test_evaluator.out_file=RESULT.json; --test runs that.'
    )
    parser.add_argument(
        'results', nargs='*', metavar='RESULT.json', help='ClipPCK out_file'
    )
    parser.add_argument(
        '--test',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='test a model and take its result; once for each split',
    )
    parser.add_argument(
        '--work-dir',
        default='work_dirs/mean_over_splits',
        help='where --test leaves results and logs (default: %(default)s)',
    )
    parser.add_argument(
        '--data-root', help="folder of the data, instead of the configs'"
    )
    parser.add_argument(
        '--norm',
        default='torso',
        choices=['torso', 'person'],
        help='reference length (default: torso)',
    )
    parser.add_argument('--table', help='Markdown file to write the table to')
    parser.add_argument(
        '--out', help='JSON file to write the mean to, in per cent'
    )
    args = parser.parse_args(args)
    if len(args.results) + len(args.test) < 2:
        parser.error('give two results or more, as RESULT.json or by --test')
    if args.data_root and not args.test:
        parser.error('--data-root goes with --test')
    return args


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from rpstn_mmpose.visualization.output_path import check_output_path
from rpstn_mmpose.visualization.pck_report import load_pck_result, pck_table


def run_test(number, config, checkpoint, args):
    """Test one model in a process of its own; return its result's path."""
    for path in (config, checkpoint):
        if '://' not in path and not Path(path).is_file():
            raise FileNotFoundError(f'{path}: no such file')
    folder = Path(args.work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    name = f'{number}_{Path(config).stem}'
    result, log = folder / f'{name}.json', folder / f'{name}.log'
    result.unlink(missing_ok=True)
    options = [f'test_evaluator.out_file={result.resolve()}']
    if args.data_root:
        options.append(f'test_dataloader.dataset.data_root={args.data_root}')
    print(f'testing {number} of {len(args.test)}: {config}', flush=True)
    with log.open('w') as file:
        done = subprocess.run(
            [
                sys.executable,
                str(TEST),
                config,
                checkpoint,
                '--work-dir',
                str(folder / name),
                '--cfg-options',
                *options,
            ],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    if done.returncode or not result.is_file():
        lines = log.read_text(errors='replace').strip().splitlines()
        raise RuntimeError(
            f'the test of {config} failed, see {log}: '
            f'{lines[-1] if lines else "it said nothing"}'
        )
    return str(result)


def load_results(paths, norm):
    """Contents of ClipPCK's files that a mean can be taken over."""
    resolved = [Path(path).resolve() for path in paths]
    for path in paths:
        if resolved.count(Path(path).resolve()) > 1:
            raise ValueError(f'{path} is given twice; give one result a split')
    results = [load_pck_result(path, norm) for path in paths]
    for key in ('keypoint_names', 'thr', 'thresholds'):
        for path, result in zip(paths, results):
            if result.get(key) != results[0].get(key):
                raise ValueError(
                    f'{path} and {paths[0]} differ in {key}; test all '
                    'splits with the same data set and evaluator'
                )
    return results


def mean(values):
    """Mean of nested dicts and lists of numbers; None where one is None."""
    first = values[0]
    if isinstance(first, dict):
        return {key: mean([value[key] for value in values]) for key in first}
    if isinstance(first, list):
        return [mean(list(column)) for column in zip(*values)]
    if any(value is None for value in values):
        return None
    return sum(values) / len(values)


def mean_result(results, norm):
    """A result whose scores are the mean over ``results``, each weighing the
    same, however many frames it has."""
    parts = [
        {
            kind: {
                key: result['norms'][norm][kind][key]
                for key in ('scores', 'sweep', 'auc')
            }
            for kind in ('visible', 'occluded')
        }
        for result in results
    ]
    return dict(
        thr=results[0]['thr'],
        thresholds=results[0]['thresholds'],
        keypoint_names=results[0].get('keypoint_names'),
        norms={norm: mean(parts)},
    )


def run(args):
    if args.table:
        check_output_path(args.table, ('.md', '.txt'))
    if args.out:
        check_output_path(args.out, ('.json',))
    paths = args.results + [
        run_test(number, *pair, args)
        for number, pair in enumerate(args.test, start=1)
    ]
    results = load_results(paths, args.norm)
    total = mean_result(results, args.norm)
    labels = [Path(path).stem for path in paths] + ['mean']
    table = pck_table(results + [total], labels, args.norm)
    print(table, end='')
    if args.table:
        Path(args.table).write_text(table, encoding='utf-8')
    if args.out:
        text = json.dumps(dict(total, splits=labels[:-1]), indent=1)
        Path(args.out).write_text(text + '\n', encoding='utf-8')


def main(args=None):
    args = parse_args(args)
    try:
        run(args)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f'mean_over_splits: {error}')


if __name__ == '__main__':
    main()
