# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, constant_init
from mmpose.registry import MODELS
from torch import Tensor, nn

BATCH_NORM = dict(type='BN')


@MODELS.register_module()
class ConvRefinement(BaseModule):
    """Two plain 3x3 convolutions in the place of JRE.

    What the same heatmaps gain from more layers alone, with no relation
    between joints written into them: conv-norm-ReLU, then a convolution
    whose output is added to the heatmaps. That one starts at zero, so that
    the whole starts as the identity, like JRE.

    Args:
        num_joints (int): K, the number of heatmaps.
        norm_cfg (dict, optional): Norm between the convolutions. Defaults to
            batch normalization.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If ``num_joints`` is not positive.
    """

    def __init__(
        self,
        num_joints: int,
        norm_cfg: dict | None = BATCH_NORM,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if num_joints < 1:
            raise ValueError(
                f'{self.__class__.__name__}: num_joints must be '
                f'positive, but got {num_joints}'
            )
        self.num_joints = num_joints
        self.conv_in = ConvModule(
            num_joints, num_joints, kernel_size=3, padding=1, norm_cfg=norm_cfg
        )
        self.conv_out = nn.Conv2d(
            num_joints, num_joints, kernel_size=3, padding=1
        )

    def init_weights(self) -> None:
        """Start as the identity: the residual branch gives zero."""
        super().init_weights()
        constant_init(self.conv_out, val=0)

    def forward(self, heatmaps: Tensor) -> Tensor:
        """Refine the heatmaps.

        Args:
            heatmaps (Tensor): Pseudo heatmaps, (B, K, h, w).

        Returns:
            Tensor: Refined heatmaps, (B, K, h, w).

        Raises:
            ValueError: If the number of heatmaps is not K.
        """
        if heatmaps.shape[1] != self.num_joints:
            raise ValueError(
                f'{self.__class__.__name__} was built for {self.num_joints} '
                f'joints, but got heatmaps of shape {tuple(heatmaps.shape)}'
            )
        return heatmaps + self.conv_out(self.conv_in(heatmaps))
