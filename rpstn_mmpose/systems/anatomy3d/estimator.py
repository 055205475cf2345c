# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Sequence

import torch
from mmpose.registry import MODELS
from mmpose.utils.typing import SampleList
from torch import Tensor

from ...models.pose_estimators import SequenceLifter
from .anatomy_head import AnatomyFeatures
from .augmentation import BoneLengthAugmentation
from .bone_length_net import LengthSum


@MODELS.register_module()
class AnatomyLifter(SequenceLifter):
    """3D poses from directions and lengths of bones found apart.

    The directions of the bones in a frame come from the window around it,
    their lengths from all frames of the video; for a causal backbone from
    those up to the answered one. `Chen et al., TCSVT 2021
    <https://arxiv.org/abs/2002.10322>`_.

    Training takes batches of tensors (data sets with ``as_batches``), with F
    frames drawn from the video of each window beside the window.

    Args:
        backbone (dict): :class:`BoneDirectionNet`.
        length_net (dict): :class:`BoneLengthNet`.
        head (dict): :class:`AnatomyHead`.
        augmentation (dict, optional): Arguments of
            :class:`BoneLengthAugmentation`, which makes other people of those
            in the drawn frames. Defaults to ``None``, none.
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

    def poses(
        self, inputs: Tensor, data_samples: SampleList, flipped: bool = False
    ) -> Tensor:
        """See :class:`SequenceLifter`. In a stream the bone lengths come from
        all frames that went in so far, of a causal model from those up to the
        answered one, each once.
        """
        memories = [sample.get('memory', None) for sample in data_samples]
        if None in memories:
            return self._forward(inputs)
        refined, top = self.backbone(self.checked(inputs))
        frames = [sample.metainfo['frame_ids'] for sample in data_samples]
        lengths = [
            self._remembered(memory.setdefault(flipped, {}), points, numbers)
            for memory, points, numbers in zip(memories, inputs, frames)
        ]
        feats = AnatomyFeatures(refined, top, torch.stack(lengths)[:, None])
        return self.head.forward(feats)

    def _remembered(
        self, memory: dict, points: Tensor, frames: Sequence[int]
    ) -> Tensor:
        """Bone lengths (K - 1,) from new rows of a window and what is
        remembered of those before.
        """
        rows = {
            frame: row
            for row, frame in enumerate(frames)
            if frame > memory.get('last', -1)
        }
        if rows:
            poses = self.length_net(points[list(rows.values()), :, :2])
            new = self.length_net.sums(poses)
            total = LengthSum(*(part.logsumexp(dim=0) for part in new))
            if 'sum' in memory:
                total = total.plus(memory['sum'])
            memory.update(last=max(rows), sum=total)
        return memory['sum'].mean().to(points)

    def loss(  # type: ignore[override]
        self, inputs: dict[str, Tensor], data_samples: SampleList
    ) -> dict:
        """Losses of windows and of frames drawn from the same videos.

        Args:
            inputs (dict[str, Tensor]): ``keypoints`` (B, R, K, 3), a window
                each, and ``poses`` (B, R, K, 3), metres from the root;
                ``drawn_keypoints`` (B, F, K, 2) and ``drawn_poses`` (B, F, K,
                3); for an augmentation ``lens`` (B, 9).
            data_samples (list[PoseDataSample]): Not used.

        Returns:
            dict: Those of :meth:`AnatomyHead.loss`, ``loss_frame_pose``, and
            with an augmentation ``loss_frame_pose_augmented`` and
            ``loss_length_augmented``.

        Raises:
            ValueError: Inputs of another kind.
        """
        if not isinstance(inputs, dict) or 'drawn_keypoints' not in inputs:
            raise ValueError(
                f'{type(self).__name__} is trained on windows and drawn '
                'frames; give the data set as_batches=True and drawn_frames'
            )
        windows, window_poses = inputs['keypoints'], inputs['poses']
        drawn_poses = inputs['drawn_poses']
        poses = self.length_net(inputs['drawn_keypoints'])
        lengths = self.length_net.lengths(poses)
        bones = self.length_net.bones.vectors(window_poses)
        true_lengths = bones.norm(dim=-1).mean(dim=1)
        refined, top = self.backbone(self.checked(windows))
        last = windows.shape[1] - self.after
        losses = self.head.loss(
            AnatomyFeatures(refined, top, lengths[:, None]),
            window_poses[:, self.before : last],
            true_lengths[:, None],
        )
        frame = int(torch.randint(poses.shape[1], ()))
        losses['loss_frame_pose'] = self.head.frame_loss(
            poses[:, frame], drawn_poses[:, frame]
        )
        if self.augmentation is not None:
            made = self.augmentation(drawn_poses, true_lengths, inputs['lens'])
            poses = self.length_net(made.keypoints)
            losses['loss_frame_pose_augmented'] = self.head.frame_loss(
                poses[:, frame], made.poses[:, frame]
            )
            losses['loss_length_augmented'] = self.head.length_loss(
                self.length_net.lengths(poses), made.lengths
            )
        return losses
