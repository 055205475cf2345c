# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mmcv.cnn import build_norm_layer
from mmpose.registry import MODELS
from torch import Tensor, nn

PAPER_RELATION = dict(type='JointRelationExtractor')
FIRST_FRAME_NORMS = ('none', 'separate', 'shared')


def gaussian_target_moments(
    sigma: float, heatmap_size: tuple[int, int]
) -> tuple[float, float]:
    """Mean and standard deviation over the pixels of a target heatmap.

    For :math:`g = exp(-r^2 / 2 sigma^2)` well inside a map of A pixels:
    mean of g is :math:`2 pi sigma^2 / A`, mean of g^2 is
    :math:`pi sigma^2 / A`.

    Args:
        sigma (float): In heatmap pixels.
        heatmap_size (tuple[int, int]): Width and height in pixels.

    Returns:
        tuple[float, float]: Mean and standard deviation.

    Examples:
        >>> # 8 pi / 4096, and sqrt(4 pi / 4096 - mean^2)
        >>> mean, std = gaussian_target_moments(2, (64, 64))
        >>> f'{mean:.4f} {std:.4f}'
        '0.0061 0.0550'
    """
    area = heatmap_size[0] * heatmap_size[1]
    mean = 2 * math.pi * sigma**2 / area
    return mean, math.sqrt(max(math.pi * sigma**2 / area - mean**2, 1e-12))


if TYPE_CHECKING:  # what it stands in front of
    from mmpose.models.heads import HeatmapHead as _Head
else:
    _Head = object


class RelationMixin(_Head):
    """Puts a joint relation, and a norm after it, on any head whose
    ``forward`` gives K heatmaps.

    ``class MyJREHead(RelationMixin, MyHead)`` is all it takes; loss, predict
    and decode stay those of ``MyHead``.

    Args:
        relation (dict, optional): Config of the relation module (heatmaps in,
            heatmaps out, (B, K, h, w)). ``num_joints`` is filled in.
            ``None`` leaves the head without one. Defaults to the paper's
            :class:`~rpstn_mmpose.models.JointRelationExtractor`.
        norm_cfg (dict, optional): K-channel norm after the relation (Eq. 4).
            Its affine start maps unit normal maps onto the mean and spread
            of a target heatmap, where the decoder tells its ``sigma``, so
            that heatmaps of a trained layer keep their scale. Defaults to
            ``None``, no norm (plug-and-play on image heads).
        norm_before (bool): Send the heatmaps through the same norm before
            the relation too, as the released code does. Defaults to
            ``False``.
        first_frame_norm (str): Norm of the first frame's heatmaps, which
            come from the pose initializer (Eq. 1): ``'none'`` (the paper),
            ``'separate'`` (its own statistics) or ``'shared'`` (that of the
            later frames, as released). Defaults to ``'none'``.

    Raises:
        ValueError: If ``first_frame_norm`` is not one of the three, or a norm
            is asked for while ``norm_cfg`` is ``None``.
    """

    precise_parts = ('final_layer', 'relation', 'norm', 'first_norm')

    def __init__(
        self,
        *args: Any,
        relation: dict | None = PAPER_RELATION,
        norm_cfg: dict | None = None,
        norm_before: bool = False,
        first_frame_norm: str = 'none',
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        name = self.__class__.__name__
        if first_frame_norm not in FIRST_FRAME_NORMS:
            raise ValueError(
                f'{name}: first_frame_norm must be one of '
                f'{FIRST_FRAME_NORMS}, but got '
                f'{first_frame_norm!r}'
            )
        if norm_cfg is None and (norm_before or first_frame_norm != 'none'):
            raise ValueError(
                f'{name}: norm_before and first_frame_norm need a norm_cfg'
            )
        num_joints = self.out_channels
        self.relation = None
        if relation is not None:
            self.relation = MODELS.build(
                dict(num_joints=num_joints, **relation)
            )
        self.norm_before = norm_before
        self.first_frame_norm = first_frame_norm
        self.norm: Any = None
        self.first_norm: Any = None
        if norm_cfg is not None:
            self.norm = build_norm_layer(norm_cfg, num_joints)[1]
        if first_frame_norm == 'separate':
            self.first_norm = build_norm_layer(norm_cfg, num_joints)[1]

    def init_weights(self) -> None:
        """Initialize; the norms start at the scale of the targets."""
        super().init_weights()
        sigma = getattr(self.decoder, 'sigma', None)
        if not isinstance(sigma, (int, float)):
            return
        mean, std = gaussian_target_moments(sigma, self.decoder.heatmap_size)
        for norm in (self.norm, self.first_norm):
            if norm is not None and getattr(norm, 'affine', False):
                nn.init.constant_(norm.weight, std)
                nn.init.constant_(norm.bias, mean)

    def pseudo_heatmaps(self, feats: tuple[Tensor]) -> Tensor:
        """What the head below makes of the features, before the relation.

        Args:
            feats (tuple[Tensor]): What the head below takes.

        Returns:
            Tensor: (B, K, h, w).
        """
        return super().forward(feats)

    def refine(self, heatmaps: Tensor) -> Tensor:
        """Pseudo heatmaps to heatmaps (Eq. 4).

        Args:
            heatmaps (Tensor): (B, K, h, w).

        Returns:
            Tensor: (B, K, h, w).
        """
        if self.norm_before:
            heatmaps = self.norm(heatmaps)
        if self.relation is not None:
            heatmaps = self.relation(heatmaps)
        return heatmaps if self.norm is None else self.norm(heatmaps)

    def refine_first(self, heatmaps: Tensor) -> Tensor:
        """The pose initializer's heatmaps to heatmaps (Eq. 1).

        Args:
            heatmaps (Tensor): (B, K, h, w).

        Returns:
            Tensor: (B, K, h, w).
        """
        if self.relation is not None:
            heatmaps = self.relation(heatmaps)
        if self.first_frame_norm == 'none':
            return heatmaps
        norm = self.norm if self.first_norm is None else self.first_norm
        return norm(heatmaps)

    def forward(self, feats: tuple[Tensor]) -> Tensor:
        """Features to heatmaps.

        Args:
            feats (tuple[Tensor]): What the head below takes.

        Returns:
            Tensor: (B, K, h, w).
        """
        return self.refine(self.pseudo_heatmaps(feats))
