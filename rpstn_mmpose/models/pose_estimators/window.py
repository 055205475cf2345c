# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from abc import abstractmethod
from typing import Any, Sequence

import numpy as np
from mmpose.utils.typing import SampleList
from torch import Tensor

from .clip_pose_estimator import ClipPoseEstimator, stock_samples
from .crops import MIRRORED, crops_of


class WindowPoseEstimator(ClipPoseEstimator):
    """A frame's pose from the frames around it.

    A system says in :meth:`combine` how the frames' features become those of
    the wanted frame. ``backbone``, ``neck`` and ``head`` are MMPose's own, or
    any others of their kind: the head, heatmaps or not, brings its loss, flip
    test and decoding.

    Args:
        clip_offsets (Sequence[int]): Where the T frames of a clip lie, 0 once
            among them for the wanted one, e.g. ``(-1, 0, 1)``; the data set
            has the same. Offsets below 1 alone need no later frames.
        kwargs: See :class:`ClipPoseEstimator`.

    Raises:
        ValueError: Offsets without exactly one 0.
    """

    kind = 'window'

    def __init__(
        self, *args: Any, clip_offsets: Sequence[int], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.clip_offsets = tuple(clip_offsets)
        if self.clip_offsets.count(0) != 1:
            raise ValueError(
                f'{type(self).__name__}: clip_offsets must have 0 exactly '
                f'once, but got {self.clip_offsets}'
            )
        self.before = max(0, -min(self.clip_offsets))
        self.after = max(0, max(self.clip_offsets))
        self.example_frames = len(self.clip_offsets)

    def output_rows(self, wanted: np.ndarray) -> np.ndarray:
        """The row at offset 0."""
        return np.array([self.clip_offsets.index(0)])

    @abstractmethod
    def combine(
        self, feats: tuple[Tensor, ...], offsets: Sequence[int]
    ) -> tuple[Tensor, ...]:
        """Features of the frames to those of the wanted one.

        Args:
            feats (tuple[Tensor]): Levels (B, T, C, h, w).
            offsets (Sequence[int]): T offsets from the wanted frame.

        Returns:
            tuple[Tensor]: Levels (B, C', h, w), for the head.
        """

    def aligned(
        self, feats: tuple[Tensor, ...], crops: np.ndarray
    ) -> tuple[Tensor, ...]:
        """Features of the frames, as of the wanted frame's crop.

        A system overrides it that wants the background to stand still where
        each frame is cropped by its own box; here they stay as they are.

        Args:
            feats (tuple[Tensor]): Levels (B, T, C, h, w).
            crops (np.ndarray): (B, T, 4), x and y of the crops' centres,
                widths and heights, pixels of the frames (of the mirrored
                ones in a flip test).

        Returns:
            tuple[Tensor]: As ``feats``.
        """
        return feats

    @property
    def output_head(self) -> Any:
        """What makes losses and poses of what :meth:`combine` gives."""
        return self.head

    def window_features(
        self, inputs: Tensor, crops: np.ndarray | None = None
    ) -> tuple[Tensor, ...]:
        """What the head takes, of clips (B, T, 3, H, W).

        Args:
            inputs (Tensor): (B, T, 3, H, W).
            crops (np.ndarray, optional): See :meth:`aligned`. ``None``: the
                same for all frames.

        Raises:
            ValueError: Clips of another length than the offsets.
        """
        feats = self.extract_feat(inputs)
        if inputs.shape[1] != len(self.clip_offsets):
            raise ValueError(
                f'{type(self).__name__} takes a frame at each of the offsets '
                f'{self.clip_offsets}, but got clips of {inputs.shape[1]} '
                'frames; give the data set the same clip_offsets'
            )
        if crops is not None:
            feats = self.aligned(feats, crops)
        return self.combine(feats, self.clip_offsets)

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        """``mode='tensor'``: what :meth:`outputs` gives, (B, ...)."""
        return self.outputs(self.window_features(inputs))

    def outputs(self, feats: tuple[Tensor, ...]) -> Tensor:
        """What the head gives, (B, ...), of what :meth:`combine` gives."""
        return self.output_head.forward(feats)

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """The head's own losses, of the wanted frames.

        Args:
            inputs (Tensor): (B, T, 3, H, W).
            data_samples (list[PoseDataSample]): B samples of T rows.
        """
        samples = stock_samples(self.answered(data_samples))
        feats = self.window_features(inputs, crops_of(data_samples))
        return self.output_head.loss(feats, samples, train_cfg=self.train_cfg)

    def predict(self, inputs: Tensor, data_samples: SampleList) -> SampleList:
        """Keypoints of the wanted frames, in image coordinates.

        Args:
            inputs (Tensor): (B, T, 3, H, W).
            data_samples (list[PoseDataSample]): B samples of T rows.

        Returns:
            list[PoseDataSample]: B samples of one row.
        """
        crops = crops_of(data_samples)
        feats: Any = self.window_features(inputs, crops)
        if self.test_cfg.get('flip_test', False):
            crops = crops * MIRRORED if crops is not None else None
            feats = [feats, self.window_features(inputs.flip(-1), crops)]
        return self.predict_from(feats, self.answered(data_samples))

    def predict_from(self, feats: Any, samples: SampleList) -> SampleList:
        """Keypoints from what the head takes.

        Args:
            feats: Levels (B, C', h, w); with a flip test a list of these and
                of the mirrored frames'.
            samples (list[PoseDataSample]): B samples of one row.
        """
        predictions = self.output_head.predict(
            feats, samples, test_cfg=self.test_cfg
        )
        fields = None
        if isinstance(predictions, tuple):
            predictions, fields = predictions
        return self.add_pred_to_datasample(predictions, fields, samples)
