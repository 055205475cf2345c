# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import numpy as np
from mmpose.models.pose_estimators import PoseLifter
from mmpose.utils.typing import SampleList
from torch import Tensor

from ...structures import narrow, wanted_frames


class SequenceLifter(PoseLifter):
    """2D keypoints of some frames in, the 3D pose of one of them out.

    MMPose's ``PoseLifter``, whose backbones (``TCN``) and heads
    (``TemporalRegressionHead``) it takes as they are, with clips (B, T, K, C)
    for inputs and samples of T rows.

    Attributes:
        kind: ``'lifter'``, see :class:`ClipPoseEstimator`.
        before: Frames in front of the answered one.
        after: Frames behind it; 0 makes the lifter causal.

    Args:
        before (int): As above.
        after (int): As above. Defaults to 0.
        kwargs: See ``PoseLifter``.

    Raises:
        ValueError: A number below 0, or a flip test.
    """

    kind = 'lifter'
    before: int

    def __init__(
        self, *args: Any, before: int, after: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if before < 0 or after < 0:
            raise ValueError(
                f'{type(self).__name__}: before and after must be at least '
                f'0, but got {before} and {after}'
            )
        if self.test_cfg.get('flip_test', False):
            raise ValueError(
                f'{type(self).__name__}: flip_test mirrors crops, and a '
                'lifter has none; leave it out'
            )
        self.before, self.after = before, after

    def output_rows(self, wanted: np.ndarray) -> np.ndarray:
        """The row with ``before`` rows in front of it."""
        return np.array([self.before])

    def _sequences(self, inputs: Tensor) -> Tensor:
        """(B, T, K, C) as MMPose's backbones take it, (B, K * C, T)."""
        length = self.before + 1 + self.after
        if inputs.dim() != 4 or inputs.shape[1] != length:
            raise ValueError(
                f'{type(self).__name__} takes keypoints (B, {length}, K, C), '
                f'but got {tuple(inputs.shape)}'
            )
        return inputs.flatten(2).transpose(1, 2)

    def answered(self, data_samples: SampleList) -> SampleList:
        """Samples of the answered rows alone."""
        return [
            narrow(sample, self.output_rows(wanted_frames(sample)))
            for sample in data_samples
        ]

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        """``mode='tensor'``: 3D poses (B, K, 3), as the head gives them."""
        return super()._forward(self._sequences(inputs), data_samples)

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """The head's own losses.

        Args:
            inputs (Tensor): (B, T, K, C).
            data_samples (list[PoseDataSample]): B samples of T rows.
        """
        return super().loss(
            self._sequences(inputs), self.answered(data_samples)
        )

    def predict(self, inputs: Tensor, data_samples: SampleList) -> SampleList:
        """3D keypoints of the answered frames.

        Args:
            inputs (Tensor): (B, T, K, C).
            data_samples (list[PoseDataSample]): B samples of T rows.

        Returns:
            list[PoseDataSample]: B samples of one row.
        """
        return super().predict(
            self._sequences(inputs), self.answered(data_samples)
        )
