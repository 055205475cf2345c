# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

from mmpose.models.heads import HeatmapHead
from mmpose.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class DeconvNeck(HeatmapHead):
    """The upsampling part of a SimpleBaseline: a :class:`HeatmapHead` without
    its last 1x1 convolution.

    Deriving from the head keeps its layers' names, so that the weights of a
    trained SimpleBaseline fit as they are.

    Args:
        in_channels (int): Channels of the backbone's last feature map.
        deconv_out_channels (Sequence[int]): Output channels of each
            deconvolution. Defaults to ``(256, 256, 256)``.
        deconv_kernel_sizes (Sequence[int]): Kernel size of each
            deconvolution. Defaults to ``(4, 4, 4)``.
        init_cfg (dict, optional): Defaults to the head's own.
    """

    def __init__(
        self,
        in_channels: int,
        deconv_out_channels: Sequence[int] = (256, 256, 256),
        deconv_kernel_sizes: Sequence[int] = (4, 4, 4),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            out_channels=deconv_out_channels[-1],
            deconv_out_channels=deconv_out_channels,
            deconv_kernel_sizes=deconv_kernel_sizes,
            final_layer=None,
            init_cfg=init_cfg,
        )

    def forward(self, feats: tuple[Tensor]) -> tuple[Tensor]:
        """Upsample the last feature map.

        Args:
            feats (tuple[Tensor]): Backbone features; the last one is
                (N, C_in, h', w').

        Returns:
            tuple[Tensor]: One map (N, C_out, h, w), twice as large for each
            deconvolution.
        """
        return (super().forward(feats),)
