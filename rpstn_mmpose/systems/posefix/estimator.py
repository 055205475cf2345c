# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import math
from typing import Any, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmpose.models import TopdownPoseEstimator
from mmpose.registry import MODELS
from mmpose.utils.typing import SampleList
from torch import Tensor, nn


def pose_maps(poses: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """A Gaussian for each joint.

    Args:
        poses (Tensor): (B, K, 2 or more), x and y in pixels; NaN where a
            joint is absent.
        size (tuple[int, int]): Height H and width W.
        sigma (float): In pixels.

    Returns:
        Tensor: (B, K, H, W), 1 at the joint, 0 everywhere if it is absent.
    """
    axes = []
    for axis, length in ((0, size[1]), (1, size[0])):
        pixels = torch.arange(length, device=poses.device, dtype=poses.dtype)
        gaps = pixels - poses[..., axis, None]
        axes.append(torch.exp(-(gaps**2) / (2 * sigma**2)))
    columns, rows = axes
    return (rows[..., None] * columns[..., None, :]).nan_to_num(0)


class ImageAndPoseConv(nn.Module):
    """A convolution of images with weights for K more channels.

    It computes what a convolution of 3 + K channels computes; the weights of
    the image keep name and shape, so that checkpoints of image models fit,
    and those of the pose are entries of their own.

    Args:
        conv (nn.Conv2d): Of images, not grouped.
        num_joints (int): K.
    """

    def __init__(self, conv: nn.Conv2d, num_joints: int) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.geometry: Any = (conv.stride, conv.padding, conv.dilation)
        self.pose_weight = nn.Parameter(
            conv.weight.new_empty(
                conv.out_channels, num_joints, *conv.kernel_size
            )
        )
        nn.init.kaiming_normal_(self.pose_weight, mode='fan_out')

    def forward(self, inputs: Tensor) -> Tensor:
        """Images and maps (B, 3 + K, H, W) to features."""
        weight = torch.cat([self.weight, self.pose_weight], dim=1)
        return F.conv2d(inputs, weight, self.bias, *self.geometry)


def take_poses(backbone: nn.Module, num_joints: int) -> None:
    """Let a backbone's first convolution take K maps beside the image.

    Raises:
        ValueError: Its first convolution takes no image.
    """
    for name, module in backbone.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        if module.in_channels != 3 or module.groups != 1:
            break
        parent, _, last = name.rpartition('.')
        setattr(
            backbone.get_submodule(parent),
            last,
            ImageAndPoseConv(module, num_joints),
        )
        return
    raise ValueError(
        f'PoseRefiner: the first convolution of {type(backbone).__name__} '
        'takes no image of 3 channels; use another backbone'
    )


def input_poses(data_samples: SampleList, device: torch.device) -> Tensor:
    """Poses that samples come with.

    Returns:
        Tensor: (B, K, 3): x and y in pixels of the crop, NaN where a joint
        is absent, and the score.

    Raises:
        ValueError: A sample has none.
    """
    poses = []
    for sample in data_samples:
        if 'input_poses' not in sample.gt_instances:
            raise ValueError(
                'PoseRefiner: a sample has no gt_instances.input_poses; put '
                'AddInputPose (test) or SynthesizePoseErrors (training) '
                'before PackPoseInputs'
            )
        poses.append(np.asarray(sample.gt_instances.input_poses[0]))
    return torch.from_numpy(np.stack(poses)).to(device, torch.float32)


@MODELS.register_module()
class PoseRefiner(TopdownPoseEstimator):
    """A crop and a pose of any method to a better pose.

    "PoseFix: Model-Agnostic General Human Pose Refinement Network", CVPR
    2019, https://arxiv.org/abs/1812.03595. The pose goes in as K Gaussian
    maps beside the image, drawn from ``gt_instances.input_poses`` of the
    samples. Backbone and start weights are those of an image model; its
    first convolution gets weights for the maps
    (:class:`~rpstn_mmpose.systems.posefix.estimator.ImageAndPoseConv`).

    Args:
        sigma (float): Of the Gaussians, pixels of the crop.
        level (float): Their height in grey levels; like the image, they are
            divided by the preprocessor's standard deviation. 0: the network
            sees no pose, which is a plain second pass of the same size.
        kwargs: Those of :class:`mmpose.models.TopdownPoseEstimator`; the
            head is a :class:`~rpstn_mmpose.systems.posefix.PoseFixHead`.

    Raises:
        ValueError: A sigma or level that is none, a backbone that takes no
            image.
    """

    kind = 'refiner'

    def __init__(
        self,
        *args: Any,
        sigma: float = 7.0,
        level: float = 255.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if sigma <= 0 or level < 0:
            raise ValueError(
                'PoseRefiner: sigma must be above 0 and level at least 0, but '
                f'got {sigma} and {level}'
            )
        self.sigma, self.level = float(sigma), float(level)
        self.num_joints = self.head.out_channels
        take_poses(self.backbone, self.num_joints)

    @property
    def height(self) -> float:
        """Of the Gaussians, in the units of normalised images."""
        std = getattr(self.data_preprocessor, 'std', None)
        return self.level / (1.0 if std is None else float(std.mean()))

    def with_pose(self, inputs: Tensor, poses: Tensor) -> Tensor:
        """Images (B, 3, H, W) and poses (B, K, 3) as (B, 3 + K, H, W)."""
        height, width = inputs.shape[-2:]
        maps = pose_maps(poses, (height, width), self.sigma)
        return torch.cat([inputs, (self.height * maps).to(inputs)], dim=1)

    def mirrored(self, inputs: Tensor, flip_indices: Sequence[int]) -> Tensor:
        """Images and maps (B, 3 + K, H, W) as in a mirror."""
        joints = [3 + joint for joint in flip_indices]
        return inputs[:, [0, 1, 2, *joints]].flip(-1)

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Losses of a batch; see the base class."""
        poses = input_poses(data_samples, inputs.device)
        return super().loss(self.with_pose(inputs, poses), data_samples)

    def predict(self, inputs: Tensor, data_samples: SampleList) -> SampleList:
        """Refined poses; see the base class."""
        poses = input_poses(data_samples, inputs.device)
        inputs = self.with_pose(inputs, poses)
        feats: Any = self.extract_feat(inputs)
        if self.test_cfg.get('flip_test', False):
            flip_indices = data_samples[0].metainfo['flip_indices']
            flipped = self.mirrored(inputs, flip_indices)
            feats = [feats, self.extract_feat(flipped)]
        preds = self.head.predict(feats, data_samples, test_cfg=self.test_cfg)
        fields = None
        if isinstance(preds, tuple):
            preds, fields = preds
        return self.add_pred_to_datasample(preds, fields, data_samples)

    def _forward(
        self, inputs: Tensor, data_samples: SampleList | None = None
    ) -> Tensor:
        """Logits of images and maps (B, 3 + K, H, W); of images alone, as
        if nothing were known of the pose.
        """
        if inputs.shape[1] == 3:
            nothing = inputs.new_full(
                (len(inputs), self.num_joints, 3), math.nan
            )
            inputs = self.with_pose(inputs, nothing)
        return super()._forward(inputs)
