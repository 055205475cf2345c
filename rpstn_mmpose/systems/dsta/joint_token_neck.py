# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

NORM_EPS = 1e-12


@MODELS.register_module()
class JointTokenNeck(BaseModule):
    """Features of an image to a token for each joint.

    "Video-Based Human Pose Regression via Decoupled Space-Time Aggregation",
    CVPR 2024, https://arxiv.org/abs/2403.19926. The maps are averaged over
    the image, and a linear layer makes the tokens. It stays in float32.

    Args:
        in_channels (int | Sequence[int]): Channels of the last map; or of
            all maps that a backbone gives (HRNet with
            ``multiscale_output=True``), whose averages are put side by side.
            The paper's code knows a ResNet's last map only.
        num_joints (int): K.
        embed_dims (int): C, numbers of a token.
        normalize_features (bool): Divide the averages by their length,
            before the bias is added. ``True`` is the paper's.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        num_joints: int,
        embed_dims: int = 32,
        normalize_features: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.in_channels = (
            (in_channels,)
            if isinstance(in_channels, int)
            else tuple(in_channels)
        )
        self.num_joints = num_joints
        self.embed_dims = embed_dims
        self.normalize_features = normalize_features
        self.decoder = nn.Linear(
            sum(self.in_channels), num_joints * embed_dims
        )

    def init_weights(self) -> None:
        """Small tokens."""
        nn.init.xavier_uniform_(self.decoder.weight, gain=0.01)
        nn.init.zeros_(self.decoder.bias)
        super().init_weights()

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Tokens of images.

        Args:
            feats (tuple[Tensor]): Maps (N, C_i, h_i, w_i).

        Returns:
            tuple[Tensor]: Tokens (N, K, C), float32.

        Raises:
            ValueError: Maps of other channels than ``in_channels``.
        """
        maps = feats[-len(self.in_channels) :]
        found = tuple(level.shape[1] for level in maps)
        if found != self.in_channels:
            raise ValueError(
                f'{type(self).__name__}: the backbone gives maps of '
                f'{found} channels, but in_channels is {self.in_channels}'
            )
        dtype = self.decoder.weight.dtype
        pooled = [level.mean(dim=(2, 3), dtype=dtype) for level in maps]
        with torch.autocast(maps[0].device.type, enabled=False):
            vectors = torch.cat(pooled, dim=1)
            if self.normalize_features:
                vectors = F.normalize(vectors, dim=1, eps=NORM_EPS)
            tokens = self.decoder(vectors)
        return (tokens.unflatten(1, (self.num_joints, self.embed_dims)),)
