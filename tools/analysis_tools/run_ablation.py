# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Train configs with several seeds, one run after the other, and compare
them: a table, a CSV file and figures of means over seeds."""
from __future__ import annotations

import argparse
import copy
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

# Before the packages that warn of others' deprecations are imported.
warnings.filterwarnings('ignore')

from mmengine.config import Config, DictAction  # noqa: E402
from tqdm import tqdm  # noqa: E402

import rpstn_mmpose  # noqa: E402
from rpstn_mmpose.checkpoints.atomic_file import write_atomically  # noqa: E402
from rpstn_mmpose.evaluation import ClipPCK  # noqa: E402
from rpstn_mmpose.evaluation.ablation_results import (  # noqa: E402
    NORM,
    RESULT_FILE,
    load_record,
    load_records,
    score,
    summarize,
    write_csv,
)
from rpstn_mmpose.synthetic.data_folder import MANIFEST  # noqa: E402
from rpstn_mmpose.visualization.ablation_report import (  # noqa: E402
    ablation_table,
    plot_cost,
    plot_occluded_visible,
    plot_pck_curves,
    summary_table,
)

STAMP = 'settings.sha256'
# What ablation_run.py reads and writes in a run's folder, besides its result.
JOB = 'job.json'
CONFIG = 'config.py'
PROGRESS = 'progress.json'
LOG = 'log.txt'


class RunFailed(Exception):
    """A run that could not be finished; the others go on."""


class Change(DictAction):
    """Collects ``--change LABEL KEY=VALUE ...`` as (label, settings)."""

    def __call__(self, parser, namespace, values, option_string=None):
        label, *settings = values
        changes = getattr(namespace, self.dest)
        if '=' in label or '/' in label or not settings:
            parser.error(f'{option_string} takes a label and then settings, '
                         f'KEY=VALUE, but got {" ".join(values)}')
        if any(label == other for other, _ in changes):
            parser.error(f'{option_string} {label} is given twice')
        one = argparse.Namespace()
        try:
            super().__call__(parser, one, settings, option_string)
        except ValueError:
            parser.error(f'{option_string} {label}: settings are KEY=VALUE, '
                         f'but got {" ".join(settings)}')
        setattr(namespace, self.dest,
                [*changes, (label, getattr(one, self.dest))])


class Run(NamedTuple):
    """One training: a config and a seed.

    Attributes:
        name: Of the config.
        seed: Of the training.
        work_dir: Where it leaves everything.
        cfg: The config for any seed, without paths.
        settings: Hash of the config, the data and the image model's settings.
        data: Hash of the data.
        start: The training of the image model that it starts from.
    """
    name: str
    seed: int
    work_dir: Path
    cfg: Config
    settings: str
    data: str
    start: Optional[Run] = None

    def __str__(self) -> str:
        return f'{self.name} seed {self.seed}'


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Called again with the same arguments, it goes on where it '
        'was stopped. Each run leaves its log, last checkpoint and '
        'result.json in OUT/<config>/seed<seed>; OUT/results.md, results.csv '
        'and four .png figures are written anew after each run.')
    parser.add_argument(
        'configs', nargs='*', metavar='CONFIG',
        help='config files, or names of recipes of this package')
    parser.add_argument(
        '--change', action=Change, nargs='+', default=[], dest='changes',
        metavar=('LABEL', 'KEY=VALUE'),
        help='also run each config with these settings, as CONFIG+LABEL; '
        'give it once for every change')
    parser.add_argument(
        '--seeds', nargs='+', type=int, metavar='SEED',
        help='of the trainings (default: 0 1 2; with --report-only all)')
    parser.add_argument(
        '--data-root', type=Path, metavar='DATA',
        help='data set for training and test')
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/ablation'),
        help='folder of the results (default: work_dirs/ablation)')
    parser.add_argument(
        '--start-from', metavar='IMAGE_CONFIG',
        help='image model to train first, once per seed; configs with '
        'model.image_pretrained start from it instead of what they name')
    parser.add_argument(
        '--baseline', metavar='NAME',
        help='config that the others are compared with, seed by seed')
    parser.add_argument(
        '--max-epochs', type=int, metavar='N',
        help='of every run; schedules by epoch are scaled to it')
    parser.add_argument(
        '--report-only', action='store_true',
        help='train nothing, report what is finished: the given configs, or '
        'everything in OUT')
    args = parser.parse_args(argv)
    if args.report_only:
        return args
    if not args.configs:
        parser.error('give at least one CONFIG, or --report-only')
    if args.data_root is None:
        parser.error('--data-root is needed to train')
    if args.max_epochs is not None and args.max_epochs < 1:
        parser.error(f'--max-epochs must be positive, got {args.max_epochs}')
    args.seeds = list(dict.fromkeys(args.seeds or [0, 1, 2]))
    if min(args.seeds) < 0:
        parser.error(f'seeds must not be negative, got {min(args.seeds)}')
    return args


# What is to be run


def find_config(name: str) -> Path:
    """Path of a config file or of a recipe."""
    path = Path(name)
    return path if path.is_file() else Path(rpstn_mmpose.config_path(name))


def config_name(name: str) -> str:
    """What a config is called in the results: its file's name."""
    name = Path(name).name
    return name[:-len('.py')] if name.endswith('.py') else name


def load_config(path: Path, max_epochs: Optional[int],
                change: Optional[dict] = None) -> Config:
    """The config as it is run, but for paths and the seed.

    Args:
        path: Of the config.
        max_epochs: Of the training, None: as the config says.
        change: Settings that differ from the file's.

    Raises:
        ValueError: It cannot be read or does not suit.
    """
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is code and can raise anything
        raise ValueError(f'cannot read {path}: {type(error).__name__}: '
                         f'{error}') from None
    try:
        cfg.merge_from_dict(change or {})
    except (KeyError, TypeError, AssertionError) as error:
        raise ValueError(f'{path} does not take {change}: {error}') from None
    try:
        for loader in (cfg.train_dataloader, cfg.test_dataloader):
            if 'data_root' not in loader.dataset:
                raise ValueError('its data sets need a data_root')
        pck_metric(cfg)
        if max_epochs is not None:
            set_max_epochs(cfg, max_epochs)
        checkpoint = cfg.default_hooks.checkpoint
    except (ValueError, AttributeError) as error:
        raise ValueError(f'{path} does not suit: {error}') from None
    checkpoint.max_keep_ckpts = 1
    # Tested once, after the training.
    checkpoint.pop('save_best', None)
    checkpoint.pop('rule', None)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    return cfg


def pck_metric(cfg: Config) -> dict:
    """The ClipPCK of the test.

    Raises:
        ValueError: There is none, or it does not take torso lengths.
    """
    evaluators = cfg.test_evaluator
    if not isinstance(evaluators, (list, tuple)):
        evaluators = [evaluators]
    for evaluator in evaluators:
        if evaluator.get('type') == 'ClipPCK':
            norms = evaluator.get('norm_item', NORM)
            if NORM in ([norms] if isinstance(norms, str) else norms):
                return evaluator
    raise ValueError(f'its test_evaluator needs a ClipPCK by {NORM}')


def set_max_epochs(cfg: Config, epochs: int) -> None:
    """Change the length of the training, and its schedules in proportion.

    Raises:
        ValueError: The config counts iterations instead.
    """
    before = cfg.train_cfg.get('max_epochs')
    if before is None:
        raise ValueError('--max-epochs needs a config that counts epochs')
    cfg.train_cfg.max_epochs = epochs

    def scaled(value: int) -> int:
        return value and max(1, round(value * epochs / before))

    schedulers = cfg.get('param_scheduler') or []
    if isinstance(schedulers, dict):
        schedulers = [schedulers]
    for scheduler in schedulers:
        if not scheduler.get('by_epoch', True):
            continue
        for key in ('begin', 'end', 'T_max', 'step_size'):
            if key in scheduler:
                scheduler[key] = scaled(scheduler[key])
        if 'milestones' in scheduler:
            scheduler.milestones = [scaled(m) for m in scheduler.milestones]


def sha256(*texts: Optional[str]) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def data_settings(data_root: Path) -> str:
    """Hash of what tells data sets apart: the generator's settings where it
    left them, else the folder.

    Raises:
        FileNotFoundError: No such folder.
        ValueError: The generator's manifest cannot be read.
    """
    if not data_root.is_dir():
        raise FileNotFoundError(f'--data-root {data_root}: no such folder')
    manifest = data_root / MANIFEST
    if not manifest.is_file():
        return sha256(str(data_root.resolve()))
    try:
        settings = json.loads(manifest.read_text())['settings']
    except (ValueError, KeyError, TypeError):
        raise ValueError(f'{manifest} is damaged, make the data set '
                         'again') from None
    return sha256(json.dumps(settings, sort_keys=True))


def plan_runs(args: argparse.Namespace) -> List[Run]:
    """All runs in order: for each seed the image model, then the configs.

    So every config has a result as early as possible.

    Raises:
        FileNotFoundError: A config or the data is not there.
        ValueError: A config does not suit, or two have one name.
    """
    data = data_settings(args.data_root)
    wanted = ([args.start_from] if args.start_from else []) + args.configs
    configs: Dict[str, Tuple[Path, Config]] = {}
    for item in wanted:
        path, name = find_config(item).resolve(), config_name(item)
        if name in configs and configs[name][0] != path:
            raise ValueError(f'two configs are called {name}: {path} and '
                             f'{configs[name][0]}; rename one')
        if name in configs:
            continue
        configs[name] = (path, load_config(path, args.max_epochs))
        if item == args.start_from:
            continue
        for label, change in args.changes:
            configs[f'{name}+{label}'] = (
                path, load_config(path, args.max_epochs, change))
    check_thresholds({name: cfg for name, (_, cfg) in configs.items()})
    image = config_name(args.start_from) if args.start_from else None
    settings = {}
    starts = {}
    for name, (path, cfg) in configs.items():
        pretrained = cfg.model.get('image_pretrained')
        starts[name] = bool(image and image != name and pretrained)
        if pretrained and not starts[name]:
            check_pretrained(path, pretrained.checkpoint)
        if starts[name]:
            # The image model is trained on the same joints: no renaming.
            cfg.model.image_pretrained = dict(checkpoint=None)
        settings[name] = sha256(cfg.pretty_text, data,
                                settings[image] if starts[name] else None)
    runs: List[Run] = []
    for seed in args.seeds:
        done: Dict[str, Run] = {}
        for name, (_, cfg) in configs.items():
            done[name] = Run(
                name, seed, args.out / name / f'seed{seed}', cfg,
                settings[name], data,
                done[image] if starts[name] else None)
        runs += done.values()
    return runs


def check_thresholds(configs: Dict[str, Config]) -> None:
    """Refuse, before anything is trained, what cannot be compared."""
    found = {}
    for name, cfg in configs.items():
        evaluator = pck_metric(cfg)
        metric = ClipPCK(**{key: evaluator[key]
                            for key in ('thr', 'thresholds')
                            if key in evaluator})
        found.setdefault((metric.thr, metric.thresholds), name)
    if len(found) > 1:
        raise ValueError(
            f'{" and ".join(found.values())} have a ClipPCK of different thr '
            'or thresholds; results can only be compared at the same ones')


def check_pretrained(config: Path, checkpoint: str) -> None:
    """Refuse a config that starts from a file that is not there."""
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise FileNotFoundError(
            f'{config} starts from {checkpoint}, which does not exist; train '
            'an image model with --start-from')


# A run, seen from outside


def finished_record(run: Run) -> Optional[dict]:
    """The run's result, if there is one of the same settings."""
    try:
        record = load_record(run.work_dir / RESULT_FILE)
    except (OSError, ValueError):
        return None
    return record if record['settings'] == run.settings else None


def prepare_folder(run: Run) -> None:
    """Start afresh if an earlier run there had other settings.

    A finished one is kept beside, as ``seed0.old-<its settings>``.

    Raises:
        RunFailed: The folder is not one of this tool.
    """
    folder, stamp = run.work_dir, run.work_dir / STAMP
    if folder.exists() and any(folder.iterdir()):
        if not stamp.is_file():
            raise RunFailed(f'{folder} holds something else; choose another '
                            '--out')
        before = stamp.read_text().strip()
        if before != run.settings and (folder / RESULT_FILE).is_file():
            aside = folder.with_name(f'{folder.name}.old-{before[:8]}')
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
            tqdm.write(f'{run}: other settings, the earlier run is in {aside}')
        elif before != run.settings:
            shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(f'{run.settings}\n'.encode(), stamp)


def write_job(run: Run, data_root: Path) -> None:
    """Leave in the run's folder all that its process needs to know."""
    cfg = copy.deepcopy(run.cfg)
    cfg.work_dir = str(run.work_dir.resolve())
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=run.seed)
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(data_root.resolve())
    pck_metric(cfg).out_file = str(run.work_dir.resolve() / 'pck.json')
    job = dict(
        config=run.name,
        seed=run.seed,
        settings=run.settings,
        data=run.data,
        started_from=None)
    if run.start is not None:
        start = run.start.work_dir.resolve()
        record = json.loads((start / RESULT_FILE).read_text())
        cfg.model.image_pretrained['checkpoint'] = str(
            start / record['checkpoint'])
        job['started_from'] = str(start / RESULT_FILE)
    cfg.dump(run.work_dir / CONFIG)
    (run.work_dir / JOB).write_text(json.dumps(job, indent=1) + '\n')


def child_command(work_dir: Path) -> List[str]:
    # A process for each run: registries' scopes, message hubs, loggers and
    # memory of one run do not reach the next, and a crash or the kernel's
    # out-of-memory killer takes one run, not the rest of the list.
    script = Path(__file__).resolve().with_name('ablation_run.py')
    return [sys.executable, str(script), str(work_dir.resolve()),
            '--end-with-parent']


def execute(run: Run, data_root: Path, bar: tqdm, label: str) -> None:
    """Train and test in a process of its own, whose output goes to log.txt.

    Raises:
        RunFailed: It ended without a result.
    """
    prepare_folder(run)
    write_job(run, data_root)
    progress = run.work_dir / PROGRESS
    progress.unlink(missing_ok=True)
    log = run.work_dir / LOG
    bar.reset()
    bar.set_description_str(f'{label}, starting')
    with log.open('a') as file:
        child = subprocess.Popen(
            child_command(run.work_dir), stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT)
    try:
        while True:
            try:
                child.wait(poll_seconds())
                break
            except subprocess.TimeoutExpired:
                show_progress(bar, label, progress)
    finally:
        stop(child)
    if child.returncode or finished_record(run) is None:
        code = child.returncode
        how = f'signal {-code}' if code < 0 else f'exit status {code}'
        raise RunFailed(f'{how}, {last_line(log)!r}; log in {log}')


def poll_seconds() -> float:
    """Between two looks at a run; few where lines cannot be overwritten."""
    return 0.5 if sys.stderr.isatty() else 10


def stop(child: subprocess.Popen) -> None:
    """End a process that still runs."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def last_line(log: Path, length: int = 200) -> str:
    """The last line of a log that is not empty."""
    with log.open('rb') as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors='replace').split('\n')
    lines = [line.strip() for line in lines if line.strip()]
    return lines[-1][:length] if lines else 'nothing logged'


def show_progress(bar: tqdm, label: str, path: Path) -> None:
    """Move the bar to where the run's process says it is."""
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):  # nothing yet
        bar.refresh()
        return
    bar.total, bar.n = state['total'], state['done']
    bar.set_description_str(f'{label}, {state["what"]}', refresh=False)
    bar.set_postfix_str(state['loss'], refresh=False)
    bar.refresh()


# All runs


def write_report(records: List[dict],
                 out: Path,
                 baseline: Optional[str] = None,
                 missing: Sequence[str] = ()) -> None:
    """Table, lines and figures of the finished runs, at least one."""
    text = ablation_table(records, baseline, missing)
    write_atomically(text.encode('utf-8'), out / 'results.md')
    write_csv(records, out / 'results.csv')
    plot_pck_curves(records, out / 'pck_curves.png', baseline)
    plot_pck_curves(records, out / 'pck_curves_occluded.png', baseline,
                    kind='occluded')
    plot_occluded_visible(records, out / 'occluded_visible.png')
    plot_cost(records, out / 'cost.png')


def finished_records(runs: List[Run]) -> Tuple[List[dict], List[str]]:
    """Records of the finished runs, by config, and the others' names."""
    names = list(dict.fromkeys(run.name for run in runs))
    records, missing = [], []
    for run in sorted(runs, key=lambda run: names.index(run.name)):
        record = finished_record(run)
        if record is None:
            missing.append(str(run))
        else:
            records.append(record)
    return records, missing


def shorten(name: str, length: int = 34) -> str:
    """A name with its middle left out, for the bar."""
    if len(name) <= length:
        return name
    end = (length - 1) // 2
    return f'{name[:length - 1 - end]}…{name[-end:]}'


def say_result(label: str, record: dict, note: str = '') -> None:
    visible, occluded = (
        '–' if value is None else f'{value:.1f}'
        for value in (score(record, 'visible'), score(record, 'occluded')))
    tqdm.write(f'{label}: mPCK@{record["pck"]["thr"]:g} {visible} visible, '
               f'{occluded} occluded, {record["train_seconds"]:.0f} s of '
               f'training{note}')


def run_all(args: argparse.Namespace) -> List[str]:
    """Train what is not finished yet, and report.

    Returns:
        list[str]: The runs that failed.
    """
    runs = plan_runs(args)
    if args.baseline is not None:
        args.baseline = config_name(args.baseline)
        names = list(dict.fromkeys(run.name for run in runs))
        if args.baseline not in names:
            raise ValueError(f'--baseline {args.baseline} is none of the '
                             f'configs: {", ".join(names)}')
    args.out.mkdir(parents=True, exist_ok=True)
    failed = []
    # A narrow terminal cuts off the end, the times.
    bar = tqdm(bar_format='{desc} {n_fmt}/{total_fmt}{postfix} '
               '[{elapsed}<{remaining}]', dynamic_ncols=True, leave=False)
    with bar:
        for i, run in enumerate(runs, 1):
            label = f'[{i}/{len(runs)}] {run}'
            record = finished_record(run)
            if record is not None:
                say_result(label, record, ' (done before)')
                continue
            try:
                if run.start and finished_record(run.start) is None:
                    raise RunFailed(f'it starts from {run.start}, which '
                                    'failed')
                execute(run, args.data_root, bar,
                        f'[{i}/{len(runs)}] {shorten(run.name)} seed '
                        f'{run.seed}')
            except RunFailed as error:
                failed.append(str(run))
                tqdm.write(f'{label}: FAILED: {error}')
                continue
            say_result(label, finished_record(run))
            if i < len(runs):
                bar.set_description_str('report')
                report_runs(args, runs)
    report_runs(args, runs, summary=True)
    return failed


def report_runs(args: argparse.Namespace, runs: List[Run],
                summary: bool = False) -> None:
    """Report the finished ones, if there are any."""
    records, missing = finished_records(runs)
    baseline = args.baseline
    if all(record['config'] != baseline for record in records):
        baseline = None  # none of its runs is finished yet
    if records:
        write_report(records, args.out, baseline, missing)
    if records and summary:
        say_summary(records, args.out, baseline)


def say_summary(records: List[dict], out: Path,
                baseline: Optional[str]) -> None:
    print('\n' + summary_table(summarize(records, baseline), baseline))
    print(f'Results in {out} (results.md, results.csv, pck_curves.png, '
          'pck_curves_occluded.png, occluded_visible.png, cost.png)')


def report_only(args: argparse.Namespace) -> None:
    """Report what is finished, whatever its settings."""
    names = [
        name + ending for name in map(config_name, args.configs)
        for ending in ('', *(f'+{label}' for label, _ in args.changes))
    ] or None
    if names and args.start_from:
        names.insert(0, config_name(args.start_from))
    records = load_records(args.out, names, args.seeds)
    if not records:
        raise ValueError(f'{args.out} holds no finished run of these configs '
                         'and seeds')
    baseline = args.baseline and config_name(args.baseline)
    write_report(records, args.out, baseline)
    say_summary(records, args.out, baseline)


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
        print('run_ablation: interrupted; call it again to go on',
              file=sys.stderr)
        sys.exit(130)
    if failed:
        sys.exit(f'run_ablation: {len(failed)} failed: {", ".join(failed)}')


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, interrupt)  # ends the run's process too
    main()
