# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import math
from typing import Any, Sequence

import torch
import torch.nn.functional as F
from mmpose.models.losses import RLELoss
from mmpose.registry import MODELS
from torch import Tensor, nn

Q_DISTRIBUTIONS = ('laplace', 'gaussian', 'released')
FLOW_STARTS = ('xavier', 'default')


@MODELS.register_module()
class FlowRLELoss(RLELoss):
    """MMPose's ``RLELoss`` with the choices that DSTA's code makes otherwise.

    By default it is MMPose's, but that it stays finite where sigma gets
    close to 0, and in float32.

    Args:
        q_distribution (str): Beside ``'laplace'`` and ``'gaussian'`` of
            MMPose ``'released'``: the constant of a Gaussian, log(sigma
            sqrt(2 pi)), with the exponent of a Laplace distribution,
            abs(error) / (sqrt(2) sigma).
        prior_mean (Sequence[float]): Mean of the flow's prior, both 0.5 in
            DSTA's code.
        flow_start (str): First weights of the flow. ``'xavier'``: small ones.
            ``'default'``: torch's, and no biases.
        kwargs: See ``RLELoss``.

    Raises:
        ValueError: Another distribution or start.
    """

    def __init__(
        self,
        *args: Any,
        q_distribution: str = 'laplace',
        prior_mean: Sequence[float] = (0.0, 0.0),
        flow_start: str = 'xavier',
        **kwargs: Any,
    ) -> None:
        for name, given, known in (
            ('q_distribution', q_distribution, Q_DISTRIBUTIONS),
            ('flow_start', flow_start, FLOW_STARTS),
        ):
            if given not in known:
                raise ValueError(
                    f'{type(self).__name__}: {name} must be one of {known}, '
                    f'but got {given!r}'
                )
        super().__init__(*args, q_distribution=q_distribution, **kwargs)
        self.flow_start = flow_start
        self.flow_model.loc.copy_(torch.tensor(prior_mean))

    def init_weights(self) -> None:
        """Start the flow."""
        if self.flow_start == 'xavier':
            self.flow_model.init_weights()
            return
        for layer in self.flow_model.modules():
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()
                nn.init.zeros_(layer.bias)

    def forward(
        self,
        pred: Tensor,
        sigma: Tensor,
        target: Tensor,
        target_weight: Tensor | None = None,
    ) -> Tensor:
        """Negative log likelihood of the targets.

        Args:
            pred (Tensor): (B, K, 2), shares of the crop's sides.
            sigma (Tensor): (B, K, 2), before the sigmoid.
            target (Tensor): (B, K, 2), as ``pred``.
            target_weight (Tensor, optional): (B, K, 1), if
                ``use_target_weight``.

        Returns:
            Tensor: The sum over joints, averaged over the batch by
            ``size_average``.
        """
        with torch.autocast(pred.device.type, enabled=False):
            loss = self._of_coordinates(
                pred.float(), F.logsigmoid(sigma.float()), target.float()
            )
        if self.use_target_weight:
            loss = loss * target_weight
        if self.size_average:
            loss = loss / len(loss)
        return loss.sum()

    def _of_coordinates(
        self, pred: Tensor, log_sigma: Tensor, target: Tensor
    ) -> Tensor:
        """Of each joint and coordinate, (B, K, 2)."""
        sigma = log_sigma.exp()
        error = (pred - target) / (sigma + 1e-9)
        log_phi = self.flow_model.log_prob(error.flatten(0, 1))
        loss = log_sigma - log_phi.view(*error.shape[:2], 1)
        if not self.residual:
            return loss
        if self.q_distribution == 'laplace':
            return loss + log_sigma + math.log(2) + error.abs()
        loss = loss + log_sigma + math.log(2 * math.pi) / 2
        if self.q_distribution == 'gaussian':
            return loss + error**2 / 2
        return loss + (pred - target).abs() / (math.sqrt(2) * sigma + 1e-9)
