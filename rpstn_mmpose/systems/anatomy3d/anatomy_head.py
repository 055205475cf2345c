# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np
from mmengine.structures import InstanceData
from mmpose.models.heads.base_head import BaseHead
from mmpose.registry import MODELS
from mmpose.utils.tensor_utils import to_numpy
from mmpose.utils.typing import ConfigType, InstanceList, OptSampleList
from torch import Tensor, nn

from .bones import H36M_BONES, BoneTree, directions

FUSIONS = ('learned', 'tree')


class ShiftBranch(nn.Module):
    """Differences of joints that no bone joins, for the loss alone.

    Args:
        bones (BoneTree): Of the skeleton.
        channels (int): C.
    """

    def __init__(self, bones: BoneTree, channels: int) -> None:
        super().__init__()
        pairs = bones.other_pairs()
        self.first = [first for first, _ in pairs]
        self.second = [second for _, second in pairs]
        self.fusion = Fusion(bones.num_joints, channels, len(pairs))

    def loss(self, vectors: Tensor, lengths: Tensor, poses: Tensor) -> Tensor:
        """Mean distance of the differences from those of true poses."""
        true = poses[..., self.second, :] - poses[..., self.first, :]
        return mean_distance(self.fusion(vectors, lengths.detach()), true)


class Fusion(nn.Module):
    """Points from directions and lengths of bones: the product of a linear
    layer of each, and a linear layer of that.

    Args:
        num_joints (int): K.
        channels (int): C.
        num_points (int): P.
    """

    def __init__(
        self, num_joints: int, channels: int, num_points: int
    ) -> None:
        super().__init__()
        self.direction = nn.Conv1d(3 * (num_joints - 1), channels, 1)
        self.length = nn.Linear(num_joints - 1, channels)
        self.final = nn.Conv1d(channels, 3 * num_points, 1)

    def forward(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, bones, 3) and (B, 1 or T, bones) to (B, T, P, 3)."""
        x = self.direction(vectors.flatten(2).transpose(1, 2))
        x = self.final(x * self.length(lengths).transpose(1, 2))
        return x.transpose(1, 2).unflatten(2, (-1, 3))


class AnatomyFeatures(NamedTuple):
    """What :class:`AnatomyHead` makes poses of.

    Attributes:
        refined: (B, C, T), of the second sub-network.
        top: (B, C, T), of the first one.
        lengths: (B, 1 or T, K - 1), metres.
    """

    refined: Tensor
    top: Tensor
    lengths: Tensor


def mean_distance(points: Tensor, others: Tensor) -> Tensor:
    """Mean Euclidean distance of points (..., 3)."""
    return (points - others).norm(dim=-1).mean()


@MODELS.register_module()
class AnatomyHead(BaseHead):
    """Joints from the directions and the lengths of bones.

    Args:
        num_joints (int): K. Defaults to 17.
        in_channels (int): C. Defaults to 1024.
        fusion (str): ``'learned'``, the layers of the authors' code, whose
            bones have neither the lengths found nor constant ones; or
            ``'tree'``, Eq. 1 of the paper: each joint is its parent plus the
            bone. Defaults to ``'learned'``.
        bones (Sequence[tuple[int, int]]): See :class:`BoneTree`.
        loss_weights (dict, optional): Of ``position``, ``frame_pose``,
            ``length``, ``direction``, ``shift``. Those left out have the
            weights of the authors' code: 1, 1, 100, 0.3, 2.
        auxiliary (float): Factor of the directions' and shifts' losses for
            the first sub-network. Defaults to 0.5.
        init_cfg (dict, optional): See ``BaseModule``.

    Raises:
        ValueError: Another fusion, or an unknown loss.
    """

    LOSS_WEIGHTS = dict(
        position=1.0, frame_pose=1.0, length=100.0, direction=0.3, shift=2.0
    )

    def __init__(
        self,
        num_joints: int = 17,
        in_channels: int = 1024,
        fusion: str = 'learned',
        bones: Sequence[Sequence[int]] = H36M_BONES,
        loss_weights: dict | None = None,
        auxiliary: float = 0.5,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        name = type(self).__name__
        if fusion not in FUSIONS:
            raise ValueError(
                f'{name}: fusion is one of {FUSIONS}, but got {fusion!r}'
            )
        unknown = sorted(set(loss_weights or {}) - set(self.LOSS_WEIGHTS))
        if unknown:
            raise ValueError(
                f'{name}: unknown losses {unknown}; there are '
                f'{sorted(self.LOSS_WEIGHTS)}'
            )
        self.bones = BoneTree(bones)
        if self.bones.num_joints != num_joints:
            raise ValueError(
                f'{name}: {num_joints} joints have {num_joints - 1} bones, '
                f'but got {len(bones)}'
            )
        self.num_joints, self.in_channels = num_joints, in_channels
        self.loss_weights = {**self.LOSS_WEIGHTS, **(loss_weights or {})}
        self.auxiliary = auxiliary

        outputs = 3 * (num_joints - 1)
        self.refined_direction = nn.Conv1d(in_channels, outputs, 1)
        self.top_direction = nn.Conv1d(in_channels, outputs, 1)
        self.fusion = None
        if fusion == 'learned':
            self.fusion = Fusion(num_joints, in_channels, num_joints)
        self.refined_shift = ShiftBranch(self.bones, in_channels)
        self.top_shift = ShiftBranch(self.bones, in_channels)

    def _directions(self, layer: nn.Conv1d, feats: Tensor) -> Tensor:
        """Unit vectors (B, T, bones, 3)."""
        return directions(layer(feats).transpose(1, 2).unflatten(2, (-1, 3)))

    def _positions(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        if self.fusion is None:
            return self.bones.compose(vectors * lengths[..., None])
        # Its loss trains the fusion alone.
        return self.fusion(vectors.detach(), lengths.detach())

    def forward(self, feats: AnatomyFeatures) -> Tensor:
        """Poses (B, T, K, 3), metres from the root, camera axes."""
        vectors = self._directions(self.refined_direction, feats.refined)
        return self._positions(vectors, feats.lengths)

    def predict(
        self,
        feats: AnatomyFeatures,
        batch_data_samples: OptSampleList = None,
        test_cfg: ConfigType | None = None,
    ) -> InstanceList:
        """The poses of :meth:`forward`, a set of T instances a sequence."""
        return [
            InstanceData(
                keypoints=poses, keypoint_scores=np.ones(poses.shape[:2])
            )
            for poses in to_numpy(self.forward(feats))
        ]

    def loss(  # type: ignore[override]
        self, feats: AnatomyFeatures, poses: Tensor, lengths: Tensor
    ) -> dict[str, Tensor]:
        """Losses of positions, directions, shifts and lengths.

        Args:
            feats (AnatomyFeatures): Of T frames.
            poses (Tensor): (B, T, K, 3), true ones, root at the origin.
            lengths (Tensor): (B, 1, K - 1), true ones.

        Returns:
            dict: Weighted losses, and ``mpjpe``, metres.
        """
        true = directions(self.bones.vectors(poses))
        refined = self._directions(self.refined_direction, feats.refined)
        top = self._directions(self.top_direction, feats.top)
        position = mean_distance(
            self._positions(refined, feats.lengths), poses
        )

        def direction_loss(vectors: Tensor, _: ShiftBranch) -> Tensor:
            return ((vectors - true) ** 2).sum(dim=-1).mean()

        def shift_loss(vectors: Tensor, branch: ShiftBranch) -> Tensor:
            return branch.loss(vectors, feats.lengths, poses)

        direction, shift = (
            both(refined, self.refined_shift)
            + self.auxiliary * both(top, self.top_shift)
            for both in (direction_loss, shift_loss)
        )
        weights = self.loss_weights
        return dict(
            loss_position=weights['position'] * position,
            loss_direction=weights['direction'] * direction,
            loss_shift=weights['shift'] * shift,
            loss_length=self.length_loss(feats.lengths, lengths),
            mpjpe=position.detach(),
        )

    def length_loss(self, lengths: Tensor, true: Tensor) -> Tensor:
        """Weighted mean of the squares of the lengths' errors."""
        return self.loss_weights['length'] * ((lengths - true) ** 2).mean()

    def frame_loss(self, poses: Tensor, true: Tensor) -> Tensor:
        """Weighted mean distance of poses of single frames."""
        return self.loss_weights['frame_pose'] * mean_distance(poses, true)
