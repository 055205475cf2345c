# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Heads of two one-dimensional distributions a joint, read as heatmaps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from mmpose.codecs import MSRAHeatmap, SimCCLabel
from mmpose.models import heads
from mmpose.models.losses import KeypointMSELoss, KLDiscretLoss
from mmpose.registry import MODELS
from torch import Tensor

if TYPE_CHECKING:  # what it stands in front of
    from mmpose.models.heads import RTMCCHead as _Head
else:
    _Head = object


class SimCCHeatmapMixin(_Head):
    r"""A SimCC head of MMPose that gives heatmaps, with the same weights.

    "SimCC: a Simple Coordinate Classification Perspective for Human Pose
    Estimation", ECCV 2022, https://arxiv.org/abs/2107.03332, and RTMPose
    classify the columns and the rows of a crop. Here both vectors are scaled,
    x and y, and a joint's heatmap is their product, whose peak is the lower
    one of theirs:

    .. math::
        H_{ij} = \min(\max x, \max y) \frac{y_i}{\max y} \frac{x_j}{\max x}

    Scaled, a vector that was trained to its end has a peak of 1, as heatmaps
    have. RTMPose's are so already, and the peak is MMPose's score; RTMW's are
    ten times as high; where the loss compares distributions (no
    ``label_softmax``, SimCC), a vector's softmax is taken as a share of its
    label's peak. Below 0 counts as 0.

    Pixels of the heatmaps are as many bins apart as the largest power of two
    that is not above the labels' sigma. ``decoder`` is of these heatmaps, and
    so are :meth:`predict` and :meth:`loss`. As with other heatmaps, a peak at
    a border is no finer than a pixel, in a flip test mirrored heatmaps lie
    half a pixel beside, and visibilities are not decoded.

    Args:
        args, kwargs: Of the head, with a ``KLDiscretLoss`` and a decoder
            ``SimCCLabel`` of Gaussian labels. Training compares heatmaps in
            its place (``KeypointMSELoss``), made by an encoder with the
            settings of ``decoder``.

    Raises:
        ValueError: Another loss or decoder.
    """

    decoder: Any
    loss_module: Any
    # Behind the last convolution, where rounding would show.
    precise_parts = (
        'mlp', 'mlp2', 'gau', 'cls_x', 'cls_y', 'mlp_head_x', 'mlp_head_y',
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        codec, loss = self.decoder, self.loss_module
        if (
            not isinstance(codec, SimCCLabel)
            or codec.smoothing_type != 'gaussian'
            or not isinstance(loss, KLDiscretLoss)
        ):
            got = 'no decoder' if codec is None else type(codec).__name__
            if isinstance(codec, SimCCLabel):
                got += f" with smoothing_type='{codec.smoothing_type}'"
            raise ValueError(
                f'{type(self).__name__} needs a decoder SimCCLabel with '
                "smoothing_type='gaussian' and a KLDiscretLoss, which tell "
                f'what its vectors mean, but got {got} and '
                f'{type(loss).__name__}'
            )
        sigmas = [float(sigma) for sigma in codec.sigma]
        areas = [math.sqrt(2 * math.pi) * sigma for sigma in sigmas]
        self._softmax = not loss.label_softmax
        self._beta = loss.beta / (1 if self._softmax else loss.label_beta)
        self._areas = areas if codec.normalize or self._softmax else [1.0, 1.0]
        self._step = bins_a_pixel(codec)
        self.decoder = heatmap_codec(codec, self._step)
        self.loss_module = KeypointMSELoss(use_target_weight=True)

    # Of heatmaps, not of vectors.
    predict = heads.HeatmapHead.predict

    def loss(
        self, feats: Any, batch_data_samples: Any, train_cfg: Any = None
    ) -> dict:
        """See ``HeatmapHead``.

        Raises:
            ValueError: Samples without heatmaps.
        """
        for sample in batch_data_samples:
            if 'heatmaps' not in sample.get('gt_fields', ()):
                codec = self.decoder
                raise ValueError(
                    f'{type(self).__name__} is trained on heatmaps, and the '
                    'samples have none; give GenerateTarget '
                    "encoder=dict(type='MSRAHeatmap', input_size="
                    f'{codec.input_size}, heatmap_size={codec.heatmap_size}, '
                    f'sigma={codec.sigma:g})'
                )
        return heads.HeatmapHead.loss(
            self, feats, batch_data_samples, train_cfg or {}
        )

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Heatmaps.

        Args:
            feats (tuple[Tensor]): As the head takes them.

        Returns:
            Tensor: (N, K, h, w), not below 0.
        """
        shapes, peaks = [], []
        for vectors, area in zip(super().forward(feats), self._areas):
            vectors = vectors * self._beta
            if self._softmax:
                vectors = vectors.softmax(dim=-1)
            vectors = vectors.clamp(min=0) * area
            peaks.append(vectors.amax(dim=-1, keepdim=True))
            # A pixel's neighbours overlap, and no bin is left out.
            vectors = F.avg_pool1d(
                vectors,
                2 * self._step - 1,
                self._step,
                self._step - 1,
                count_include_pad=False,
            )
            highest = vectors.amax(dim=-1, keepdim=True).clamp(min=1e-6)
            shapes.append(vectors / highest)
        across, down = shapes
        score = torch.minimum(*peaks)
        return (score * down)[..., None] * across[..., None, :]


def bins_a_pixel(codec: SimCCLabel) -> int:
    """How many bins of SimCC a heatmap's pixel is: the largest power of two
    that is not above sigma, and that divides the numbers of bins.
    """
    bins = [round(size * codec.simcc_split_ratio) for size in codec.input_size]
    step = 1
    while 2 * step <= min(codec.sigma) and not any(
        count % (2 * step) for count in bins
    ):
        step *= 2
    return step


def heatmap_codec(codec: SimCCLabel, step: int) -> MSRAHeatmap:
    """The codec of heatmaps whose pixel j is bin j * ``step``."""
    width, height = (
        round(size * codec.simcc_split_ratio) // step
        for size in codec.input_size
    )
    sigma = float(sum(codec.sigma)) / 2 / step
    return MSRAHeatmap(
        input_size=tuple(codec.input_size),
        heatmap_size=(width, height),
        sigma=sigma,
        unbiased=True,
        # OpenCV's Gaussian of this size is about as wide as the heat.
        blur_kernel_size=2 * round(2.5 * sigma) + 1,
    )


@MODELS.register_module()
class SimCCHeatmapHead(SimCCHeatmapMixin, heads.SimCCHead):
    """MMPose's ``SimCCHead``, see :class:`SimCCHeatmapMixin`."""


@MODELS.register_module()
class RTMCCHeatmapHead(SimCCHeatmapMixin, heads.RTMCCHead):
    """RTMPose's ``RTMCCHead``, see :class:`SimCCHeatmapMixin`."""


# What gives heatmaps in the place of MMPose's own heads of vectors.
HEATMAP_HEADS = dict(
    SimCCHead='SimCCHeatmapHead', RTMCCHead='RTMCCHeatmapHead'
)

if hasattr(heads, 'RTMWHead'):  # since MMPose 1.3

    @MODELS.register_module()
    class RTMWHeatmapHead(SimCCHeatmapMixin, heads.RTMWHead):
        """RTMW's ``RTMWHead``, see :class:`SimCCHeatmapMixin`."""

    HEATMAP_HEADS['RTMWHead'] = 'RTMWHeatmapHead'
