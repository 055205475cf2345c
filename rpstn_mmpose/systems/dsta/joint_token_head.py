# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.models.heads import RLEHead
from mmpose.registry import MODELS
from mmpose.utils.tensor_utils import to_numpy
from torch import Tensor, nn

from .confidence import read_confidence


@MODELS.register_module()
class JointTokenHead(RLEHead):
    """MMPose's ``RLEHead`` for tokens of joints, all by the same weights.

    "Video-Based Human Pose Regression via Decoupled Space-Time Aggregation",
    CVPR 2024, https://arxiv.org/abs/2403.19926. Loss, flip test and decoding
    are ``RLEHead``'s. It stays in float32.

    Args:
        num_joints (int): K.
        in_channels (int): C, numbers of a token.
        score (str): Confidence of a joint: ``'1-sigma'``, the mean over x and
            y (the paper's); ``'exp(-sigma)'``, of the mean; or a file that
            ``tools/analysis_tools/calibrate_scores.py`` has written.
        kwargs: See ``RLEHead``: ``loss``, an ``RLELoss`` or a
            :class:`FlowRLELoss`, and ``decoder``, a ``RegressionLabel``.

    Raises:
        ValueError: See :func:`read_confidence`.
    """

    def __init__(
        self,
        num_joints: int,
        in_channels: int = 32,
        score: str = '1-sigma',
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, num_joints, **kwargs)
        del self.fc
        self.confidence = read_confidence(score, num_joints)
        self.coord: Any = _normed_linear(in_channels)
        self.sigma: Any = _normed_linear(in_channels)

    @property
    def default_init_cfg(self) -> list[dict]:
        """None; see :meth:`init_weights`."""
        return []

    def init_weights(self) -> None:
        """Linear layers as torch starts them, but without a bias."""
        for layer in (self.coord[1], self.sigma[1]):
            layer.reset_parameters()
            nn.init.zeros_(layer.bias)
        super().init_weights()

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Coordinates and sigmas of tokens.

        Args:
            feats (tuple[Tensor]): Tokens (B, K, C) last.

        Returns:
            Tensor: (B, K, 4), float32: x and y as shares of the crop's sides,
            and their sigmas before the sigmoid.
        """
        tokens = feats[-1]
        with torch.autocast(tokens.device.type, enabled=False):
            tokens = tokens.to(self.coord[1].weight.dtype)
            return torch.cat([self.coord(tokens), self.sigma(tokens)], dim=-1)

    def decode(self, batch_outputs: Tensor) -> list[InstanceData]:
        """Keypoints, scores and sigmas of coordinates and sigmas.

        Args:
            batch_outputs (Tensor): (B, 1, K, 4), after the sigmoid.

        Returns:
            list[InstanceData]: ``keypoints`` (1, K, 2) and
            ``keypoint_sigmas`` (1, K, 2), pixels of the crop, and
            ``keypoint_scores`` (1, K).
        """
        preds = super().decode(batch_outputs)
        size = np.array(self.decoder.input_size)
        for pred, output in zip(preds, to_numpy(batch_outputs)):
            sigmas = output[..., 2:]
            pred.keypoint_scores = self.confidence(sigmas)
            pred.keypoint_sigmas = sigmas * size
        return preds


def _normed_linear(in_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(in_channels), nn.Linear(in_channels, 2))
