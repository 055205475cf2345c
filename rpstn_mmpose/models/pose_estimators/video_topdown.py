# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import logging
from typing import Any, Callable, List, NamedTuple, Optional, Tuple, Union

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.structures import InstanceData, PixelData
from mmpose.evaluation.functional import pose_pck_accuracy
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.registry import MODELS
from mmpose.utils.tensor_utils import to_numpy
from mmpose.utils.typing import SampleList
from torch import Tensor

from ...checkpoints import load_image_pretrained
from ...speed.decode_heatmaps import check_decodable, decode_to_numpy
from ...speed.recompute import recompute_in_backward
from .estimator_options import STARTS, check_test_cfg, complete_train_cfg


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
class VideoTopdownPoseEstimator(TopdownPoseEstimator):
    """Top-down pose estimator for clips of one person, the recurrence of
    RPSTN (`paper <https://arxiv.org/abs/2107.03591>`_, Eq. 1-5).

    The extractor (``backbone`` and ``feature_neck``) runs once over all B * T
    frames. Then the clip is walked through: the first frame's heatmaps come
    from the ``initializer``; every later frame's features are matched with
    the pose semantics of the frame before (``neck``), and ``head`` turns the
    response into heatmaps.

    Systems that combine a window of frames at once override
    :meth:`forward_clip` and keep everything else.

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
        image_pretrained (dict, optional): Arguments of
            :func:`~rpstn_mmpose.checkpoints.load_image_pretrained`: the
            image model that extractor, initializer and 1x1 start from.
        train_cfg (dict, optional): Options of training:

            - initializer_gradient (bool): Whether the clip's loss reaches
              the initializer through the recurrence. Defaults to ``True``.
            - initializer_loss_weight (float): Weight of the initializer's
              own heatmap loss. Defaults to 0.
            - initializer_loss_frames (str): ``'first'``, or ``'all'`` to
              run and supervise it on every frame. Defaults to ``'first'``.
            - state_gradient (bool): Whether the loss of a frame reaches the
              frames before it through their heatmaps. Defaults to ``True``.
            - compute_acc (bool): Log the training accuracy. Defaults to
              ``True``.
            - frames_per_pass (int): How many frames of the clips go through
              extractor and initializer at once. The batch norms' statistics
              are then those of so many frames of the batch; 1 is how the
              paper's code runs. Defaults to ``None``, all.
            - checkpointing (bool): Keep of each such pass, and of each step
              of the recurrence, only what comes out, and compute the rest
              again in the backward pass. The gradients stay the same. Long
              clips need it, with a small ``frames_per_pass``. Defaults to
              ``False``.
        test_cfg (dict, optional): As for ``TopdownPoseEstimator``:
            ``flip_test``, ``flip_mode``, ``shift_heatmap``,
            ``output_heatmaps``, ``output_keypoint_indices``. And
            ``both_directions`` (bool): also read the clip from its last
            frame to its first, and take the mean of the heatmaps; what was
            hidden is then found from the frames after it as well. Needs
            whole clips: not for streams. And ``decode_on_device`` (bool):
            find the keypoints of all frames at once where the heatmaps are,
            so that a GPU copies only keypoints and scores to the host. They
            stay the same up to rounding. For ``MSRAHeatmap`` and the
            gaussian ``UDPHeatmap``.
        data_preprocessor (dict, optional): A ``ClipDataPreprocessor``.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.
        metainfo (dict, optional): See ``TopdownPoseEstimator``.

    Raises:
        ValueError: If ``initializer`` or an entry of ``train_cfg`` is not
            one of the above, or an initializer is given without a neck, or
            ``decode_on_device`` does not know the head's codec, or an option
            of ``train_cfg`` or ``test_cfg`` would do nothing.
    """

    def __init__(self,
                 backbone: dict,
                 head: dict,
                 neck: Optional[dict] = None,
                 feature_neck: Optional[dict] = None,
                 initializer: Union[dict, str] = 'features',
                 memory: Optional[dict] = None,
                 image_pretrained: Optional[dict] = None,
                 train_cfg: Optional[dict] = None,
                 test_cfg: Optional[dict] = None,
                 data_preprocessor: Optional[dict] = None,
                 init_cfg: Optional[dict] = None,
                 metainfo: Optional[dict] = None):
        name = self.__class__.__name__
        separate = isinstance(initializer, dict)
        if not separate and initializer not in STARTS:
            raise ValueError(f'{name}: initializer must be a model config or '
                             f'one of {STARTS}, but got {initializer!r}')
        if neck is None and initializer != 'features':
            raise ValueError(f'{name}: without a temporal neck every frame '
                             'comes from its own features, so initializer '
                             f"must be 'features', but got {initializer!r}")
        state = neck is not None or memory is not None
        train_cfg = complete_train_cfg(name, train_cfg, separate, state or
                                       not self.walks_through_clips)
        # Systems of windows have options of their own.
        if self.walks_through_clips:
            check_test_cfg(name, test_cfg, state)
        super().__init__(
            backbone=backbone,
            neck=neck,
            head=head,
            train_cfg=train_cfg,
            test_cfg=test_cfg,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
            metainfo=metainfo)
        self.feature_neck = (
            MODELS.build(feature_neck) if feature_neck is not None else None)
        self.start_from = 'initializer' if separate else initializer
        if separate:
            self.initializer = MODELS.build(initializer)
        self.memory = MODELS.build(memory) if memory is not None else None
        self.image_pretrained = image_pretrained
        self._warned = False
        if self.test_cfg.get('decode_on_device', False):
            check_decodable(self.head.decoder)

    @property
    def walks_through_clips(self) -> bool:
        """Whether clips are taken one frame after the other, by
        :meth:`start` and :meth:`step`; ``False`` for systems that combine a
        window of frames at once."""
        return (type(self).forward_clip is
                VideoTopdownPoseEstimator.forward_clip)

    @property
    def carries_state(self) -> bool:
        """Whether a frame's heatmaps depend on those of the frame before,
        by a neck or a memory."""
        return self.walks_through_clips and (
            self.with_neck or self.memory is not None)

    def init_weights(self) -> None:
        """Initialize the parts, then load the trained image model."""
        super().init_weights()
        if self.image_pretrained is not None:
            load_image_pretrained(self, **self.image_pretrained)

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Features of all frames at once; they do not depend on each other.

        Args:
            inputs (Tensor): (B, T, 3, H, W).

        Returns:
            Tensor: (B, T, C, h, w).
        """
        if inputs.dim() != 5:
            raise ValueError(
                f'{self.__class__.__name__} takes clips (B, T, 3, H, W), but '
                f'got inputs of shape {tuple(inputs.shape)}')
        return self._over_frames(self._extract, inputs)

    def _extract(self, frames: Tensor) -> Tensor:
        feats = self.backbone(frames)
        if self.feature_neck is not None:
            feats = self.feature_neck(feats)
        return feats[-1]

    def _over_frames(self, function: Callable, inputs: Tensor) -> Tensor:
        """Apply a function of images to the frames of clips, in training by
        ``frames_per_pass``."""

        def one_pass(clips: Tensor) -> Tensor:
            maps = function(clips.flatten(0, 1))
            return maps.unflatten(0, clips.shape[:2])

        per_pass = self.train_cfg['frames_per_pass']
        if not self.training or per_pass is None:
            return self._recomputed(one_pass, inputs)
        return torch.cat([
            self._recomputed(one_pass, clips)
            for clips in inputs.split(per_pass, dim=1)
        ], dim=1)

    def _recomputed(self, function: Callable, *args) -> Any:
        """Call a function, in training by ``checkpointing``."""
        if self.training and self.train_cfg['checkpointing']:
            return recompute_in_backward(self, function, *args)
        return function(*args)

    def start(
            self, feats: Tensor,
            initial_heatmaps: Optional[Tensor]) -> Tuple[Tensor, ClipState]:
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
            heatmaps = self.head((feats, ))
            return heatmaps, ClipState(feats, heatmaps)
        if self.start_from == 'none':
            batch, _, height, width = feats.shape
            empty = feats.new_zeros(batch, self.head.out_channels, height,
                                    width)
            return self.step(feats, ClipState(feats, empty))
        if self.start_from == 'features':
            initial_heatmaps = self.head.pseudo_heatmaps((feats, ))
        heatmaps = self.head.refine_first(initial_heatmaps)
        return heatmaps, ClipState(feats, heatmaps)

    def prepare(self, state: ClipState) -> Union[ClipState, PreparedState]:
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
            self.neck.make_kernels(state.feats, state.heatmaps),
            state.heatmaps)

    def step(
        self, feats: Tensor, state: Union[ClipState, PreparedState]
    ) -> Tuple[Tensor, ClipState]:
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
        heatmaps = self.head((response, ))
        if self.memory is not None:
            heatmaps = self.memory(heatmaps, prev_heatmaps)
        return heatmaps, ClipState(feats, heatmaps)

    def initial_heatmaps(self, inputs: Tensor) -> Optional[Tensor]:
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
            self.training and self.train_cfg['initializer_loss_weight'] > 0
            and self.train_cfg['initializer_loss_frames'] == 'all')
        frames = inputs if everywhere else inputs[:, :1]
        return self._over_frames(
            lambda images: self.initializer(images, None, mode='tensor'),
            frames)

    def forward_clip(self,
                     inputs: Tensor) -> Tuple[Tensor, Optional[Tensor]]:
        """Heatmaps of every frame of the clips.

        Args:
            inputs (Tensor): (B, T, 3, H, W).

        Returns:
            tuple[Tensor, Tensor | None]: Heatmaps (B, T, K, h, w), and what
            :meth:`initial_heatmaps` gave.
        """
        feats = self.extract_feat(inputs)
        if not self.with_neck and self.memory is None:
            heatmaps = self.head((feats.flatten(0, 1), ))
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
            heatmaps, state = self._recomputed(self.step, frame_feats, state)
            clip.append(heatmaps)
        return torch.stack(clip, dim=1), initial

    def _forward(self,
                 inputs: Tensor,
                 data_samples: Optional[SampleList] = None) -> Tensor:
        """``mode='tensor'``: heatmaps (B, T, K, h, w)."""
        return self.forward_clip(inputs)[0]

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Heatmap loss, averaged over the frames (Eq. 5).

        Args:
            inputs (Tensor): (B, T, 3, H, W).
            data_samples (list[PoseDataSample]): B samples whose
                ``gt_instance_labels`` hold ``heatmaps`` T x K x h x w and
                ``keypoint_weights`` T x K, and whose ``frame_mask`` tells
                the frames to be supervised.

        Returns:
            dict: ``loss_kpt``, ``loss_initializer`` where it has a weight,
            and ``acc_pose``.

        Raises:
            ValueError: Clips of one frame and a neck or a memory, which
                would never be used and never learn.
        """
        if (inputs.shape[1] == 1 and self.carries_state
                and self.start_from != 'none'):
            raise ValueError(
                f'{self.__class__.__name__}: clips of one frame do not use '
                f'the {"neck" if self.with_neck else "memory"}; set '
                'clip_length to 2 or more, or leave it out')
        labels = [sample.gt_instance_labels for sample in data_samples]
        targets = torch.stack([label.heatmaps for label in labels])
        weights = torch.stack([label.keypoint_weights for label in labels])
        wanted = weights.new_tensor(
            np.stack([sample.metainfo['frame_mask']
                      for sample in data_samples]))
        weights = weights * wanted[..., None]
        # After what is copied from the host, which would wait for the clip.
        heatmaps, initial = self.forward_clip(inputs)

        # Under autocast the heatmaps may come in half precision.
        flat = [
            x.flatten(0, 1).float() for x in (heatmaps, targets, weights)
        ]
        losses = dict(loss_kpt=self.head.loss_module(*flat))
        weight = self.train_cfg['initializer_loss_weight']
        if weight > 0:
            count = initial.shape[1]
            losses['loss_initializer'] = weight * self.head.loss_module(
                initial.flatten(0, 1).float(),
                targets[:, :count].flatten(0, 1),
                weights[:, :count].flatten(0, 1))
        if self.train_cfg['compute_acc']:
            _, accuracy, _ = pose_pck_accuracy(
                output=to_numpy(flat[0]),
                target=to_numpy(flat[1]),
                mask=to_numpy(flat[2]) > 0)
            losses['acc_pose'] = targets.new_tensor(accuracy)
        return losses

    def test_heatmaps(self, inputs: Tensor) -> Tensor:
        """Heatmaps by ``test_cfg.both_directions``, without flip test.

        Args:
            inputs (Tensor): (B, T, 3, H, W).

        Returns:
            Tensor: (B, T, K, h, w).
        """
        heatmaps = self._forward(inputs)
        if self.test_cfg.get('both_directions', False):
            backwards = self._forward(inputs.flip(1)).flip(1)
            heatmaps = (heatmaps + backwards) * 0.5
        return heatmaps.float()  # numpy, which decodes, has no bfloat16

    def predict(self, inputs: Tensor, data_samples: SampleList) -> SampleList:
        """Keypoints of every frame, in image coordinates.

        Args:
            inputs (Tensor): (B, T, 3, H, W).
            data_samples (list[PoseDataSample]): B samples.

        Returns:
            list[PoseDataSample]: The samples with ``pred_instances`` of T
            rows: ``keypoints`` T x K x 2 (pixels of the original frames),
            ``keypoint_scores`` T x K, ``bboxes`` T x 4. With
            ``test_cfg.output_heatmaps`` also ``pred_fields.heatmaps``,
            (T * K) x h x w. K counts the joints of
            ``test_cfg.output_keypoint_indices`` where given.
        """
        if (inputs.shape[1] == 1 and self.memory is not None
                and self.start_from != 'none'):
            self._warn_of_single_frames()
        heatmaps = self.test_heatmaps(inputs)
        if self.test_cfg.get('flip_test', False):
            flipped = flip_heatmaps(
                self.test_heatmaps(inputs.flip(-1)).flatten(0, 1),
                flip_indices=data_samples[0].metainfo['flip_indices'],
                flip_mode=self.test_cfg.get('flip_mode', 'heatmap'),
                shift_heatmap=self.test_cfg.get('shift_heatmap', False))
            heatmaps = (heatmaps + flipped.view_as(heatmaps)) * 0.5
        samples = self.add_pred_to_datasample(
            self.decode_clip(heatmaps), None, data_samples)
        if self.test_cfg.get('output_heatmaps', False):
            # The parent would look for the wanted joints among T * K maps.
            joints = self.test_cfg.get('output_keypoint_indices', None)
            for sample, maps in zip(samples, heatmaps):
                maps = maps if joints is None else maps[:, joints]
                sample.pred_fields = PixelData(heatmaps=maps.flatten(0, 1))
        return samples

    def _warn_of_single_frames(self) -> None:
        """Say, once, that the memory does nothing in these clips.

        No error: the first frame of a person is such a clip.
        """
        if not self._warned:
            self._warned = True
            print_log(
                f'{self.__class__.__name__}: clips of one frame do not use '
                'the memory, so that the result is that of the model without '
                'it; set clip_length to 2 or more.',
                logger='current',
                level=logging.WARNING)

    def decode_clip(self, heatmaps: Tensor) -> List[InstanceData]:
        """Decode heatmaps to keypoints in crop pixels.

        Args:
            heatmaps (Tensor): (B, T, K, h, w).

        Returns:
            list[InstanceData]: B items of T rows, ``keypoints`` T x K x 2
            and ``keypoint_scores`` T x K.
        """
        length, maps = heatmaps.shape[1], heatmaps.flatten(0, 1)
        if self.test_cfg.get('decode_on_device', False):
            keypoints, scores = decode_to_numpy(maps, self.head.decoder)
            frames = InstanceData(keypoints=keypoints, keypoint_scores=scores)
        else:
            frames = InstanceData.cat(self.head.decode(maps))
        return [
            frames[i:i + length] for i in range(0, len(frames), length)
        ]
