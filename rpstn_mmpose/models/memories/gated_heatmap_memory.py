# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import torch
from mmengine.model import BaseModule, constant_init, kaiming_init
from mmpose.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class GatedHeatmapMemory(BaseModule):
    r"""Keeps a joint's heatmap of the frame before where the current frame
    does not show the joint. An extension of this package, not of the RPSTN
    paper.

    JRPSP filters the current frame's features with a small kernel. Where a
    joint is hidden these features say little about it, and no filter of them
    can bring back where it was. This module can, by a gate for every joint
    and pixel:

    .. math::
        M''_t = (1 - G) \odot M'_t + G \odot M''_{t-1}, \quad
        G = \sigma(\phi(M'_t \oplus M''_{t-1}, p_t \oplus p_{t-1}))

    with :math:`M'_t` the head's heatmaps, :math:`p` the peak of each heatmap
    (how sure a frame is of a joint, which no small window of pixels tells),
    and :math:`\phi` a 3x3 convolution, to which a linear map of the peaks is
    added, ReLU, and a 1x1 convolution. The gate starts almost closed.

    Args:
        num_joints (int): K, the number of heatmaps.
        hidden_channels (int): Channels inside :math:`\phi`. Defaults to 32.
        initial_gate (float): What the gate lets through at the start, in
            (0, 1). Defaults to 0.05.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If a number is not positive, or ``initial_gate`` is not
            between 0 and 1.
    """

    def __init__(
        self,
        num_joints: int,
        hidden_channels: int = 32,
        initial_gate: float = 0.05,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        name = self.__class__.__name__
        for option, value in (
            ('num_joints', num_joints),
            ('hidden_channels', hidden_channels),
        ):
            if value < 1:
                raise ValueError(
                    f'{name}: {option} must be positive, but got {value}'
                )
        if not 0 < initial_gate < 1:
            raise ValueError(
                f'{name}: initial_gate must lie between 0 and '
                f'1, but got {initial_gate}'
            )
        self.num_joints = num_joints
        self.initial_gate = initial_gate
        self.conv = nn.Conv2d(
            2 * num_joints, hidden_channels, kernel_size=3, padding=1
        )
        self.peaks = nn.Linear(2 * num_joints, hidden_channels, bias=False)
        self.gate = nn.Conv2d(hidden_channels, num_joints, kernel_size=1)

    def init_weights(self) -> None:
        """Initialize; the gate gives ``initial_gate`` everywhere."""
        super().init_weights()
        kaiming_init(self.conv)
        kaiming_init(self.peaks)
        logit = torch.logit(torch.tensor(self.initial_gate)).item()
        constant_init(self.gate, val=0, bias=logit)

    def gates(self, heatmaps: Tensor, prev_heatmaps: Tensor) -> Tensor:
        """How much of the frame before is kept.

        Args:
            heatmaps (Tensor): Of frame t, (B, K, h, w).
            prev_heatmaps (Tensor): Of frame t-1, (B, K, h, w).

        Returns:
            Tensor: (B, K, h, w), between 0 and 1.
        """
        both = torch.cat([heatmaps, prev_heatmaps], dim=1)
        hidden = (
            self.conv(both)
            + self.peaks(both.amax(dim=(2, 3)))[..., None, None]
        )
        return self.gate(hidden.relu()).sigmoid()

    def forward(self, heatmaps: Tensor, prev_heatmaps: Tensor) -> Tensor:
        """Complete a frame's heatmaps.

        Args:
            heatmaps (Tensor): Of frame t, (B, K, h, w).
            prev_heatmaps (Tensor): What this gave for frame t-1, or the
                first frame's heatmaps, (B, K, h, w).

        Returns:
            Tensor: (B, K, h, w).

        Raises:
            ValueError: If the two are not of one shape with K maps.
        """
        if (
            heatmaps.shape != prev_heatmaps.shape
            or heatmaps.shape[1] != self.num_joints
        ):
            raise ValueError(
                f'{self.__class__.__name__} was built for {self.num_joints} '
                f'joints, but got heatmaps {tuple(heatmaps.shape)} and '
                f'{tuple(prev_heatmaps.shape)}'
            )
        gates = self.gates(heatmaps, prev_heatmaps)
        return heatmaps + gates * (prev_heatmaps - heatmaps)
