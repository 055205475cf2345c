# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What is to be run: configs, named changes of them, and seeds."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence, Tuple

from mmengine.config import Config

from ..engine.data_root import set_data_root
from ..engine.start_weights import about_weights, missing_weights
from ..evaluation import ClipPCK
from ..synthetic.data_folder import MANIFEST
from .configs import config_name, find_config, load_config, pck_metric
from .results import RESULT_FILE, load_record

PCK_FILE = 'pck.json'

Changes = Sequence[Tuple[str, Mapping[str, Any]]]


class Run(NamedTuple):
    """One training: a config and a seed.

    Attributes:
        name: Of the config.
        seed: Of the training.
        work_dir: Where it leaves everything.
        data_root: The data set for training and test.
        cfg: The config for any seed, without paths.
        settings: Hash of the config, the data and the image model's settings.
        data: Hash of the data.
        start: The run whose weights it starts from: a video model from an
            image model's, another one from those of a whole model.
    """

    name: str
    seed: int
    work_dir: Path
    data_root: Path
    cfg: Config
    settings: str
    data: str
    start: Run | None = None

    def __str__(self) -> str:
        return f'{self.name} seed {self.seed}'


def sha256(*texts: str | None) -> str:
    """Hash of some texts."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def data_settings(data_root: Path) -> str:
    """Hash of what tells data sets apart.

    These are the generator's settings where it left them, else the folder.

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
        raise ValueError(
            f'{manifest} is damaged, make the data set again'
        ) from None
    return sha256(json.dumps(settings, sort_keys=True))


def evaluator_settings(cfg: Config) -> str:
    """Hash of what a config is tested by."""
    return sha256(json.dumps(cfg.test_evaluator, sort_keys=True, default=str))


def make_run(
    name: str,
    cfg: Config,
    seed: int,
    work_dir: Path,
    data_root: Path,
    start: Run | None = None,
) -> Run:
    """A run of a config of :func:`load_config`.

    Args:
        name: Of the config.
        cfg: The config; changed where the run starts from another one.
        seed: Of the training.
        work_dir: Where it leaves everything.
        data_root: The data set.
        start: See :class:`Run`.

    Raises:
        OSError: The data is not there.
        ValueError: The data's manifest cannot be read.
    """
    if start is not None and 'image_pretrained' in cfg.model:
        # The image model is trained on the same joints: no renaming.
        cfg.model.image_pretrained = dict(checkpoint=None)
    elif start is not None:
        cfg.load_from = None
    data = data_settings(data_root)
    settings = sha256(cfg.pretty_text, data, start and start.settings)
    return Run(name, seed, work_dir, data_root, cfg, settings, data, start)


def plan_runs(
    configs: Sequence[str],
    seeds: Sequence[int],
    data_root: Path,
    out: Path,
    changes: Changes = (),
    start_from: str | None = None,
    max_epochs: int | None = None,
    need_pck: bool = True,
) -> list[Run]:
    """All runs in order: for each seed the image model, then the configs.

    So every config has a result as early as possible.

    Args:
        configs: Config files, or names of recipes.
        seeds: Of the trainings.
        data_root: The data set.
        out: Folder of ``<config>/seed<seed>``.
        changes: Names and settings; each config is run with each of them,
            too, as ``<config>+<name>``.
        start_from: Image model to train first, once per seed; configs with
            ``model.image_pretrained`` start from it.
        max_epochs: See :func:`load_config`.
        need_pck: See :func:`load_config`.

    Raises:
        OSError: A config or the data is not there.
        ValueError: A config does not suit, or two have one name.
    """
    data_settings(data_root)
    image = config_name(start_from) if start_from else None
    found: dict[str, tuple[Path, Config]] = {}
    for item in ([start_from] if start_from else []) + list(configs):
        path, name = find_config(item).resolve(), config_name(item)
        if name in found and found[name][0] != path:
            raise ValueError(
                f'two configs are called {name}: {path} and '
                f'{found[name][0]}; rename one'
            )
        if name in found:
            continue
        for label, change in (
            ('', None),
            *(changes if item != start_from else ()),
        ):
            full = f'{name}+{label}' if label else name
            found[full] = (
                path,
                load_config(path, max_epochs, change, need_pck),
            )
    if need_pck:
        check_thresholds({name: cfg for name, (_, cfg) in found.items()})
    starts = set()
    for name, (path, cfg) in found.items():
        weights = missing_weights(cfg)
        if cfg.model.get('image_pretrained') and image not in (None, name):
            starts.add(name)
            weights.pop('model.image_pretrained.checkpoint', None)
        if weights:
            remedy = 'train an image model first with --start-from'
            raise FileNotFoundError(
                f'{path}: {about_weights(weights, remedy)}'
            )
    runs: list[Run] = []
    first: dict[str, Run] = {}
    for seed in seeds:
        done: dict[str, Run] = {}
        for name, (_, cfg) in found.items():
            start = done[image] if name in starts else None
            if name not in first:
                # Slow, and the same for all seeds but for what is replaced.
                first[name] = make_run(name, cfg, seed, out, data_root, start)
            done[name] = first[name]._replace(
                seed=seed, work_dir=out / name / f'seed{seed}', start=start
            )
        runs += done.values()
    return runs


def check_thresholds(configs: Mapping[str, Config]) -> None:
    """Refuse, before anything is trained, what cannot be compared.

    Raises:
        ValueError: The configs have a ClipPCK of different thresholds.
    """
    found: dict[tuple, str] = {}
    for name, cfg in configs.items():
        evaluator = pck_metric(cfg) or {}
        metric = ClipPCK(
            **{
                k: evaluator[k]
                for k in ('thr', 'thresholds')
                if k in evaluator
            }
        )
        found.setdefault((metric.thr, metric.thresholds), name)
    if len(found) > 1:
        raise ValueError(
            f'{" and ".join(found.values())} have a ClipPCK of different thr '
            'or thresholds; results can only be compared at the same ones'
        )


def config_of_run(run: Run) -> Config:
    """The whole config of a run: paths, seed and start included."""
    cfg = copy.deepcopy(run.cfg)
    folder = run.work_dir.resolve()
    cfg.work_dir = str(folder)
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=run.seed)
    set_data_root(cfg, str(run.data_root.resolve()))
    pck = pck_metric(cfg)
    if pck is not None:
        pck['out_file'] = str(folder / PCK_FILE)
    if run.start is not None:
        start = run.start.work_dir.resolve()
        checkpoint = load_record(start / RESULT_FILE)['checkpoint']
        if 'image_pretrained' in cfg.model:
            cfg.model.image_pretrained['checkpoint'] = str(start / checkpoint)
        else:
            cfg.load_from = str(start / checkpoint)
    return cfg
