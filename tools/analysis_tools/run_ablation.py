# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Train configs with several seeds, one run after the other, and compare
them: a table, a CSV file and figures of means over seeds."""

from __future__ import annotations

import argparse
import signal
import sys
import warnings
from pathlib import Path
from typing import List, Optional

# Before the packages that warn of others' deprecations are imported.
warnings.filterwarnings('ignore')


class Change(argparse.Action):
    """Collects ``--change LABEL KEY=VALUE ...`` as (label, settings)."""

    def __call__(self, parser, namespace, values, option_string=None):
        label, *settings = values
        changes = getattr(namespace, self.dest)
        if '=' in label or '/' in label or not settings:
            parser.error(
                f'{option_string} takes a label and then settings, '
                f'KEY=VALUE, but got {" ".join(values)}'
            )
        from mmengine.config import DictAction

        one = argparse.Namespace()
        try:
            DictAction(self.option_strings, self.dest)(
                parser, one, settings, option_string
            )
        except ValueError:
            parser.error(
                f'{option_string} {label}: settings are KEY=VALUE, '
                f'but got {" ".join(settings)}'
            )
        setattr(
            namespace, self.dest, [*changes, (label, getattr(one, self.dest))]
        )


class NamedChanges(argparse.Action):
    """Collects ``--named FILE [NAME ...]`` in the same way."""

    def __call__(self, parser, namespace, values, option_string=None):
        from rpstn_mmpose.experiments.configs import load_changes

        try:
            found = load_changes(values[0], values[1:])
        except (OSError, ValueError) as error:
            parser.error(f'{option_string}: {error}')
        setattr(namespace, self.dest, getattr(namespace, self.dest) + found)


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Called again with the same arguments, it goes on where it '
        'was stopped. Each run leaves its log, config, last checkpoint and '
        'result.json in OUT/<config>/seed<seed>; OUT/results.md, results.csv '
        'and four .png figures (with --metric, one) are written anew after '
        'each run.',
    )
    parser.add_argument(
        'configs',
        nargs='*',
        metavar='CONFIG',
        help='config files, or names of recipes of this package',
    )
    parser.add_argument(
        '--change',
        action=Change,
        nargs='+',
        default=[],
        dest='changes',
        metavar=('LABEL', 'KEY=VALUE'),
        help='also run each config with these settings, as CONFIG+LABEL; '
        'give it once for every change',
    )
    parser.add_argument(
        '--named',
        action=NamedChanges,
        nargs='+',
        dest='changes',
        default=[],
        metavar=('FILE', 'NAME'),
        help='also run each config with these changes of a YAML file, as '
        'CONFIG+NAME; without a NAME, with all of them',
    )
    parser.add_argument(
        '--metric',
        metavar='NAME',
        help='rank by this number of the test, such as coco/AP or MPJPE '
        '(default: PCK of visible and of occluded joints, by ClipPCK)',
    )
    parser.add_argument(
        '--lower-is-better',
        action='store_true',
        help='the --metric is an error, the lowest one ranks first',
    )
    parser.add_argument(
        '--seeds',
        nargs='+',
        type=int,
        metavar='SEED',
        help='of the trainings (default: 0 1 2; with --report-only all)',
    )
    parser.add_argument(
        '--data-root',
        type=Path,
        metavar='DATA',
        help='data set for training and test',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/ablation'),
        help='folder of the results (default: work_dirs/ablation)',
    )
    parser.add_argument(
        '--start-from',
        metavar='IMAGE_CONFIG',
        help='image model to train first, once per seed; configs with '
        'model.image_pretrained start from it instead of what they name',
    )
    parser.add_argument(
        '--baseline',
        metavar='NAME',
        help='config that the others are compared with, seed by seed',
    )
    parser.add_argument(
        '--max-epochs',
        type=int,
        metavar='N',
        help='of every run; schedules by epoch are scaled to it',
    )
    parser.add_argument(
        '--report-only',
        action='store_true',
        help='train nothing, report what is finished: the given configs, or '
        'everything in OUT',
    )
    args = parser.parse_args(argv)
    check_args(parser, args)
    return args


def check_args(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> None:
    """Refuse what does not go together; put together what does."""
    from rpstn_mmpose.experiments.configs import config_name
    from rpstn_mmpose.experiments.results import Metric

    labels = [label for label, _ in args.changes]
    for label in labels:
        if labels.count(label) > 1:
            parser.error(f'the change {label} is given twice')
    if args.lower_is_better and args.metric is None:
        parser.error('--lower-is-better goes with --metric')
    if args.metric is not None:
        args.metric = Metric(args.metric, args.lower_is_better)
    args.baseline = args.baseline and config_name(args.baseline)
    if args.report_only:
        return
    if not args.configs:
        parser.error('give at least one CONFIG, or --report-only')
    if args.data_root is None:
        parser.error('--data-root is needed to train')
    if args.max_epochs is not None and args.max_epochs < 1:
        parser.error(f'--max-epochs must be positive, got {args.max_epochs}')
    args.seeds = list(dict.fromkeys(args.seeds or [0, 1, 2]))
    if min(args.seeds) < 0:
        parser.error(f'seeds must not be negative, got {min(args.seeds)}')


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from rpstn_mmpose.experiments import execution
from rpstn_mmpose.experiments.configs import config_name
from rpstn_mmpose.experiments.plan import plan_runs
from rpstn_mmpose.experiments.report import report
from rpstn_mmpose.experiments.results import load_records


def run_all(args: argparse.Namespace) -> List[str]:
    """Train what is not finished yet, and report; the runs that failed."""
    runs = plan_runs(
        args.configs,
        args.seeds,
        args.data_root,
        args.out,
        changes=args.changes,
        start_from=args.start_from,
        max_epochs=args.max_epochs,
        need_pck=args.metric is None,
    )
    return execution.run_all(runs, args.out, args.baseline, args.metric)


def report_only(args: argparse.Namespace) -> None:
    """Report what is finished, whatever its settings."""
    names = [
        name + ending
        for name in map(config_name, args.configs)
        for ending in ('', *(f'+{label}' for label, _ in args.changes))
    ] or None
    if names and args.start_from:
        names.insert(0, config_name(args.start_from))
    records = load_records(args.out, names, args.seeds)
    if not records:
        raise ValueError(
            f'{args.out} holds no finished run of these configs and seeds'
        )
    report(records, args.out, args.baseline, (), args.metric)


def interrupt(*_) -> None:
    """Treat another signal like Ctrl-C."""
    raise KeyboardInterrupt


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        if args.report_only:
            report_only(args)
            return
        failed = run_all(args)
    except (OSError, ValueError) as error:
        sys.exit('run_ablation: ' + ' '.join(str(error).split()))
    except KeyboardInterrupt:
        print(
            'run_ablation: interrupted; call it again to go on',
            file=sys.stderr,
        )
        sys.exit(130)
    if failed:
        sys.exit(f'run_ablation: {len(failed)} failed: {", ".join(failed)}')


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, interrupt)  # ends the run's process too
    main()
