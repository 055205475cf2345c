# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Bones of a skeleton, each the difference of two joints."""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor, nn

# Joints of Human3.6M in the release's order of bones. All point away from the
# root but the two from the thorax to the shoulders.
H36M_BONES = (
    (16, 15),
    (15, 14),
    (13, 12),
    (12, 11),
    (10, 9),
    (9, 8),
    (8, 7),
    (8, 11),
    (8, 14),
    (7, 0),
    (3, 2),
    (2, 1),
    (6, 5),
    (5, 4),
    (1, 0),
    (4, 0),
)


class BoneTree(nn.Module):
    """The bones of a skeleton, which make a tree.

    A bone's vector is its first joint minus its second one.

    Args:
        bones (Sequence[tuple[int, int]]): First and second joint of each of
            the K - 1 bones of K joints. Defaults to those of Human3.6M.
        root (int): The joint at the origin. Defaults to 0.

    Attributes:
        first (list[int]): First joints.
        second (list[int]): Second joints.
        paths (Tensor): (K, K - 1); 1 where a bone lies on the way from the
            root to a joint and points away from the root, -1 where it points
            to the root, else 0.

    Raises:
        ValueError: Bones that make no tree.
    """

    paths: Tensor

    def __init__(
        self, bones: Sequence[Sequence[int]] = H36M_BONES, root: int = 0
    ) -> None:
        super().__init__()
        self.root = root
        self.first = [int(first) for first, _ in bones]
        self.second = [int(second) for _, second in bones]
        self.num_joints = len(self.first) + 1
        self.register_buffer('paths', self._paths(), persistent=False)

    def _paths(self) -> Tensor:
        joints = set(range(self.num_joints))
        named = {*self.first, *self.second, self.root}
        reached = {self.root: torch.zeros(self.num_joints - 1)}
        waiting = list(range(self.num_joints - 1))
        while waiting and named == joints:
            found = [b for b in waiting if self._continues(b, reached)][:1]
            if not found:
                break
            bone = found[0]
            first, second = self.first[bone], self.second[bone]
            outwards = second in reached
            near, far = (second, first) if outwards else (first, second)
            reached[far] = reached[near].clone()
            reached[far][bone] = 1 if outwards else -1
            waiting.remove(bone)
        if len(reached) < self.num_joints:
            pairs = list(zip(self.first, self.second))
            raise ValueError(
                f'the bones {pairs} make no tree of the joints 0 to '
                f'{self.num_joints - 1} with the root {self.root}'
            )
        return torch.stack([reached[j] for j in range(self.num_joints)])

    def _continues(self, bone: int, reached: dict) -> bool:
        return (self.first[bone] in reached) != (self.second[bone] in reached)

    def vectors(self, poses: Tensor) -> Tensor:
        """Bones (..., K - 1, 3) of poses (..., K, 3)."""
        return poses[..., self.first, :] - poses[..., self.second, :]

    def compose(self, vectors: Tensor) -> Tensor:
        """Poses (..., K, 3), root at the origin, of bones (..., K - 1, 3).

        Eq. 1 of the paper: each joint is its parent plus the bone between
        them.
        """
        return self.paths.to(vectors) @ vectors

    def other_pairs(self) -> list[tuple[int, int]]:
        """Pairs i <= j of joints that are no bones, by i, then by j."""
        bones = {frozenset(pair) for pair in zip(self.first, self.second)}
        return [
            (i, j)
            for i in range(self.num_joints)
            for j in range(i, self.num_joints)
            if frozenset((i, j)) not in bones
        ]


def directions(vectors: Tensor) -> Tensor:
    """Vectors (..., 3) of length 1; those of length 0 stay."""
    norms = vectors.norm(dim=-1, keepdim=True)
    return vectors / norms.clamp(min=torch.finfo(vectors.dtype).tiny)
