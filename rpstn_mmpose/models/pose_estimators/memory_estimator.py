# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmpose.registry import MODELS
from torch import Tensor

from .clip_pose_estimator import Maps
from .crops import map_step, resample
from .recurrent import RecurrentPoseEstimator


class HeatmapState(NamedTuple):
    """What a memory carries to the next frame.

    Attributes:
        heatmaps (Tensor): Of the frame, (N, K, h, w).
    """

    heatmaps: Tensor


@MODELS.register_module()
class MemoryPoseEstimator(RecurrentPoseEstimator):
    """Any image model of heatmaps, and a memory on top of it.

    Its parts have the names that they have in ``TopdownPoseEstimator``, whose
    checkpoints it loads as they are; a memory with weights is trained on
    clips. Where crops follow the person, heatmaps of the frame before are
    brought into the crop of the next one, so that a joint that stands still
    in the scene is found where it was.

    Args:
        memory (dict): Such as ``RecursiveHeatmapMean`` or
            ``GatedHeatmapMemory``.
        kwargs: See :class:`RecurrentPoseEstimator`.

    Attributes:
        looks_ahead: Whether a stream may also read the frames to come.

    Raises:
        ValueError: At the first clip, if the head does not give heatmaps.
    """

    State = HeatmapState
    follows_crops = True
    looks_ahead = True
    precise_parts = ('memory',)
    # Not the clip, of which crops are known to the host alone.
    graphed_methods = ('frame_features',)

    def __init__(self, *args: Any, memory: dict, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.memory = MODELS.build(memory)

    @property
    def idle_part(self) -> str | None:
        """The memory has nothing to do in clips of one frame."""
        return 'memory'

    def first(
        self, frames: Tensor, feats: Maps | None = None
    ) -> tuple[Tensor, HeatmapState]:
        """See :class:`RecurrentPoseEstimator`."""
        if feats is None:
            feats = self.frame_features(frames)
        heatmaps = self.frame_heatmaps(feats)
        return heatmaps, HeatmapState(heatmaps)

    def next(
        self, frames: Tensor, state: HeatmapState, feats: Maps | None = None
    ) -> tuple[Tensor, HeatmapState]:
        """See :class:`RecurrentPoseEstimator`."""
        heatmaps, _ = self.first(frames, feats)
        return self._remember(heatmaps, state.heatmaps)

    def _remember(
        self, heatmaps: Tensor, before: Tensor
    ) -> tuple[Tensor, HeatmapState]:
        if not self.train_cfg['state_gradient']:
            before = before.detach()
        heatmaps = self.memory(heatmaps, before)
        return heatmaps, HeatmapState(heatmaps)

    def moved(
        self, state: HeatmapState, crops: np.ndarray, others: np.ndarray
    ) -> HeatmapState:
        """See :class:`RecurrentPoseEstimator`."""
        if np.array_equal(crops, others):
            return state
        return HeatmapState(
            resample(
                state.heatmaps, crops, others, map_step(self.head.decoder)
            )
        )

    def forward_clip(
        self, inputs: Tensor, crops: np.ndarray | None = None
    ) -> tuple[Tensor, None]:
        """All frames at once by the image model, then one after the other by
        the memory.
        """
        frames = self.over_frames(
            lambda images: self.frame_heatmaps(self.frame_features(images)),
            inputs,
        )
        state = HeatmapState(frames[:, 0])
        clip = [state.heatmaps]
        for row in range(1, frames.shape[1]):
            if crops is not None:
                state = self.moved(state, crops[:, row - 1], crops[:, row])
            heatmaps, state = self._remember(frames[:, row], state.heatmaps)
            clip.append(heatmaps)
        return torch.stack(clip, dim=1), None


# Memories by name. The one of `mean` has nothing to learn.
MEMORIES = dict(mean=dict(type='RecursiveHeatmapMean', confidence=2.0))


def with_memory(model: dict, memory: str | dict) -> ConfigDict:
    """Config of an image model with a memory on top.

    Args:
        model (dict): Of a ``TopdownPoseEstimator``.
        memory (dict | str): See :class:`MemoryPoseEstimator`; ``'mean'``: the
            running mean of a person's heatmaps, in which a frame counts with
            the square of its peaks.

    Raises:
        ValueError: Another kind of model, or an unknown name.
    """
    if model.get('type') != 'TopdownPoseEstimator':
        raise ValueError(
            f'a memory goes on a TopdownPoseEstimator, but the model is a '
            f'{model.get("type")}; give it as an option of the recipe'
        )
    if isinstance(memory, str):
        if memory not in MEMORIES:
            raise ValueError(
                f'memory must be a dict or one of {sorted(MEMORIES)}, but got '
                f'{memory!r}'
            )
        memory = MEMORIES[memory]
    pixels = dict(
        model.get('data_preprocessor') or {}, type='ClipDataPreprocessor'
    )
    pixels.pop('batch_augments', None)
    return ConfigDict(
        copy.deepcopy(dict(model)),
        type='MemoryPoseEstimator',
        memory=memory,
        data_preprocessor=pixels,
    )
