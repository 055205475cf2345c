# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import copy
from typing import Any, Sequence

import numpy as np
import torch
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from torch import Tensor, nn

from .crops import at_wanted_crop, map_step
from .window import WindowPoseEstimator


class HeatmapWindowEstimator(WindowPoseEstimator):
    """A window of frames whose *heatmaps* are combined.

    The image model is any of MMPose with a head of heatmaps, or ``JREHead``;
    its parts have the names that they have in ``TopdownPoseEstimator``. It is
    trained beforehand, on single images, and stays as it is; what a system
    adds in :meth:`combine` is trained here.

    Args:
        train_cfg (dict, optional): Beside those of ``ClipPoseEstimator``:

            - freeze_image_model (bool): Train what comes behind it alone.
              Defaults to ``True``.
            - image_norm_eval (bool): Keep the statistics of the image
              model's batch norms; with ``False`` those of the batch are
              used, and the running ones go on moving. Defaults to ``True``.
        kwargs: See :class:`WindowPoseEstimator`.
    """

    TRAIN_CFG = dict(freeze_image_model=True, image_norm_eval=True)
    image_weights = {part: (part,) for part in ('backbone.', 'neck.', 'head.')}

    def __init__(
        self, *args: Any, clip_offsets: Sequence[int], **kwargs: Any
    ) -> None:
        super().__init__(*args, clip_offsets=clip_offsets, **kwargs)
        if self.train_cfg['freeze_image_model']:
            for part in self.image_parts():
                part.requires_grad_(False)

    def image_parts(self) -> list[nn.Module]:
        """Backbone, neck and head."""
        names = ('backbone', 'neck', 'head')
        return [getattr(self, name) for name in names if hasattr(self, name)]

    def train(self, mode: bool = True) -> HeatmapWindowEstimator:
        """Set the mode, of the image model by ``train_cfg``."""
        super().train(mode)
        for part in self.image_parts():
            part.train(mode and not self.train_cfg['freeze_image_model'])
            for norm in part.modules():
                if isinstance(norm, _BatchNorm):
                    norm.train(mode and not self.train_cfg['image_norm_eval'])
        return self

    @property
    def output_head(self) -> Any:
        """The head for maps that it has given already: loss, flip test and
        decoding are its own.
        """
        head = copy.copy(self.head)
        head.forward = last_level
        return head

    def frame_features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Heatmaps of images by themselves, (N, K, h, w)."""
        frozen = self.train_cfg['freeze_image_model']
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            return (self.frame_heatmaps(super().frame_features(images)),)

    def aligned(
        self, feats: tuple[Tensor, ...], crops: np.ndarray
    ) -> tuple[Tensor, ...]:
        """Heatmaps of all frames as of the wanted frame's crop."""
        wanted = self.clip_offsets.index(0)
        step = map_step(self.head.decoder)
        return (at_wanted_crop(feats[0], crops, wanted, step),)


def last_level(maps: Any) -> Tensor:
    """The only level of maps that are done."""
    return maps[-1]


def at_least_float32(maps: Tensor) -> Tensor:
    """16 bits become 32; float64 stays, in which fusing is checked."""
    return maps.to(torch.promote_types(maps.dtype, torch.float32))


def check_map_size(module: Any, maps: Tensor) -> None:
    """See that heatmaps fit a part with ``num_joints`` and ``dilations``.

    Raises:
        ValueError: Maps (B, K, h, w) of another number of joints, or not
            larger than the dilations.
    """
    joints, height, width = maps.shape[-3:]
    if joints != module.num_joints or max(module.dilations) >= min(
        height, width
    ):
        raise ValueError(
            f'{type(module).__name__} with num_joints={module.num_joints} and '
            f'dilations={module.dilations} got heatmaps of {joints} joints '
            f'and {width}x{height} pixels; give it as many joints, and '
            'dilations smaller than the maps'
        )
