# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, NamedTuple

import torch
from mmpose.registry import MODELS
from torch import Tensor

from ...models.pose_estimators import RecurrentPoseEstimator

STARTS = ('features', 'none')


class ClipState(NamedTuple):
    """What a recurrent estimator carries from a frame to the next.

    Attributes:
        feats (Tensor): Features to remember, (B, C, h, w).
        heatmaps (Tensor): Heatmaps of the frame, (B, K, h, w).
    """

    feats: Tensor
    heatmaps: Tensor


class PreparedState(NamedTuple):
    """A :class:`ClipState` whose frame the temporal neck is done with.

    Attributes:
        kernels (Tensor): Of the neck, (B, C, kh, kw).
        heatmaps (Tensor): Heatmaps of the frame, (B, K, h, w).
    """

    kernels: Tensor
    heatmaps: Tensor


@MODELS.register_module()
class VideoTopdownPoseEstimator(RecurrentPoseEstimator):
    """Top-down pose estimator for clips of one person, the recurrence of
    RPSTN (`paper <https://arxiv.org/abs/2107.03591>`_, Eq. 1-5).

    The extractor (``backbone`` and ``feature_neck``) runs once over all B * T
    frames. Then the clip is walked through: the first frame's heatmaps come
    from the ``initializer``; every later frame's features are matched with
    the pose semantics of the frame before (``neck``), and ``head`` turns the
    response into heatmaps.

    Args:
        backbone (dict): Backbone of the feature extractor F.
        head (dict): A head with a joint relation, e.g. ``JREHead``, whose
            input are maps of C channels.
        neck (dict, optional): A temporal neck, e.g. ``JRPSPNeck``. ``None``
            gives the per-frame model: every frame by ``head`` alone.
        feature_neck (dict, optional): Brings the backbone's features to
            heatmap size, e.g. ``DeconvNeck``. ``None`` where the backbone
            does so itself (HRNet, Hourglass).
        initializer (dict | str): Where the first frame's heatmaps come from.
            A config of an MMPose top-down heatmap model is the paper's
            separate pose initializer P. ``'features'`` takes the first
            frame's own features through the head's 1x1. ``'none'`` starts
            the recurrence from empty heatmaps and matches the first frame
            with itself. Defaults to ``'features'``.
        memory (dict, optional): Completes the head's heatmaps with those of
            the frame before, e.g. ``GatedHeatmapMemory``; also without a
            neck. ``None`` (the paper): the heatmaps are the head's.
        image_pretrained (dict, optional): See
            :class:`~rpstn_mmpose.models.ClipPoseEstimator`.
        train_cfg (dict, optional): Beside those of
            :class:`~rpstn_mmpose.models.RecurrentPoseEstimator`, where
            ``frames_per_pass=1`` is how the paper's code runs:

            - initializer_gradient (bool): Whether the clip's loss reaches
              the initializer through the recurrence. Defaults to ``True``.
            - initializer_loss_weight (float): Weight of the initializer's
              own heatmap loss. Defaults to 0.
            - initializer_loss_frames (str): ``'first'``, or ``'all'`` to
              run and supervise it on every frame. Defaults to ``'first'``.
        test_cfg (dict, optional): See
            :class:`~rpstn_mmpose.models.RecurrentPoseEstimator`.
        data_preprocessor (dict, optional): A ``ClipDataPreprocessor``.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.
        metainfo (dict, optional): See ``TopdownPoseEstimator``.

    Raises:
        ValueError: If ``initializer`` or an entry of ``train_cfg`` is not
            one of the above, or an initializer is given without a neck, or
            ``decode_on_device`` does not know the head's codec, or an option
            of ``train_cfg`` or ``test_cfg`` would do nothing.
    """

    State = ClipState
    TRAIN_CFG: dict[str, Any] = dict(
        initializer_gradient=True,
        initializer_loss_weight=0.0,
        initializer_loss_frames='first',
    )
    precise_parts = ('memory',)
    compiled_parts = (
        'backbone',
        'feature_neck',
        'initializer',
        'neck',
        'head',
    )
    # Features serve the extractor, and the whole of an image model the pose
    # initializer.
    image_weights: dict[str, tuple[str, ...]] = {
        'backbone.': ('backbone.', 'initializer.backbone.'),
        'head.deconv_layers.': (
            'feature_neck.deconv_layers.',
            'initializer.head.deconv_layers.',
        ),
        'head.final_layer.': (
            'head.final_layer.',
            'initializer.head.final_layer.',
        ),
    }

    def __init__(
        self,
        backbone: dict,
        head: dict,
        neck: dict | None = None,
        feature_neck: dict | None = None,
        initializer: dict | str = 'features',
        memory: dict | None = None,
        **kwargs: Any,
    ) -> None:
        name = self.__class__.__name__
        separate = isinstance(initializer, dict)
        if not separate and initializer not in STARTS:
            raise ValueError(
                f'{name}: initializer must be a model config or one of '
                f'{STARTS}, but got {initializer!r}'
            )
        if neck is None and initializer != 'features':
            raise ValueError(
                f'{name}: without a temporal neck every frame comes from its '
                "own features, so initializer must be 'features', but got "
                f'{initializer!r}'
            )
        super().__init__(backbone=backbone, neck=neck, head=head, **kwargs)
        self.feature_neck = (
            MODELS.build(feature_neck) if feature_neck is not None else None
        )
        self.start_from = 'initializer' if separate else initializer
        if separate:
            self.initializer = MODELS.build(initializer)
        self.memory = MODELS.build(memory) if memory is not None else None
        self.check_state_options()
        self._check_initializer_options()

    def _check_initializer_options(self) -> None:
        name = self.__class__.__name__
        frames = self.train_cfg['initializer_loss_frames']
        weight = self.train_cfg['initializer_loss_weight']
        if frames not in ('first', 'all'):
            raise ValueError(
                f"{name}: initializer_loss_frames must be 'first' or 'all', "
                f'but got {frames!r}'
            )
        if weight and self.start_from != 'initializer':
            raise ValueError(
                f'{name}: initializer_loss_weight needs an initializer '
                'network of its own'
            )
        if frames == 'all' and not weight > 0:
            raise ValueError(
                f"{name}: initializer_loss_frames='all' does nothing with "
                'initializer_loss_weight=0; set a weight, or leave it out'
            )

    @property
    def carries_state(self) -> bool:
        """Whether there is a neck or a memory."""
        return self.with_neck or self.memory is not None

    @property
    def idle_part(self) -> str | None:
        """The neck or the memory, unless it starts with the first frame."""
        if not self.carries_state or self.start_from == 'none':
            return None
        return 'neck' if self.with_neck else 'memory'

    def frame_features(self, images: Tensor) -> Tensor:
        """Features of images by the extractor F, (N, C, h, w)."""
        feats = self.backbone(images)
        if self.feature_neck is not None:
            feats = self.feature_neck(feats)
        return feats[-1]

    def first(
        self, frames: Tensor, feats: Tensor | None = None
    ) -> tuple[Tensor, ClipState]:
        """See :class:`~rpstn_mmpose.models.RecurrentPoseEstimator`."""
        if feats is None:
            feats = self.frame_features(frames)
        initial = self.initial_heatmaps(frames[:, None])
        return self.start(feats, None if initial is None else initial[:, 0])

    def next(
        self,
        frames: Tensor,
        state: ClipState | PreparedState,
        feats: Tensor | None = None,
    ) -> tuple[Tensor, ClipState]:
        """See :class:`~rpstn_mmpose.models.RecurrentPoseEstimator`."""
        if feats is None:
            feats = self.frame_features(frames)
        return self.step(feats, state)

    def start(
        self, feats: Tensor, initial_heatmaps: Tensor | None
    ) -> tuple[Tensor, ClipState]:
        """Heatmaps of a clip's first frame (Eq. 1).

        Args:
            feats (Tensor): Its features, (B, C, h, w).
            initial_heatmaps (Tensor, optional): What the initializer network
                gave for it, (B, K, h, w); ``None`` without such a network.

        Returns:
            tuple[Tensor, ClipState]: Heatmaps (B, K, h, w) and the state for
            :meth:`step`.
        """
        if not self.with_neck:
            heatmaps = self.head((feats,))
            return heatmaps, ClipState(feats, heatmaps)
        if self.start_from == 'none':
            batch, _, height, width = feats.shape
            empty = feats.new_zeros(
                batch, self.head.out_channels, height, width
            )
            return self.step(feats, ClipState(feats, empty))
        if self.start_from == 'features':
            initial_heatmaps = self.head.pseudo_heatmaps((feats,))
        heatmaps = self.head.refine_first(initial_heatmaps)
        return heatmaps, ClipState(feats, heatmaps)

    def prepare(self, state: ClipState) -> ClipState | PreparedState:
        """Do what the next :meth:`step` does with this frame alone (Eq. 2).

        For live video: done while the camera takes the next frame, it is no
        part of the time from that frame to its poses.

        Args:
            state (ClipState): As :meth:`start` and :meth:`step` give it.

        Returns:
            ClipState | PreparedState: For :meth:`step`. A state as it was
            where the neck, or the want of one, has nothing to prepare.
        """
        if not hasattr(self.neck if self.with_neck else None, 'respond'):
            return state
        return PreparedState(
            self.neck.make_kernels(state.feats, state.heatmaps), state.heatmaps
        )

    def step(
        self, feats: Tensor, state: ClipState | PreparedState
    ) -> tuple[Tensor, ClipState]:
        """Heatmaps of the next frame (Eq. 2-4).

        Args:
            feats (Tensor): Its features, (B, C, h, w).
            state (ClipState | PreparedState): State of the frame before.

        Returns:
            tuple[Tensor, ClipState]: Heatmaps (B, K, h, w) and the state for
            the next step.
        """
        prev_heatmaps = state.heatmaps
        if not self.train_cfg['state_gradient']:
            prev_heatmaps = prev_heatmaps.detach()
        response = feats
        if isinstance(state, PreparedState):
            response, feats = self.neck.respond(state.kernels, feats)
        elif self.with_neck:
            response, feats = self.neck(state.feats, prev_heatmaps, feats)
        heatmaps = self.head((response,))
        if self.memory is not None:
            heatmaps = self.memory(heatmaps, prev_heatmaps)
        return heatmaps, ClipState(feats, heatmaps)

    def initial_heatmaps(self, inputs: Tensor) -> Tensor | None:
        """What the initializer network says of a clip.

        In training with ``initializer_loss_frames='all'`` it runs on all
        frames, else on the first.

        Args:
            inputs (Tensor): (B, T, 3, H, W).

        Returns:
            Tensor | None: (B, S, K, h, w) with S = T or 1; ``None`` without
            an initializer network.
        """
        if self.start_from != 'initializer':
            return None
        everywhere = (
            self.training
            and self.train_cfg['initializer_loss_weight'] > 0
            and self.train_cfg['initializer_loss_frames'] == 'all'
        )
        frames = inputs if everywhere else inputs[:, :1]
        return self.over_frames(
            lambda images: self.initializer(images, None, mode='tensor'),
            frames,
        )

    def forward_clip(
        self, inputs: Tensor, crops: Any = None
    ) -> tuple[Tensor, Tensor | None]:
        """Heatmaps of every frame of the clips.

        Args:
            inputs (Tensor): (B, T, 3, H, W).
            crops: Never given, as the state is matched where it lies.

        Returns:
            tuple[Tensor, Tensor | None]: Heatmaps (B, T, K, h, w), and what
            :meth:`initial_heatmaps` gave.
        """
        feats = self.extract_feat(inputs)
        if not self.carries_state:
            heatmaps = self.head((feats.flatten(0, 1),))
            return heatmaps.unflatten(0, feats.shape[:2]), None
        initial = self.initial_heatmaps(inputs)
        first = None
        if initial is not None:
            first = initial[:, 0]
            if not self.train_cfg['initializer_gradient']:
                first = first.detach()
        heatmaps, state = self.start(feats[:, 0], first)
        clip = [heatmaps]
        for frame_feats in feats.unbind(1)[1:]:
            heatmaps, state = self.recomputed(self.step, frame_feats, state)
            clip.append(heatmaps)
        return torch.stack(clip, dim=1), initial

    def further_losses(
        self, others: Tensor | None, targets: Tensor, weights: Tensor
    ) -> dict:
        """``loss_initializer``, where it has a weight."""
        weight = self.train_cfg['initializer_loss_weight']
        if others is None or not weight > 0:
            return {}
        count = others.shape[1]
        loss = self.head.loss_module(
            others.flatten(0, 1).float(),
            targets[:, :count].flatten(0, 1),
            weights[:, :count].flatten(0, 1),
        )
        return dict(loss_initializer=weight * loss)
