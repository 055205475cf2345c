# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import NamedTuple, Sequence

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from .bones import H36M_BONES, BoneTree
from .layers import LinearUnit

ATTENTION_SCALE = 10


class LengthSum(NamedTuple):
    """Frames of a video so far, as a weighted sum of bone lengths.

    Float64, because the weights are exponentials.

    Attributes:
        weights: (..., bones) logarithms of the sums of the weights.
        lengths: (..., bones) logarithms of the sums of weighted lengths.
    """

    weights: Tensor
    lengths: Tensor

    def mean(self) -> Tensor:
        """Bone lengths (..., bones), metres."""
        return (self.lengths - self.weights).exp()

    def plus(self, other: LengthSum) -> LengthSum:
        """The sum over both."""
        return LengthSum(*(torch.logaddexp(a, b) for a, b in zip(self, other)))


@MODELS.register_module()
class BoneLengthNet(BaseModule):
    """Bone lengths of a person from frames of a video in any order.

    A network of single frames makes a 3D pose of each; the lengths of its
    bones are averaged over the frames, weighted for each bone by a softmax
    over the frames. The average learns the weights alone: it sees the poses
    detached.

    Args:
        num_joints (int): K. Defaults to 17.
        channels (int): C. Defaults to 1024.
        num_blocks (int): Residual blocks of two layers. Defaults to 4.
        dropout (float): Rate after each ReLU. Defaults to 0.25.
        bones (Sequence[tuple[int, int]]): See :class:`BoneTree`.
        init_cfg (dict, optional): See ``BaseModule``.
    """

    def __init__(
        self,
        num_joints: int = 17,
        channels: int = 1024,
        num_blocks: int = 4,
        dropout: float = 0.25,
        bones: Sequence[Sequence[int]] = H36M_BONES,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.bones = BoneTree(bones)
        if self.bones.num_joints != num_joints:
            raise ValueError(
                f'{type(self).__name__}: {num_joints} joints have '
                f'{num_joints - 1} bones, but got {len(bones)}'
            )
        self.num_joints = num_joints
        self.stem = LinearUnit(2 * num_joints, channels, dropout)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                LinearUnit(channels, channels, dropout),
                LinearUnit(channels, channels, dropout),
            )
            for _ in range(num_blocks)
        )
        self.pose = nn.Linear(channels, 3 * num_joints)
        self.attention = nn.Linear(6 * num_joints, num_joints - 1)

    def forward(self, points: Tensor) -> Tensor:
        """A 3D pose of each frame by itself.

        Args:
            points (Tensor): (..., K, 2).

        Returns:
            Tensor: (..., K, 3), metres.
        """
        x = self.stem(points.flatten(0, -3).flatten(1))
        for block in self.blocks:
            x = x + block(x)
        return self.pose(x).view(*points.shape[:-1], 3)

    def _parts(self, poses: Tensor) -> tuple[Tensor, Tensor]:
        """Lengths and logarithms of weights (..., bones) of each frame."""
        poses = poses.detach()
        lengths = self.bones.vectors(poses).norm(dim=-1)
        flat = poses.flatten(-2)
        scores = self.attention(torch.cat([flat, flat.abs()], dim=-1))
        return lengths, ATTENTION_SCALE * scores

    def lengths(self, poses: Tensor, counted: Tensor | None = None) -> Tensor:
        """Bone lengths from all frames at once.

        Args:
            poses (Tensor): (B, F, K, 3), from :meth:`forward`.
            counted (Tensor, optional): (B, F) bool, frames that count, one or
                more of each person. Defaults to ``None``, all.

        Returns:
            Tensor: (B, K - 1), metres.
        """
        lengths, scores = self._parts(poses)
        if counted is not None:
            scores = scores.masked_fill(~counted[..., None], -torch.inf)
        return (scores.softmax(dim=1) * lengths).sum(dim=1)

    def sums(self, poses: Tensor) -> LengthSum:
        """The summands (B, F, bones) of poses (B, F, K, 3), a frame each."""
        lengths, scores = self._parts(poses)
        scores = scores.double()
        tiny = torch.finfo(torch.float32).tiny
        return LengthSum(scores, scores + lengths.double().clamp(tiny).log())

    def lengths_so_far(self, poses: Tensor) -> Tensor:
        """Bone lengths from each frame and all in front of it.

        Args:
            poses (Tensor): (B, F, K, 3), from :meth:`forward`.

        Returns:
            Tensor: (B, F, K - 1), metres.
        """
        sums = LengthSum(
            *(part.logcumsumexp(dim=1) for part in self.sums(poses))
        )
        return sums.mean().to(poses)
