# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.models.pose_estimators import PoseLifter
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from mmpose.utils.tensor_utils import to_numpy
from mmpose.utils.typing import SampleList
from torch import Tensor

from ...structures import narrow, wanted_frames


@MODELS.register_module()
class SequenceLifter(PoseLifter):
    """2D keypoints over time in, 3D poses of the frames with context out.

    MMPose's ``PoseLifter``, whose backbones (``TCN``) and heads
    (``TemporalRegressionHead``) it takes as they are, with clips (B, L, K, C)
    for inputs and samples of L rows. Frames that have ``before`` frames in
    front and ``after`` behind are answered: one of a window, T = L - before -
    after of a longer sequence.

    Attributes:
        kind: ``'lifter'``, see :class:`ClipPoseEstimator`.
        before: Frames in front of the answered one.
        after: Frames behind it; 0 makes the lifter causal.

    Args:
        before (int, optional): As above. Defaults to ``None``: the backbone
            tells, by an attribute of that name.
        after (int, optional): As above. Defaults to ``None``: the backbone's
            where ``before`` is, else 0.
        kwargs: See ``PoseLifter``. With ``test_cfg=dict(flip_test=True)`` the
            pose is the mean of that of the sequence and that of the mirrored
            sequence, mirrored back.

    Raises:
        ValueError: A number below 0, or none for a backbone that does not
            tell.
    """

    kind = 'lifter'
    before: int
    after: int

    def __init__(
        self,
        *args: Any,
        before: int | None = None,
        after: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if before is None and after is None:
            before = getattr(self.backbone, 'before', None)
            after = getattr(self.backbone, 'after', None)
        if before is None:
            raise ValueError(
                f'{type(self).__name__}: a {type(self.backbone).__name__} '
                'does not tell how many frames it needs; give before and '
                'after'
            )
        after = after or 0
        if before < 0 or after < 0:
            raise ValueError(
                f'{type(self).__name__}: before and after must be at least '
                f'0, but got {before} and {after}'
            )
        self.before, self.after = before, after

    def output_rows(self, wanted: np.ndarray) -> np.ndarray:
        """Rows with enough others in front and behind."""
        return np.arange(self.before, len(wanted) - self.after)

    def checked(self, inputs: Tensor) -> Tensor:
        """The inputs, (B, L, K, C).

        Raises:
            ValueError: Other inputs, or fewer frames than one answer needs.
        """
        length = self.before + 1 + self.after
        if inputs.dim() != 4 or inputs.shape[1] < length:
            raise ValueError(
                f'{type(self).__name__} takes keypoints (B, L, K, C) of at '
                f'least {length} frames, but got {tuple(inputs.shape)}'
            )
        return inputs

    def extract_feat(self, inputs: Tensor) -> tuple:
        """Features of the answered frames, each by itself.

        Args:
            inputs (Tensor): (B, L, K, C). MMPose's backbones take them as
                (B, K * C, L).

        Returns:
            tuple[Tensor]: Levels, the last one (B * T, channels, 1).
        """
        sequences = self.checked(inputs).flatten(2).transpose(1, 2)
        return _frame_by_frame(super().extract_feat(sequences))

    def answered(self, data_samples: SampleList) -> SampleList:
        """Samples of the answered rows alone.

        Those without 2D keypoints, as MMPose's ``Human36mDataset`` makes
        them, are of the answered rows from the start.
        """
        return [
            narrow(sample, self.output_rows(wanted_frames(sample)))
            if 'keypoints' in sample.get('gt_instances', ())
            else sample
            for sample in data_samples
        ]

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        """``mode='tensor'``: 3D poses (B, T, K, 3), as the head gives them."""
        poses = super()._forward(inputs, data_samples)
        if self.with_traj:
            poses = poses[0]
        return poses.unflatten(0, (len(inputs), -1))

    def loss(
        self, inputs: Tensor | dict[str, Tensor], data_samples: SampleList
    ) -> dict:
        """The head's own losses.

        Args:
            inputs (Tensor | dict[str, Tensor]): (B, L, K, C); or a batch of
                tensors, of them ``keypoints`` (B, L, K, C) and ``poses`` (B,
                L, K, 3), and no samples.
            data_samples (list[PoseDataSample]): B samples of L rows.
        """
        if not isinstance(inputs, dict):
            return super().loss(inputs, self.answered(data_samples))
        true = inputs['poses']
        true = true[:, self.before : true.shape[1] - self.after].flatten(0, 1)
        # MMPose's heads join the rows of all samples; here they are joined.
        sample = PoseDataSample()
        sample.gt_instance_labels = InstanceData(
            lifting_target_label=true,
            lifting_target_weight=true.new_ones(true.shape[:2]),
        )
        return super().loss(inputs['keypoints'], [sample])

    def predict(self, inputs: Tensor, data_samples: SampleList) -> SampleList:
        """3D keypoints of the answered frames.

        Args:
            inputs (Tensor): (B, L, K, C).
            data_samples (list[PoseDataSample]): B samples of L rows.

        Returns:
            list[PoseDataSample]: B samples of T rows, with
            ``pred_instances``: ``keypoints`` (T, K, 3) and
            ``keypoint_scores`` (T, K).
        """
        poses = self.poses(inputs, data_samples)
        if self.test_cfg.get('flip_test', False):
            pairs = data_samples[0].metainfo['flip_indices']
            flipped = self.poses(mirrored(inputs, pairs), data_samples, True)
            poses = (poses + mirrored(flipped, pairs)) / 2
        samples = self.answered(data_samples)
        instances = [
            self._decoded(pose, sample)
            for pose, sample in zip(to_numpy(poses), samples)
        ]
        return self.add_pred_to_datasample(
            instances, None, None, None, samples
        )

    def poses(
        self, inputs: Tensor, data_samples: SampleList, flipped: bool = False
    ) -> Tensor:
        """Poses (B, T, K, 3), as the head gives them.

        A sample of a stream has a ``memory``, a dict that is the person's
        own: what a model keeps there it finds in the next frame's sample.

        Args:
            inputs (Tensor): (B, L, K, C).
            data_samples (list[PoseDataSample]): B samples of L rows.
            flipped (bool): Whether the inputs are the mirrored ones of a flip
                test. Defaults to ``False``.
        """
        return self._forward(inputs)

    def _decoded(self, poses: np.ndarray, sample: Any) -> InstanceData:
        scores = np.ones(poses.shape[:2], np.float32)
        decoder = getattr(self.head, 'decoder', None)
        if decoder is not None:
            root = sample.metainfo.get('target_root', None)
            if root is not None:
                root = np.reshape(root, (-1, 1, poses.shape[-1]))
            poses, scores = decoder.decode(poses, root)
        return InstanceData(keypoints=poses, keypoint_scores=scores)


def mirrored(points: Tensor, flip_indices: Sequence[int]) -> Tensor:
    """Points (..., K, C) with the other sign of x, left and right swapped."""
    flipped = points[..., list(flip_indices), :].clone()
    flipped[..., 0] *= -1
    return flipped


def _frame_by_frame(feats: Any) -> Any:
    """Levels (B, C, T) as (B * T, C, 1)."""
    if isinstance(feats, torch.Tensor):
        return feats.transpose(1, 2).flatten(0, 1).unsqueeze(-1)
    return tuple(_frame_by_frame(level) for level in feats)
