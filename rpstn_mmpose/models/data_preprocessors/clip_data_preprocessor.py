# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

import torch
from mmpose.models.data_preprocessors import PoseDataPreprocessor
from mmpose.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class ClipDataPreprocessor(PoseDataPreprocessor):
    """:class:`mmpose.models.PoseDataPreprocessor` for clips.

    The clips of a batch are stacked while they are still uint8 and moved and
    normalized as one tensor. Takes the same arguments, except that there are
    no batch augmentations.

    Raises:
        ValueError: If ``batch_augments`` is given, or the clips of a batch
            differ in shape.
    """

    def __init__(self, *args, **kwargs) -> None:
        if kwargs.get('batch_augments') is not None:
            raise ValueError(
                f'{self.__class__.__name__} has no batch '
                'augmentations; remove batch_augments'
            )
        super().__init__(*args, **kwargs)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Stack, move and normalize a batch.

        Args:
            data (dict): ``inputs``, a list of B tensors T x 3 x H x W
                (uint8, as loaded) or one B x T x 3 x H x W tensor, and
                ``data_samples``.
            training (bool): Not used; kept for mmengine's call.

        Returns:
            dict: ``inputs`` B x T x 3 x H x W (float) and ``data_samples``.
        """
        clips = self.stacked(data['inputs'])
        if clips.dim() != 5:
            raise ValueError(
                f'{self.__class__.__name__} takes clips (B, T, 3, H, W), but '
                f'got {tuple(clips.shape)}; for single images use '
                'PoseDataPreprocessor'
            )
        data = super().forward(
            dict(data, inputs=clips.flatten(0, 1)), training=training
        )
        data['inputs'] = data['inputs'].unflatten(0, clips.shape[:2])
        return data

    def stacked(self, clips: Sequence[Tensor] | Tensor) -> Tensor:
        """The clips of a batch as one tensor, as workers with
        ``stack_in_worker`` hand them over.

        Raises:
            ValueError: Clips of different shapes.
        """
        if isinstance(clips, Tensor):
            return clips
        shapes = {tuple(clip.shape) for clip in clips}
        if len(shapes) != 1:
            raise ValueError(
                f'{self.__class__.__name__}: the clips of a batch must '
                f'have one shape (T, 3, H, W), but got {sorted(shapes)}'
            )
        return torch.stack(list(clips))
