# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.model import BaseModule, constant_init, normal_init
from mmpose.registry import MODELS
from torch import Tensor

SIMILARITIES = ('dot', 'cosine')
ARITHMETICS = ('paper', 'released', 'released-rows')


@MODELS.register_module()
class JointRelationExtractor(BaseModule):
    r"""Joint Relation Extractor (JRE) of RPSTN, Eq. 6-9 of the `paper
    <https://arxiv.org/abs/2107.03591>`_.

    Every joint's heatmap is refined by a weighted sum of the heatmaps of all
    joints; the weights come from how much the heatmaps resemble each other:

    .. math::
        W_r &= \mathrm{softmax}(\bar M \bar M^T) \\
        Z &= \mathrm{Conv}_o(W_r \, \mathrm{Conv}_g(M)) + M

    with :math:`\bar M` the heatmaps as K rows of h*w numbers. The two 1x1
    convolutions have no bias: :math:`2K^2` weights are all it adds.
    ``Conv_o`` starts at zero, so that a fresh JRE is the identity and can be
    put on top of a trained heatmap head.

    Args:
        num_joints (int): K, the number of heatmaps.
        similarity (str): ``'dot'`` is the paper's :math:`\bar M\bar M^T`.
            ``'cosine'`` scales each row to unit length first; the weights
            then no longer depend on the scale of the heatmaps. Defaults to
            ``'dot'``.
        temperature (float): The similarities are divided by it before the
            softmax. Defaults to 1 (the paper).
        learn_temperature (bool): Whether the temperature is trained (as its
            logarithm). Defaults to ``False``.
        arithmetic (str): ``'paper'``, or ``'released'`` for weights that were
            trained with the authors' code, which differs in four ways: the
            softmax runs over the other axis of the K x K matrix; the
            aggregated K x hw matrix is read back as if it were hw x K, so
            that pixels change places; a batch normalization whose weight
            starts at zero follows ``Conv_o``; both convolutions have a bias.
            Of the code two states are public: in one the softmax runs over
            the paper's axis, which is ``'released-rows'``. Weights do not
            tell which of the two they were trained with. Defaults to
            ``'paper'``.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If an argument has a value that is not listed above.
    """

    def __init__(
        self,
        num_joints: int,
        similarity: str = 'dot',
        temperature: float = 1.0,
        learn_temperature: bool = False,
        arithmetic: str = 'paper',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        name = self.__class__.__name__
        if num_joints < 1:
            raise ValueError(
                f'{name}: num_joints must be positive, but got {num_joints}'
            )
        if similarity not in SIMILARITIES:
            raise ValueError(
                f'{name}: similarity must be one of '
                f'{SIMILARITIES}, but got {similarity!r}'
            )
        if temperature <= 0:
            raise ValueError(
                f'{name}: temperature must be positive, but got {temperature}'
            )
        if arithmetic not in ARITHMETICS:
            raise ValueError(
                f'{name}: arithmetic must be one of '
                f'{ARITHMETICS}, but got {arithmetic!r}'
            )
        self.num_joints = num_joints
        self.similarity = similarity
        self.arithmetic = arithmetic
        self.released = released = arithmetic != 'paper'
        self.conv_g = nn.Conv2d(num_joints, num_joints, 1, bias=released)
        self.conv_o = nn.Conv2d(num_joints, num_joints, 1, bias=released)
        if released:
            self.norm_o = nn.BatchNorm2d(num_joints)
        log_temperature = torch.tensor(float(temperature)).log()
        if learn_temperature:
            self.log_temperature = nn.Parameter(log_temperature)
        else:
            self.register_buffer(
                'log_temperature', log_temperature, persistent=False
            )

    def init_weights(self) -> None:
        """Start as the identity: the residual branch gives zero."""
        super().init_weights()
        normal_init(self.conv_g, std=self.num_joints**-0.5)
        if self.released:
            normal_init(self.conv_o, std=self.num_joints**-0.5)
            constant_init(self.norm_o, val=0, bias=0)
        else:
            constant_init(self.conv_o, val=0)

    def correlation(self, heatmaps: Tensor) -> Tensor:
        r"""The joints' correlation matrix :math:`\bar M\bar M^T` (Eq. 6).

        Args:
            heatmaps (Tensor): (B, K, h, w).

        Returns:
            Tensor: (B, K, K), symmetric, divided by the temperature.
        """
        rows = heatmaps.flatten(2)
        if self.similarity == 'cosine':
            rows = F.normalize(rows, dim=2)
        return rows @ rows.transpose(1, 2) / self.log_temperature.exp()

    def relational_weights(self, heatmaps: Tensor) -> Tensor:
        """The weights W_r (Eq. 7).

        Args:
            heatmaps (Tensor): (B, K, h, w).

        Returns:
            Tensor: (B, K, K). Row i holds what joint i takes from every
            joint and sums to one; with the released arithmetic the columns
            sum to one instead.
        """
        axis = 1 if self.arithmetic == 'released' else 2
        return self.correlation(heatmaps).softmax(dim=axis)

    def forward(self, heatmaps: Tensor) -> Tensor:
        """Refine the heatmaps (Eq. 8 and 9).

        Args:
            heatmaps (Tensor): Pseudo heatmaps, (B, K, h, w).

        Returns:
            Tensor: Refined heatmaps, (B, K, h, w).
        """
        if heatmaps.shape[1] != self.num_joints:
            raise ValueError(
                f'{self.__class__.__name__} was built for {self.num_joints} '
                f'joints, but got heatmaps of shape {tuple(heatmaps.shape)}'
            )
        weights = self.relational_weights(heatmaps)
        aggregated = weights @ self.conv_g(heatmaps).flatten(2)
        if self.released:
            aggregated = aggregated.transpose(1, 2).contiguous()
            return heatmaps + self.norm_o(
                self.conv_o(aggregated.view_as(heatmaps))
            )
        return heatmaps + self.conv_o(aggregated.view_as(heatmaps))
