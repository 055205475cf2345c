# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import torch
from mmpose.registry import MODELS
from mmpose.utils.typing import SampleList
from torch import Tensor

from ...models.pose_estimators import SequenceLifter
from .anatomy_head import AnatomyFeatures
from .augmentation import BoneLengthAugmentation


@MODELS.register_module()
class AnatomyLifter(SequenceLifter):
    """3D poses from directions and lengths of bones found apart.

    The directions of the bones in a frame come from the window around it,
    their lengths from all frames of the video; for a causal backbone from
    those up to the answered one. `Chen et al., TCSVT 2021
    <https://arxiv.org/abs/2002.10322>`_.

    A training sample holds, beside the window, ``drawn_frames``: F frames of
    the same video, ``keypoints`` (F, K, 2), as the backbone takes them, and
    ``poses`` (F, K, 3), metres from the root; the labels of the window are
    ``lifting_target_label`` (R, K, 3) in the same way.

    Args:
        backbone (dict): :class:`BoneDirectionNet`.
        length_net (dict): :class:`BoneLengthNet`.
        head (dict): :class:`AnatomyHead`.
        augmentation (dict, optional): Arguments of
            :class:`BoneLengthAugmentation`, which makes other people of those
            in the drawn frames; their samples need a ``camera``. Defaults to
            ``None``, none.
        kwargs: See :class:`SequenceLifter`.
    """

    def __init__(
        self,
        backbone: dict,
        length_net: dict,
        head: dict,
        augmentation: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone=backbone, head=head, **kwargs)
        self.length_net = MODELS.build(length_net)
        self.augmentation = None
        if augmentation is not None:
            self.augmentation = BoneLengthAugmentation(
                self.length_net.bones, **augmentation
            )

    def lengths(self, inputs: Tensor) -> Tensor:
        """Bone lengths (B, 1 or T, K - 1) of padded sequences (B, L, K, 3).

        The frames that are answered are those of the video; the others are
        copies of its first and last one.
        """
        last = inputs.shape[1] - self.after
        poses = self.length_net(inputs[:, self.before : last, :, :2])
        if self.backbone.causal:
            return self.length_net.lengths_so_far(poses)
        return self.length_net.lengths(poses)[:, None]

    def extract_feat(self, inputs: Tensor) -> AnatomyFeatures:
        """Features and bone lengths of sequences (B, L, K, 3)."""
        refined, top = self.backbone(self.checked(inputs))
        return AnatomyFeatures(refined, top, self.lengths(inputs))

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        """``mode='tensor'``: 3D poses (B, T, K, 3), metres from the root."""
        return self.head.forward(self.extract_feat(inputs))

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Losses of windows and of frames drawn from the same videos.

        Args:
            inputs (Tensor): (B, R, K, 3), a window each.
            data_samples (list[PoseDataSample]): See the class.

        Returns:
            dict: Those of :meth:`AnatomyHead.loss`, ``loss_frame_pose``, and
            with an augmentation ``loss_frame_pose_augmented`` and
            ``loss_length_augmented``.
        """
        window = torch.stack(
            [s.gt_instance_labels.lifting_target_label for s in data_samples]
        )
        drawn, drawn_poses = (
            torch.stack([s.drawn_frames[key] for s in data_samples])
            for key in ('keypoints', 'poses')
        )
        bones = self.length_net.bones
        poses = self.length_net(drawn)
        lengths = self.length_net.lengths(poses)[:, None]
        refined, top = self.backbone(self.checked(inputs))
        true_lengths = bones.vectors(window).norm(dim=-1).mean(dim=1)
        last = inputs.shape[1] - self.after
        losses = self.head.loss(
            AnatomyFeatures(refined, top, lengths),
            window[:, self.before : last],
            true_lengths[:, None],
        )
        frame = int(torch.randint(drawn.shape[1], ()))
        losses['loss_frame_pose'] = self.head.frame_loss(
            poses[:, frame], drawn_poses[:, frame]
        )
        if self.augmentation is not None:
            cameras = torch.stack([s.camera for s in data_samples])
            made = self.augmentation(drawn_poses, true_lengths, cameras)
            poses = self.length_net(made.keypoints)
            losses['loss_frame_pose_augmented'] = self.head.frame_loss(
                poses[:, frame], made.poses[:, frame]
            )
            losses['loss_length_augmented'] = self.head.length_loss(
                self.length_net.lengths(poses), made.lengths
            )
        return losses
