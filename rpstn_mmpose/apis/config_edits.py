# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Change the test data set of a model's config."""

from __future__ import annotations

import copy
import os
from typing import Mapping

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS

from ..datasets import BaseClipDataset
from ..structures import VideoPeople

# What a model's windows over a video are made by.
CLIP_OPTIONS = (
    'clip_length',
    'clip_stride',
    'frame_interval',
    'clip_offsets',
    'window',
)


def with_masks(config: str, mask: Mapping) -> Config:
    """A config whose test data set masks joints before the crop.

    Args:
        config: Path.
        mask: Config of the transform.

    Raises:
        FileNotFoundError: No such config.
        ValueError: The test pipeline loads no frames.
    """
    if not os.path.isfile(config):
        raise FileNotFoundError(f'{config}: no such config file')
    cfg = Config.fromfile(config)
    try:
        dataset = cfg.test_dataloader.dataset
        steps = [copy.deepcopy(step) for step in dataset.pipeline]
        first = steps[0]['type']
    except (AttributeError, IndexError, KeyError):
        raise ValueError(
            f'{config} has no test pipeline; give the config of a pose model'
        ) from None
    if first not in ('LoadClip', 'LoadImage'):
        raise ValueError(
            f'{config}: the test pipeline must start with '
            f'LoadClip or LoadImage, but got {first}'
        )
    dataset.pipeline = [steps[0], dict(mask), *steps[1:]]
    return cfg


def with_video(cfg: Config, video: VideoPeople) -> Config:
    """The config with a video in place of its test data set.

    The pipeline, the joints and the windows stay.

    Raises:
        ValueError: The test data set names no joints.
    """
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    old = cfg.test_dataloader.dataset
    kind = DATASETS.get(old.type) if isinstance(old.type, str) else old.type
    metainfo = old.get('metainfo') or getattr(kind, 'METAINFO', None)
    if not metainfo:
        raise ValueError(f'{cfg.filename}: its test data set names no joints')
    clips = dict(clip_length=1)
    if issubclass(kind, BaseClipDataset):
        clips = {key: old[key] for key in CLIP_OPTIONS if key in old}
    cfg.test_dataloader.dataset = dict(
        type='VideoClipDataset',
        video=video,
        metainfo=metainfo,
        test_mode=True,
        pipeline=old.pipeline,
        **clips,
    )
    return cfg
