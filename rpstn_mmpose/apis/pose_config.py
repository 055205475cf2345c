# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Configs of pose models: found by name, and what their data tell."""

from __future__ import annotations

import os
from typing import Any

from mmengine.config import Config
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS

from ..datasets.metainfo import resolve_metainfo_file
from ..datasets.window_options import make_window
from ..recipes import config_path


def resolve_config(pose2d: Any) -> Any:
    """A recipe of the plugin becomes its path; the rest is MMPose's."""
    if not isinstance(pose2d, (str, os.PathLike)):
        return pose2d
    pose2d = os.fspath(pose2d)
    if os.path.isfile(pose2d):
        return pose2d
    try:
        return config_path(pose2d)
    except FileNotFoundError as error:
        if not pose2d.endswith('.py'):
            return pose2d
        raise FileNotFoundError(
            f'{pose2d}: no such config file ({error})'
        ) from None


def metainfo_from_config(config: Config) -> dict:
    """Metainfo of the data set that a pose config is tested on.

    Args:
        config: With a ``test_dataloader``.

    Returns:
        dict: As of a data set: ``keypoint_id2name``, ``flip_indices``, ...

    Raises:
        ValueError: The data set names none.
    """
    where = config.filename or 'the config'
    try:
        dataset = config.test_dataloader.dataset
    except AttributeError:
        raise ValueError(
            f'{where} has no test_dataloader; give the config of a pose model'
        ) from None
    metainfo = dataset.get('metainfo')
    if metainfo is None:
        kind = dataset.type
        kind = DATASETS.get(kind) if isinstance(kind, str) else kind
        metainfo = getattr(kind, 'METAINFO', None)
    if not metainfo:
        raise ValueError(
            f'{where}: its test data set {dataset.type} has no metainfo'
        )
    metainfo = dict(metainfo)
    if 'from_file' in metainfo:
        metainfo['from_file'] = resolve_metainfo_file(metainfo['from_file'])
    return parse_pose_metainfo(metainfo)


def interval_of(
    reset_interval: int | str | None, config: Config, of_clips: bool
) -> int:
    """Frames after which a person starts anew.

    Args:
        reset_interval: A number, None for never, or ``'clip'``: the clip
            length of the config's test data.
        config: Of the pose model.
        of_clips: Whether the model carries a state through clips; another
            never starts anew at the end of one.

    Returns:
        int: 0 for never.

    Raises:
        ValueError: Another word, or test data of no clips.
    """
    if not isinstance(reset_interval, str):
        return reset_interval or 0
    if reset_interval != 'clip':
        raise ValueError(
            'VideoPoseInferencer: reset_interval must be a number, None or '
            f"'clip', but got {reset_interval!r}"
        )
    return _clip_length(config) if of_clips else 0


def _clip_length(config: Config) -> int:
    """Frames of the test data's clips, for a model with a state."""
    dataset = config.test_dataloader.dataset
    if dataset.get('window'):
        length = make_window(dataset.window).length
    else:
        length = dataset.get('clip_length') or len(
            dataset.get('clip_offsets') or ()
        )
    if length < 2:
        why = 'have no clip_length'
        if length == 1:
            why = (
                'are clips of one frame: everybody would start anew '
                f'in every frame, and the state of '
                f'{config.model.type} do nothing'
            )
        raise ValueError(
            f'{config.filename or "the config"}: '
            f"reset_interval='clip' is of no use, as its "
            f'test data {why}; set reset_interval to 0 (never), or to 2 '
            'or more'
        )
    return length
