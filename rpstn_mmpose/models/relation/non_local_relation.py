# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from mmcv.cnn.bricks import NonLocal2d
from mmpose.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class NonLocalRelation(NonLocal2d):
    r"""A `non-local block <https://arxiv.org/abs/1711.07971>`_ in the place
    of JRE.

    JRE compares joints with joints; this compares pixels with pixels: every
    pixel, K numbers, gathers from all h*w pixels. It starts as the identity,
    its last convolution being zero.

    The weights are an (h*w) x (h*w) matrix per sample: at 64 x 64 pixels 64
    MiB in single precision, at 32 x 32 pixels 4 MiB. With ``reduction=1`` it
    has :math:`4K^2 + 4K` parameters.

    Args:
        num_joints (int): K, the number of heatmaps.
        reduction (int): The pixels are compared in K divided by it channels.
            Defaults to 1, as K is small.
        mode (str): ``'embedded_gaussian'``, ``'gaussian'``,
            ``'dot_product'`` or ``'concatenation'``, see
            :class:`mmcv.cnn.NonLocal2d`. Defaults to
            ``'embedded_gaussian'``.

    Raises:
        ValueError: If ``num_joints`` or ``reduction`` is not positive, or
            ``mode`` is not one of the four.
    """

    def __init__(
        self,
        num_joints: int,
        reduction: int = 1,
        mode: str = 'embedded_gaussian',
    ) -> None:
        for name, value in (
            ('num_joints', num_joints),
            ('reduction', reduction),
        ):
            if value < 1:
                raise ValueError(
                    f'{self.__class__.__name__}: {name} must be '
                    f'positive, but got {value}'
                )
        super().__init__(
            in_channels=num_joints, reduction=reduction, mode=mode
        )
        self.num_joints = num_joints

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
        return super().forward(heatmaps)
