# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A small transformer over short sequences of tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

NORM_EPS = 1e-6


class SelfAttention(nn.Module):
    """Attention of a sequence to itself.

    Args:
        dims (int): Numbers of a token.
        num_heads (int): Attention heads.
    """

    def __init__(self, dims: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dims, 3 * dims)
        self.proj = nn.Linear(dims, dims)

    def forward(self, tokens: Tensor, allowed: Tensor | None) -> Tensor:
        """See :class:`TokenMixer`."""
        queries, keys, values = (
            self.qkv(tokens)
            .unflatten(-1, (3, self.num_heads, -1))
            .permute(2, 0, 3, 1, 4)
        )
        mixed = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=allowed
        )
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and a perceptron, each added to what it is given.

    Args:
        dims (int): Numbers of a token.
        num_heads (int): Attention heads.
        mlp_ratio (float): Width of the perceptron, as a multiple of ``dims``.
        drop_path (float): How often a sequence goes past each of both, in
            training.
    """

    def __init__(
        self, dims: int, num_heads: int, mlp_ratio: float, drop_path: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dims, eps=NORM_EPS)
        self.attn = SelfAttention(dims, num_heads)
        self.norm2 = nn.LayerNorm(dims, eps=NORM_EPS)
        self.fc1 = nn.Linear(dims, int(dims * mlp_ratio))
        self.fc2 = nn.Linear(int(dims * mlp_ratio), dims)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor, allowed: Tensor | None) -> Tensor:
        """See :class:`TokenMixer`."""
        attended = self.attn(self.norm1(tokens), allowed)
        tokens = tokens + self.drop_path(attended)
        thought = self.fc2(F.gelu(self.fc1(self.norm2(tokens))))
        return tokens + self.drop_path(thought)


class TokenMixer(nn.Module):
    """Blocks over sequences, with a learned position for each place.

    Args:
        length (int): Places.
        dims (int): Numbers of a token.
        depth (int): Blocks.
        num_heads (int): Attention heads.
        mlp_ratio (float): See :class:`Block`.
        drop_path_rate (float): ``drop_path`` of the last block; it grows
            evenly from 0 at the first one.

    Raises:
        ValueError: ``dims`` that ``num_heads`` does not divide, or a number
            below 1.
    """

    def __init__(
        self,
        length: int,
        dims: int,
        depth: int,
        num_heads: int,
        mlp_ratio: float,
        drop_path_rate: float,
    ) -> None:
        super().__init__()
        if min(length, dims, depth, num_heads) < 1 or dims % num_heads:
            raise ValueError(
                'depth and num_heads must be at least 1 and num_heads divide '
                f'embed_dims, but got depth={depth}, num_heads={num_heads}, '
                f'embed_dims={dims}'
            )
        self.position = nn.Parameter(torch.zeros(length, dims))
        rates = torch.linspace(0, drop_path_rate, depth).tolist()
        self.blocks = nn.ModuleList(
            Block(dims, num_heads, mlp_ratio, rate) for rate in rates
        )
        self.norm = nn.LayerNorm(dims, eps=NORM_EPS)

    def forward(self, tokens: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Mix the tokens of each sequence.

        Args:
            tokens (Tensor): (N, L, C), positions added.
            allowed (Tensor, optional): (N, 1, 1, L) bool; what is attended
                to. ``None``: all.

        Returns:
            Tensor: (N, L, C).
        """
        for block in self.blocks:
            tokens = block(tokens, allowed)
        return self.norm(tokens)
