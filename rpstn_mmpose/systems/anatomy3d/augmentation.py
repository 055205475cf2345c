# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""People with other bones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...datasets.cameras import project
from .bones import BoneTree, directions


class MadePeople(NamedTuple):
    """What :class:`BoneLengthAugmentation` makes; new tensors.

    Attributes:
        keypoints: (B, F, K, 2), normalized picture coordinates.
        poses: (B, F, K, 3), metres from the root.
        lengths: (B, bones), metres.
    """

    keypoints: Tensor
    poses: Tensor
    lengths: Tensor


class BoneLengthAugmentation:
    """Lengthens and shortens the bones of each sample by a draw of its own.

    Args:
        bones (BoneTree): Of the skeleton.
        amount (float): A bone changes by at most this part of the batch's
            mean length of it. Defaults to 0.3.
        root_std (float): Standard deviation of the roots' positions that are
            drawn for each frame, metres. Defaults to 0.5.
        root_mean (tuple[float, float, float]): Their mean in the camera's
            axes, metres. Defaults to (0, -0.3, 5).
    """

    def __init__(
        self,
        bones: BoneTree,
        amount: float = 0.3,
        root_std: float = 0.5,
        root_mean: tuple[float, float, float] = (0.0, -0.3, 5.0),
    ) -> None:
        self.bones, self.amount = bones, amount
        self.root_std, self.root_mean = root_std, root_mean

    @torch.no_grad()
    def __call__(
        self, poses: Tensor, lengths: Tensor, cameras: Tensor
    ) -> MadePeople:
        """Other people in the same poses.

        Args:
            poses (Tensor): (B, F, K, 3), root at the origin; not changed.
            lengths (Tensor): (B, bones), metres.
            cameras (Tensor): (B, 9), see
                :meth:`~rpstn_mmpose.datasets.cameras.Camera.lens`.
        """
        draws = torch.rand_like(lengths) * 2 - 1
        changes = draws * self.amount * lengths.mean(dim=0)
        ways = directions(self.bones.vectors(poses))
        poses = poses + self.bones.compose(changes[:, None, :, None] * ways)
        roots = torch.randn_like(poses[:, :, :1]) * self.root_std
        roots = roots + roots.new_tensor(self.root_mean)
        seen = project(poses + roots, cameras[:, None, None])
        return MadePeople(seen, poses, lengths + changes)
