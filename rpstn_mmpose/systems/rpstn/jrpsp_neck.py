# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import torch
import torch.nn as nn
from mmcv.cnn import ConvModule, build_norm_layer
from mmengine.model import BaseModule, constant_init
from mmpose.registry import MODELS
from torch import Tensor

from .dynamic_conv import depthwise_dynamic_conv

BATCH_NORM = dict(type='BN')
NUM_CONVS = (3, 4, 5)
NUM_POOLINGS = 3


def jrpsp_kernel_side(side: int) -> int:
    """Side of the kernel that JRPSP makes from a map of a given side.

    An unpadded 3x3 convolution and 2x2 pooling, then two more poolings:
    64 -> 62 -> 31 -> 15 -> 7.
    """
    return (side - 2) // 2 // 2 // 2


@MODELS.register_module()
class JRPSPNeck(BaseModule):
    """Joint Relation guided Pose Semantics Propagator of RPSTN, Eq. 2 and 3
    of the `paper <https://arxiv.org/abs/2107.03591>`_.

    From the features and heatmaps of one frame it makes a kernel per channel
    (the pose semantics), and matches the next frame's features with it.

    It is a temporal neck, by which ``VideoTopdownPoseEstimator`` steps through
    a clip: ``forward(previous features, previous heatmaps, current features)``
    gives the current response and the features to remember.

    Args:
        in_channels (int): C, channels of the features.
        num_joints (int): K, the number of heatmaps.
        heatmap_size (tuple[int, int]): Width and height of the features and
            heatmaps in pixels (the codec's ``heatmap_size``).
        norm_cfg (dict): Norm of the kernel generator's layers. Defaults to
            batch normalization.
        feature_norm (bool): Normalize the aggregated features, and the
            projected ones where ``project_features`` is set, with one shared
            layer, as the released code does. Defaults to ``False`` (paper).
        project_features (bool): Send the current frame's features through a
            1x1 convolution before they are matched and remembered, as the
            released code does. Defaults to ``False`` (paper).
        norm_response (bool): Send the response through the shared norm of
            ``feature_norm`` once more, as the released code does for
            Sub-JHMDB. Defaults to ``False``.
        residual_kernel (bool): Add the generated kernel to the unit impulse
            and let its last norm start at zero, so that the response starts
            as the current frame's features and a 1x1 trained on those stays
            valid. Not in the paper, whose kernel starts at random. Defaults
            to ``False``.
        num_convs (int): 3x3 convolutions of the kernel generator, 3 to 5.
            Pooling follows the first three; the last one has no activation.
            4 is JRPSP; 3 is the propagator of `DKD
            <https://arxiv.org/abs/1908.09216>`_ as the RPSTN paper compares
            it; 5 has one more at the size of the kernel. Defaults to 4.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If ``heatmap_size`` does not lead to a kernel with odd
            sides, ``norm_response`` is set without ``feature_norm``, or
            ``num_convs`` is not 3, 4 or 5.
    """

    # A stream may prepare a step: the two halves of forward.
    compiled_methods = ('make_kernels', 'respond')

    def __init__(
        self,
        in_channels: int,
        num_joints: int,
        heatmap_size: tuple[int, int] = (64, 64),
        norm_cfg: dict = BATCH_NORM,
        feature_norm: bool = False,
        project_features: bool = False,
        norm_response: bool = False,
        residual_kernel: bool = False,
        num_convs: int = 4,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if norm_response and not feature_norm:
            raise ValueError(
                f'{self.__class__.__name__}: norm_response=True uses the '
                'norm that feature_norm=True makes; set both or neither'
            )
        if num_convs not in NUM_CONVS:
            raise ValueError(
                f'{self.__class__.__name__}: num_convs must be '
                f'one of {NUM_CONVS}, but got {num_convs!r}'
            )
        self.in_channels = in_channels
        self.num_joints = num_joints
        self.heatmap_size = heatmap_size[0], heatmap_size[1]
        self.kernel_size = self._kernel_size(self.heatmap_size)
        self.norm_response = norm_response

        self.aggregate = nn.Conv2d(in_channels + num_joints, in_channels, 1)
        self.project = (
            nn.Conv2d(in_channels, in_channels, 1)
            if project_features
            else None
        )
        self.feature_norm: Any = (
            build_norm_layer(norm_cfg, in_channels)[1]
            if feature_norm
            else None
        )
        self.kernel_generator = self._make_kernel_generator(
            num_convs, norm_cfg
        )
        self.residual_kernel = residual_kernel
        impulse = torch.zeros(self.kernel_size)
        impulse[self.kernel_size[0] // 2, self.kernel_size[1] // 2] = 1
        self.register_buffer('impulse', impulse, persistent=False)

    def init_weights(self) -> None:
        """Initialize; a residual kernel starts as the unit impulse."""
        super().init_weights()
        if self.residual_kernel:
            last = [
                layer
                for layer in self.kernel_generator
                if isinstance(layer, ConvModule)
            ][-1]
            constant_init(last.norm, val=0, bias=0)

    def _kernel_size(self, heatmap_size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the kernel, or a clear error."""
        width, height = heatmap_size
        sides = (jrpsp_kernel_side(height), jrpsp_kernel_side(width))
        if any(side < 1 or side % 2 == 0 for side in sides):
            usable = [s for s in range(10, 129) if jrpsp_kernel_side(s) % 2]
            close = sorted(
                usable, key=lambda s: min(abs(s - height), abs(s - width))
            )[:6]
            raise ValueError(
                f'{self.__class__.__name__}: heatmap_size {width}x{height} '
                f'(w x h) gives a {sides[1]}x{sides[0]} kernel, and both '
                'sides have to be odd for a response of the same size; '
                f'sides near it that work: {sorted(close)}'
            )
        return sides

    def _make_kernel_generator(
        self, num_convs: int, norm_cfg: dict
    ) -> nn.Sequential:
        """(B, C, h, w) -> (B, C, kh, kw)."""
        layers = []
        for stage in range(num_convs):
            activation = {} if stage < num_convs - 1 else dict(act_cfg=None)
            layers.append(
                ConvModule(
                    self.in_channels,
                    self.in_channels,
                    kernel_size=3,
                    padding=0 if stage == 0 else 1,
                    norm_cfg=norm_cfg,
                    **activation,
                )
            )
            if stage < NUM_POOLINGS:
                layers.append(nn.MaxPool2d(2))
        return nn.Sequential(*layers)

    def _check_size(self, feats: Tensor) -> None:
        if tuple(feats.shape[:-3:-1]) != self.heatmap_size:
            raise ValueError(
                f'{self.__class__.__name__} was built for features of '
                f'{self.heatmap_size} (w, h), but got '
                f'{tuple(feats.shape[:-3:-1])}; set heatmap_size to match'
            )

    def make_kernels(self, feats: Tensor, heatmaps: Tensor) -> Tensor:
        """Pose semantics of a frame (Eq. 2).

        Args:
            feats (Tensor): Features of the frame, (B, C, h, w).
            heatmaps (Tensor): Its heatmaps, (B, K, h, w).

        Returns:
            Tensor: (B, C, kh, kw).

        Raises:
            ValueError: As :meth:`forward`.
        """
        self._check_size(feats)
        aggregated = self.aggregate(torch.cat([feats, heatmaps], dim=1))
        if self.feature_norm is not None:
            aggregated = self.feature_norm(aggregated)
        kernels = self.kernel_generator(aggregated)
        return kernels + self.impulse if self.residual_kernel else kernels

    def match(self, feats: Tensor, kernels: Tensor) -> Tensor:
        """Match a frame's features with the kernels (Eq. 3).

        Args:
            feats (Tensor): (B, C, h, w).
            kernels (Tensor): (B, C, kh, kw).

        Returns:
            Tensor: Response, (B, C, h, w).
        """
        response = depthwise_dynamic_conv(feats, kernels)
        return self.feature_norm(response) if self.norm_response else response

    def forward(
        self, prev_feats: Tensor, prev_heatmaps: Tensor, feats: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One step along the clip.

        Args:
            prev_feats (Tensor): Remembered features of frame t, (B, C, h, w).
            prev_heatmaps (Tensor): Heatmaps of frame t, (B, K, h, w).
            feats (Tensor): Features of frame t+1, (B, C, h, w).

        Returns:
            tuple[Tensor, Tensor]: The response of frame t+1 and its features
            to remember, both (B, C, h, w).

        Raises:
            ValueError: If the features are not of the size that the neck was
                built for.
        """
        return self.respond(
            self.make_kernels(prev_feats, prev_heatmaps), feats
        )

    def respond(self, kernels: Tensor, feats: Tensor) -> tuple[Tensor, Tensor]:
        """The part of a step that needs the next frame.

        Args:
            kernels (Tensor): What :meth:`make_kernels` gave for frame t,
                (B, C, kh, kw).
            feats (Tensor): Features of frame t+1, (B, C, h, w).

        Returns:
            tuple[Tensor, Tensor]: As :meth:`forward`.

        Raises:
            ValueError: As :meth:`forward`.
        """
        self._check_size(feats)
        if self.project is not None:
            feats = self.project(feats)
            if self.feature_norm is not None:
                feats = self.feature_norm(feats)
        return self.match(feats, kernels), feats
