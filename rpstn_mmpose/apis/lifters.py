# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A lifter behind a pose model: loaded, and checked that joints match."""

from __future__ import annotations

import logging
import os

import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmpose.registry import MODELS

from ..streams import LifterStream
from .person_detector import load_matching_weights
from .pose_config import metainfo_from_config, resolve_config


def load_lifter(
    lifter: str | os.PathLike | Config,
    weights: str | None,
    metainfo: dict,
    device: str | torch.device,
) -> LifterStream:
    """A lifter that takes the poses of a pose model.

    Args:
        lifter: Its config: a path or a recipe's name.
        weights: Its checkpoint; None: untrained.
        metainfo: Of the pose model's joints.
        device: To compute on.

    Raises:
        FileNotFoundError: No such file.
        ValueError: No lifter, a checkpoint of another model, or joints that
            the pose model does not have in this order.
    """
    config = resolve_config(lifter)
    if not isinstance(config, Config):
        config = Config.fromfile(config)
    where = config.filename or "the lifter's config"
    joints = metainfo_from_config(config)['keypoint_id2name']
    if joints != metainfo['keypoint_id2name']:
        raise ValueError(
            f'{where} lifts the joints {_names(joints)}, but the pose model '
            f'finds {_names(metainfo["keypoint_id2name"])}'
        )
    model = MODELS.build(config.model)
    if getattr(model, 'kind', None) != 'lifter':
        raise ValueError(
            f'{where}: {config.model.type} makes no 3D poses of 2D poses; '
            'give the config of a SequenceLifter'
        )
    if weights is None:
        print_log(
            f'{where}: no checkpoint given, the lifter is untrained.',
            logger='current',
            level=logging.WARNING,
        )
    else:
        load_matching_weights(model, os.fspath(weights), where)
    steps = config.test_dataloader.dataset.pipeline
    return LifterStream(
        model.to(device).eval(), Compose([dict(step) for step in steps])
    )


def _names(joints: dict[int, str]) -> str:
    return ', '.join(joints[number] for number in sorted(joints))
