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
from ..structures.joint_map import JointMap
from .options import refuse
from .person_detector import load_matching_weights
from .pose_config import metainfo_from_config, resolve_config


def lifter_of(
    lifter: str | os.PathLike | Config | None,
    weights: str | None,
    metainfo: dict,
    device: str | torch.device,
) -> LifterStream | None:
    """That of :func:`load_lifter`, or None.

    Raises:
        ValueError: Weights without a lifter, or see there.
    """
    if lifter is not None:
        return load_lifter(lifter, weights, metainfo, device)
    refuse(
        'is of a lifter; give lifter, or leave it out', lifter_weights=weights
    )
    return None


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
            cannot be made of the pose model's, see :class:`JointMap`.
    """
    config = resolve_config(lifter)
    if not isinstance(config, Config):
        config = Config.fromfile(config)
    where = config.filename or "the lifter's config"
    lifted = metainfo_from_config(config)
    found, needed = (
        [names[number] for number in sorted(names)]
        for names in (metainfo['keypoint_id2name'], lifted['keypoint_id2name'])
    )
    try:
        joint_map = JointMap(found, needed)
    except ValueError as error:
        raise ValueError(
            f'{where} lifts the joints {", ".join(needed)}, but the pose '
            f'model finds {", ".join(found)}: {error}'
        ) from None
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
    if not joint_map.is_identity:
        print_log(
            f'{where}: its joints are made of those that the pose model '
            'finds, by name; expect larger errors than with its own.',
            logger='current',
        )
    return LifterStream(
        model.to(device).eval(),
        Compose([dict(step) for step in steps]),
        lifted,
        None if joint_map.is_identity else joint_map,
    )
