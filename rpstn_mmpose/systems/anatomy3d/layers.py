# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from torch import Tensor, nn


class ConvUnit(nn.Module):
    """Convolution over time without padding, batch norm, ReLU, dropout.

    Args:
        in_channels (int): Channels of the input (B, C, L).
        out_channels (int): Channels of the output.
        width (int): Taps of the convolution. Defaults to 1.
        dropout (float): Rate. Defaults to 0.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, width, bias=False)
        self.norm = nn.BatchNorm1d(out_channels)
        self.dropout = nn.Dropout(dropout)

    def finish(self, convolved: Tensor) -> Tensor:
        """All that comes behind the convolution."""
        return self.dropout(self.norm(convolved).relu())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, L) to (B, C', L - width + 1)."""
        return self.finish(self.conv(x))


class LinearUnit(nn.Sequential):
    """Linear layer, batch norm, ReLU, dropout on rows (N, C)."""

    def __init__(
        self, in_channels: int, out_channels: int, dropout: float = 0.0
    ) -> None:
        super().__init__(
            nn.Linear(in_channels, out_channels),
            nn.BatchNorm1d(out_channels),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
