# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from itertools import zip_longest
from typing import Mapping, Sequence

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from .joint_groups import group_numbers, joint_names, limbs_of
from .token_mixer import TokenMixer

BRANCHES = ('time', 'space')


@MODELS.register_module()
class SpaceTimeAggregation(BaseModule):
    """Tokens of joints in several frames to those of the wanted frame.

    "Video-Based Human Pose Regression via Decoupled Space-Time Aggregation",
    CVPR 2024, https://arxiv.org/abs/2403.19926. Each joint is attended to in
    time, by itself in the other frames; and in space, by the joints of its
    limb in the wanted frame. Both start from the same tokens, and three
    numbers join what they give. It stays in float32.

    Args:
        metainfo (str): Path of the data set's metainfo file, which names the
            joints; found like a data set's, in the working folder, among the
            plugin's and among MMPose's.
        clip_offsets (Sequence[int]): Where the T frames lie; an estimator
            gives its own.
        joint_groups (Sequence[Sequence[str]], optional): Limbs, each from its
            first to its last joint. Joints of none keep their token, in
            space. Defaults to head, arms, legs and hands, by the names.
        aliases (Mapping[str, str], optional): Joints that are given the
            token of another one, as the ears of the published weights are
            given that of ``head_top``.
        embed_dims (int): C, numbers of a token.
        depth (int): Blocks of a branch.
        num_heads (int): Attention heads.
        mlp_ratio (float): Width of a block's perceptron, in ``embed_dims``.
        drop_path_rate (float): Of the last block; see
            :class:`~rpstn_mmpose.systems.dsta.token_mixer.TokenMixer`.
        branches (Sequence[str]): ``'time'``, ``'space'`` or both.
        local (bool): Whether attention keeps to a joint in time and a limb in
            space. ``False``: all joints of all frames, and all joints.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: An unknown branch or joint, or sizes that do not fit.
    """

    def __init__(
        self,
        metainfo: str,
        clip_offsets: Sequence[int],
        joint_groups: Sequence[Sequence[str]] | None = None,
        aliases: Mapping[str, str] | None = None,
        embed_dims: int = 32,
        depth: int = 4,
        num_heads: int = 8,
        mlp_ratio: float = 2.0,
        drop_path_rate: float = 0.1,
        branches: Sequence[str] = BRANCHES,
        local: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.branches = tuple(b for b in BRANCHES if b in branches)
        if not branches or len(self.branches) != len(branches):
            raise ValueError(
                f'{type(self).__name__}: branches must be some of {BRANCHES}, '
                f'but got {tuple(branches)}'
            )
        names = joint_names(metainfo)
        self.num_joints = len(names)
        self.clip_offsets = tuple(clip_offsets)
        self.wanted = self.clip_offsets.index(0)
        self.local = local
        groups = [list(range(self.num_joints))]
        if local:
            given = limbs_of(names) if joint_groups is None else joint_groups
            groups = group_numbers(given, names)
        sizes = (embed_dims, depth, num_heads, mlp_ratio, drop_path_rate)
        self.time = self.space = None
        if 'time' in self.branches:
            self.time = TokenMixer(len(self.clip_offsets), *sizes)
        if 'space' in self.branches:
            self.space = TokenMixer(max(map(len, groups)), *sizes)
        self.mix = nn.Linear(len(self.branches), 1)
        self._register_places(groups)
        self._register_sources(names, aliases or {})

    def _register_places(self, groups: list[list[int]]) -> None:
        """``members`` (G, L): the joints of the limbs. ``allowed`` (G, 1, 1,
        L): which of these are there. ``places`` (K,): where each joint is in
        the G * L places, those of joints in no limb being behind them.
        """
        columns = zip_longest(*groups)
        rows = [list(row) for row in zip(*columns)]
        length = len(rows[0])
        places = [len(rows) * length + j for j in range(self.num_joints)]
        for number, group in enumerate(groups):
            for step, joint in enumerate(group):
                places[joint] = number * length + step
        members = [[j or 0 for j in row] for row in rows]
        allowed = [[[[j is not None for j in row]]] for row in rows]
        self.padded = any(None in row for row in rows)
        for name, value in (
            ('members', torch.tensor(members)),
            ('allowed', torch.tensor(allowed)),
            ('places', torch.tensor(places)),
        ):
            self.register_buffer(name, value, persistent=False)

    def _register_sources(
        self, names: Sequence[str], aliases: Mapping[str, str]
    ) -> None:
        """``sources`` (K,): whose token each joint is given."""
        unknown = sorted({*aliases, *aliases.values()} - set(names))
        if unknown:
            raise ValueError(
                f'{type(self).__name__}: aliases: {unknown} are none of the '
                f'joints {list(names)}'
            )
        sources = [names.index(aliases.get(name, name)) for name in names]
        self.register_buffer(
            'sources', torch.tensor(sources), persistent=False
        )

    def init_weights(self) -> None:
        """Linear layers without a bias at first, and a mix near 0."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.mix.weight, std=0.001)
        super().init_weights()

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens of the wanted frame.

        Args:
            tokens (Tensor): (B, T, K, C).

        Returns:
            Tensor: (B, K, C), float32.

        Raises:
            ValueError: Tokens of other frames or joints.
        """
        wanted = (len(self.clip_offsets), self.num_joints)
        if tokens.shape[1:3] != wanted:
            raise ValueError(
                f'{type(self).__name__} of {wanted[0]} frames and {wanted[1]} '
                f'joints got tokens of shape {tuple(tokens.shape)}; use a '
                'metainfo of as many joints as the neck has'
            )
        with torch.autocast(tokens.device.type, enabled=False):
            tokens = tokens.to(self.mix.weight.dtype)
            mixed = []
            if self.time is not None:
                mixed.append(self.over_time(tokens))
            if self.space is not None:
                mixed.append(self.over_space(tokens[:, self.wanted]))
            joined = self.mix(torch.stack(mixed, dim=-1)).squeeze(-1)
        return joined[:, self.sources]

    def over_time(self, tokens: Tensor) -> Tensor:
        """What the branch in time gives, (B, K, C)."""
        batch, frames, joints, _ = tokens.shape
        tokens = tokens + self.time.position[:, None]
        if self.local:
            mixed = self.time(tokens.transpose(1, 2).flatten(0, 1))
            return mixed[:, self.wanted].unflatten(0, (batch, joints))
        mixed = self.time(tokens.flatten(1, 2))
        return mixed.unflatten(1, (frames, joints))[:, self.wanted]

    def over_space(self, tokens: Tensor) -> Tensor:
        """What the branch in space gives of one frame, (B, K, C) both."""
        batch = len(tokens)
        limbs = tokens[:, self.members] + self.space.position
        allowed = None
        if self.padded:
            allowed = self.allowed.repeat(batch, 1, 1, 1)
        mixed = self.space(limbs.flatten(0, 1), allowed)
        mixed = mixed.unflatten(0, (batch, -1)).flatten(1, 2)
        return torch.cat([mixed, tokens], dim=1)[:, self.places]
