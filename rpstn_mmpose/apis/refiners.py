# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A refiner behind a pose model: loaded, and checked that joints match."""

from __future__ import annotations

import logging
import os

import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from mmpose.registry import MODELS

from ..streams import RefineStage
from .model_options import checked_weights
from .options import refuse
from .person_detector import load_matching_weights
from .pose_config import metainfo_from_config, resolve_config


def refiner_of(
    refiner: str | os.PathLike | Config | None,
    weights: str | os.PathLike | None,
    metainfo: dict,
    device: str | torch.device,
) -> RefineStage | None:
    """A refiner that takes the poses of a pose model.

    Args:
        refiner: Its config: a path or a recipe's name. None: there is none.
        weights: Its checkpoint; None: untrained.
        metainfo: Of the pose model's joints.
        device: To compute on.

    Raises:
        FileNotFoundError: No such file.
        ValueError: No refiner, a checkpoint of another model or without a
            refiner, or other joints than the pose model's.
    """
    if refiner is None:
        refuse(
            'is of a refiner; give refiner, or leave it out',
            refiner_weights=weights,
        )
        return None
    weights = checked_weights(weights)
    config = resolve_config(refiner)
    if not isinstance(config, Config):
        config = Config.fromfile(config)
    where = config.filename or "the refiner's config"
    found, needed = (
        [names[number] for number in sorted(names)]
        for names in (
            metainfo['keypoint_id2name'],
            metainfo_from_config(config)['keypoint_id2name'],
        )
    )
    if found != needed:
        raise ValueError(
            f'{where} refines the joints {", ".join(needed)}, but the pose '
            f'model finds {", ".join(found)}; give a refiner of the same '
            'joints'
        )
    model = MODELS.build(config.model)
    if getattr(model, 'kind', None) != 'refiner':
        raise ValueError(
            f'{where}: {config.model.type} takes no pose; give the config of '
            'a PoseRefiner'
        )
    if weights is None:
        print_log(
            f'{where}: no checkpoint given, the refiner is untrained.',
            logger='current',
            level=logging.WARNING,
        )
    else:
        load_matching_weights(model, weights, where)
    steps = config.test_dataloader.dataset.pipeline
    return RefineStage(
        revert_sync_batchnorm(model).to(device).eval(),
        Compose([dict(step) for step in steps]),
        metainfo,
    )
