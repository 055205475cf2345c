# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Boxes of people from any detector of MMDetection."""

from __future__ import annotations

import os
from typing import Any, Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import _load_checkpoint
from mmpose.evaluation.functional import nms
from torch import nn

from ..checkpoints.contents import check_kinds

PERSON_NAMES = ('person', 'people', 'pedestrian', 'human')


def load_matching_weights(
    model: nn.Module, weights: str | dict, where: str
) -> dict:
    """Load a checkpoint that has everything the model has.

    mmengine only warns where a checkpoint fits in part, and an untrained
    rest gives results that look like a bad model.

    Args:
        model: To load into.
        weights: Path, URL, or the loaded checkpoint.
        where: Name of the model's config, for the message.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: No such file.
        CheckpointError: It cannot be read, or holds other kinds of numbers.
        ValueError: Entries are missing or differ in shape.
    """
    name = 'the checkpoint'
    if isinstance(weights, (str, os.PathLike)):
        name = str(weights)
        if '://' not in name and not os.path.isfile(name):
            raise FileNotFoundError(f'{name}: no such checkpoint file')
        weights = _load_checkpoint(name, map_location='cpu')
    state = weights.get('state_dict', weights)
    state = {
        key[7:] if key.startswith('module.') else key: value
        for key, value in state.items()
    }
    check_kinds(model, state, name)
    own = model.state_dict()
    missing = [
        key
        for key, value in own.items()
        if key not in state or tuple(state[key].shape) != tuple(value.shape)
    ]
    # Checkpoints from before this counter was there lack it.
    missing = [
        key for key in missing if not key.endswith('num_batches_tracked')
    ]
    if missing:
        raise ValueError(
            f'{name} does not belong to the model of {where}: {len(missing)} '
            f'of {len(own)} entries are missing or of another shape, e.g. '
            f'{missing[0]}'
        )
    model.load_state_dict(state, strict=False)
    return weights


def _find_classes(config: Config, checkpoint: dict | None) -> list[str]:
    """Names of the detector's classes, by the checkpoint or its config."""
    meta = (checkpoint or {}).get('meta', {})
    dataset_meta = meta.get('dataset_meta') or {}
    for key in ('classes', 'CLASSES'):
        if dataset_meta.get(key) or meta.get(key):
            return _as_list(dataset_meta.get(key) or meta[key])
    from mmdet.registry import DATASETS

    dataset = config.test_dataloader.dataset
    classes = (dataset.get('metainfo') or {}).get('classes')
    if classes is None:
        kind = dataset.type
        kind = DATASETS.get(kind) if isinstance(kind, str) else kind
        classes = getattr(kind, 'METAINFO', {}).get('classes', ())
    return _as_list(classes)


def _as_list(classes: Any) -> list[str]:
    return [classes] if isinstance(classes, str) else list(classes)


class PersonDetector:
    """Finds the boxes of people with a detector of MMDetection 3.

    The class of people is looked up by name among the detector's classes.

    Args:
        model (str | Config): Path of a config, or an MMDetection model name.
        weights (str, optional): Checkpoint. ``None``: that of the model's
            name, else untrained weights.
        cat_ids (int | Sequence[int], optional): Class numbers, instead of
            the class of people. Defaults to ``None``.
        device (str): E.g. ``'cuda:0'``. Defaults to ``'cpu'``.

    Raises:
        ImportError: MMDetection is not installed.
        FileNotFoundError: No such config or checkpoint.
        ValueError: A checkpoint of another model, or no class of people.
    """

    def __init__(
        self,
        model: str | Config,
        weights: str | None = None,
        cat_ids: int | Sequence[int] | None = None,
        device: str = 'cpu',
    ) -> None:
        try:
            from mmdet.registry import MODELS
            from mmdet.utils import get_test_pipeline_cfg, register_all_modules
        except ImportError as error:
            raise ImportError(
                'a person detector needs MMDetection 3 (pip '
                f'install mmdet), which gives: {error}'
            ) from None
        register_all_modules(init_default_scope=False)
        config, weights = self._load_config(model, weights)
        self.name = config.filename or 'the detector'
        if 'model' not in config or 'test_dataloader' not in config:
            raise ValueError(
                f'{self.name} has no model or no '
                'test_dataloader; give the config of a detector'
            )
        with DefaultScope.overwrite_default_scope('mmdet'):
            self.model = revert_sync_batchnorm(MODELS.build(config.model))
            checkpoint = None
            if weights is not None:
                checkpoint = load_matching_weights(
                    self.model, weights, self.name
                )
            steps = get_test_pipeline_cfg(config.copy())
            steps[0].type = 'mmdet.LoadImageFromNDArray'
            self.pipeline = Compose(steps)
            classes = _find_classes(config, checkpoint)
        self.cat_ids = self._person_ids(classes, cat_ids)
        self.model.to(device).eval()

    @staticmethod
    def _load_config(
        model: str | Config, weights: str | None
    ) -> tuple[Config, str | None]:
        if not isinstance(model, (str, os.PathLike)):
            return model.copy(), weights
        if os.path.isfile(model):
            return Config.fromfile(model), weights
        if str(model).endswith('.py'):
            raise FileNotFoundError(f'{model}: no such detector config')
        from mmdet.apis import DetInferencer

        finder = DetInferencer.__new__(DetInferencer)
        finder.scope = 'mmdet'
        try:
            config, url = finder._load_model_from_metafile(str(model))
        except ValueError:
            raise FileNotFoundError(
                f'{model}: neither a config file nor the name of an '
                'MMDetection model'
            ) from None
        return config, weights or url

    def _person_ids(
        self, classes: list[str], cat_ids: int | Sequence[int] | None
    ) -> list[int]:
        if cat_ids is not None:
            ids = [cat_ids] if isinstance(cat_ids, int) else list(cat_ids)
            wrong = [key for key in ids if not 0 <= key < len(classes)]
            if wrong and classes:
                raise ValueError(
                    f'{self.name} has classes 0 to '
                    f'{len(classes) - 1}, not {wrong}'
                )
            return ids
        ids = [
            key
            for key, name in enumerate(classes)
            if str(name).lower() in PERSON_NAMES
        ]
        if not ids:
            some = ', '.join(map(str, classes[:6])) or 'not named'
            more = ', ...' if len(classes) > 6 else ''
            raise ValueError(
                f'{self.name} has no person class: its {len(classes)} '
                f'classes are {some}{more}; use another detector, or give '
                'det_cat_ids'
            )
        return ids

    @torch.no_grad()
    def __call__(
        self,
        images: Sequence[np.ndarray],
        bbox_thr: float = 0.3,
        nms_thr: float = 0.3,
    ) -> list[np.ndarray]:
        """Detect in several frames at once.

        Args:
            images: Each (H, W, 3) uint8, BGR.
            bbox_thr: Lowest score.
            nms_thr: Of two boxes that overlap more, one stays.

        Returns:
            list[np.ndarray]: Of each frame (N, 5) float32: x1 y1 x2 y2 in
            pixels of the frame, score; best first.
        """
        with DefaultScope.overwrite_default_scope('mmdet'):
            data = [
                self.pipeline(dict(img=image, img_id=0)) for image in images
            ]
            samples = self.model.test_step(pseudo_collate(data))
        found = []
        for image, sample in zip(images, samples):
            people = sample.pred_instances.cpu().numpy()
            boxes = np.concatenate(
                [people.bboxes, people.scores[:, None]], axis=1
            ).astype(np.float32)
            height, width = image.shape[:2]
            boxes[:, :4] = np.clip(
                boxes[:, :4], 0, [width, height, width, height]
            )
            good = np.isin(people.labels, self.cat_ids)
            good &= (boxes[:, 4] > bbox_thr) & np.isfinite(boxes).all(axis=1)
            good &= (boxes[:, 2:4] - boxes[:, :2] >= 1).all(axis=1)
            boxes = boxes[good]
            found.append(boxes[nms(boxes, nms_thr)])
        return found
