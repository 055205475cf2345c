# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The contract of all systems: frames in, poses of some of them out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Callable, Sequence

import numpy as np
import torch
from mmengine.structures import PixelData
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.structures import PoseDataSample
from mmpose.utils.typing import SampleList
from torch import Tensor

from ...checkpoints import load_image_pretrained
from ...speed.recompute import recompute_in_backward
from ...structures import narrow, wanted_frames
from ..heads import HEATMAP_HEADS
from .options import complete_options

# A tensor, or a tuple of levels.
Maps = Any


class ClipPoseEstimator(TopdownPoseEstimator):
    """Frames of one person in, poses of some of these frames out.

    A system is one of three kinds: :class:`RecurrentPoseEstimator`,
    :class:`WindowPoseEstimator`, :class:`SequenceLifter`. What a system tells
    about itself stands in class attributes, so that no other file has to
    know it:

    Attributes:
        kind: How it is run on a stream: ``'recurrent'``, ``'window'`` or
            ``'lifter'``.
        before: Frames it needs in front of the one it answers for; ``None``:
            all since the start.
        after: Frames it needs behind it.
        TRAIN_CFG: Options of ``train_cfg``, beside those of the parents, with
            their defaults.
        example_frames: Frames of a clip that sends data through each layer.
        precise_parts: Children that stay in float32 where the rest computes
            in 16 bits.
        compiled_parts: Children that ``torch.compile`` may take.
        graphed_methods: Methods of tensors that a GPU can have recorded:
            they do nothing that waits for it.
        image_weights: Where the parts of a trained image model go: prefixes
            of its weights' names to prefixes of this model's.

    Args:
        image_pretrained (dict, optional): Arguments of
            :func:`~rpstn_mmpose.checkpoints.load_image_pretrained`: the
            image model that the parts start from.
        train_cfg (dict, optional): Options of training, for all systems:

            - compute_acc (bool): Log the training accuracy. Defaults to
              ``True``.
            - frames_per_pass (int): How many frames of the clips go through
              the networks of single frames at once. The batch norms'
              statistics are then those of so many frames of the batch.
              Defaults to ``None``, all.
            - checkpointing (bool): Keep of each such pass only what comes
              out, and compute the rest again in the backward pass. The
              gradients stay the same. Long clips need it, with a small
              ``frames_per_pass``. ``GraphedTrainingHook`` refuses it.
              Defaults to ``False``.
        kwargs: See ``TopdownPoseEstimator``.

    Raises:
        ValueError: If an option is unknown or out of range.
    """

    kind = ''
    before: int | None = 0
    after = 0
    TRAIN_CFG: dict[str, Any] = dict(
        compute_acc=True, frames_per_pass=None, checkpointing=False
    )
    example_frames = 2
    precise_parts: tuple[str, ...] = ()
    compiled_parts: tuple[str, ...] = ('backbone', 'neck', 'head')
    graphed_methods: tuple[str, ...] = ('extract_feat',)
    image_weights: dict[str, tuple[str, ...]] = {
        'backbone.': ('backbone.',),
        'head.deconv_layers.': ('head.deconv_layers.',),
        'head.final_layer.': ('head.final_layer.',),
    }

    def __init__(
        self,
        *args: Any,
        train_cfg: dict | None = None,
        image_pretrained: dict | None = None,
        **kwargs: Any,
    ) -> None:
        train_cfg = complete_options(type(self), 'TRAIN_CFG', train_cfg)
        per_pass = train_cfg['frames_per_pass']
        if per_pass is not None and per_pass < 1:
            raise ValueError(
                f'{type(self).__name__}: frames_per_pass must be at least 1, '
                f'or None for all, but got {per_pass}'
            )
        super().__init__(*args, train_cfg=train_cfg, **kwargs)
        self.image_pretrained = image_pretrained

    def init_weights(self) -> None:
        """Initialize the parts, then load the trained image model."""
        super().init_weights()
        if self.image_pretrained is not None:
            load_image_pretrained(self, **self.image_pretrained)

    @abstractmethod
    def output_rows(self, wanted: np.ndarray) -> np.ndarray:
        """Which rows of a clip are answered.

        Args:
            wanted: (T,) bool, the clip's ``frame_mask``.

        Returns:
            np.ndarray: (S,) numbers of rows.
        """

    def answered(self, data_samples: SampleList) -> list[PoseDataSample]:
        """Samples of the answered rows alone.

        Raises:
            ValueError: A wanted row is not answered.
        """
        narrowed = []
        for sample in data_samples:
            wanted = wanted_frames(sample)
            rows = self.output_rows(wanted)
            missed = np.setdiff1d(np.flatnonzero(wanted), rows)
            if len(missed):
                raise ValueError(
                    f'{type(self).__name__} answers for the rows '
                    f'{rows.tolist()} of a clip of {len(wanted)} frames, but '
                    f'row {missed[0]} of it is wanted; give the data set the '
                    "window of the model's offsets"
                )
            narrowed.append(narrow(sample, rows))
        return narrowed

    def frame_features(self, images: Tensor) -> Maps:
        """Features of images by themselves.

        Args:
            images (Tensor): (N, 3, H, W).

        Returns:
            tuple[Tensor]: Levels (N, C, h, w), as MMPose's heads take them.
        """
        feats = self.backbone(images)
        return self.neck(feats) if self.with_neck else feats

    def frame_heatmaps(self, feats: Maps) -> Tensor:
        """The head's heatmaps (N, K, h, w), of features of images.

        Raises:
            ValueError: A head that gives something else.
        """
        return self.checked_heatmaps(self.head.forward(feats))

    def checked_heatmaps(self, maps: Any) -> Tensor:
        """What a head gives, if it is heatmaps (N, K, h, w).

        Raises:
            ValueError: It is something else.
        """
        kind = type(self.head).__name__
        if not isinstance(maps, Tensor) or maps.dim() != 4:
            other = HEATMAP_HEADS.get(kind, 'head of heatmaps')
            raise ValueError(
                f'{type(self).__name__}: a {kind} gives no heatmaps (N, K, h, '
                f'w), which it needs; use a {other}'
            )
        if getattr(self.head.decoder, 'heatmap_type', '') == 'combined':
            raise ValueError(
                f'{type(self).__name__}: a {kind} with UDPHeatmap '
                "heatmap_type='combined' gives disks and offsets, not "
                'heatmaps alone; use a model of Gaussian heatmaps'
            )
        return maps

    def extract_feat(self, inputs: Tensor) -> Maps:
        """Features of all frames of clips at once.

        Args:
            inputs (Tensor): (B, T, 3, H, W).

        Returns:
            tuple[Tensor]: Levels (B, T, C, h, w).

        Raises:
            ValueError: Inputs that are no clips.
        """
        if inputs.dim() != 5:
            raise ValueError(
                f'{type(self).__name__} takes clips (B, T, 3, H, W), but got '
                f'inputs of shape {tuple(inputs.shape)}'
            )
        return self.over_frames(self.frame_features, inputs)

    def over_frames(
        self, function: Callable[[Tensor], Maps], inputs: Tensor
    ) -> Maps:
        """Apply a function of images to the frames of clips, in training by
        ``frames_per_pass``.
        """

        def one_pass(clips: Tensor) -> Maps:
            maps = function(clips.flatten(0, 1))
            if isinstance(maps, Tensor):
                return maps.unflatten(0, clips.shape[:2])
            return tuple(m.unflatten(0, clips.shape[:2]) for m in maps)

        per_pass = self.train_cfg['frames_per_pass']
        if not self.training or per_pass is None:
            return self.recomputed(one_pass, inputs)
        passes = [
            self.recomputed(one_pass, clips)
            for clips in inputs.split(per_pass, dim=1)
        ]
        if isinstance(passes[0], Tensor):
            return torch.cat(passes, dim=1)
        return tuple(torch.cat(level, dim=1) for level in zip(*passes))

    def recomputed(self, function: Callable, *args: Any) -> Any:
        """Call a function, in training by ``checkpointing``."""
        if self.training and self.train_cfg['checkpointing']:
            return recompute_in_backward(self, function, *args)
        return function(*args)


def stock_samples(samples: Sequence[PoseDataSample]) -> SampleList:
    """Samples of one row as MMPose's heads take those of images.

    Heatmaps of a clip are labels with a row for each frame; those of an image
    are a field.
    """
    for sample in samples:
        labels = sample.get('gt_instance_labels', None)
        if labels is not None and 'heatmaps' in labels:
            sample.gt_fields = PixelData(heatmaps=labels.heatmaps[0])
    return list(samples)
