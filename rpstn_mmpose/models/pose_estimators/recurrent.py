# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import logging
from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.structures import InstanceData, PixelData
from mmpose.evaluation.functional import pose_pck_accuracy
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.utils.tensor_utils import to_numpy
from mmpose.utils.typing import SampleList
from torch import Tensor

from ...speed.decode_heatmaps import check_decodable, decode_to_numpy
from .clip_pose_estimator import ClipPoseEstimator, Maps
from .crops import MIRRORED, crops_of
from .options import complete_options


class RecurrentPoseEstimator(ClipPoseEstimator):
    """Heatmaps of each frame, from it and a state of the frames before.

    A system gives ``State``, :meth:`first` and :meth:`next`; where all frames
    of a clip can go through a network at once, it overrides
    :meth:`forward_clip`, too.

    Attributes:
        State: Named tuple of what is carried to the next frame, tensors of a
            row for each person, (N, C, h, w). One is called ``heatmaps`` and
            is what the frame's heatmaps are.

        follows_crops: Whether the state is of places in the crop, which
            :meth:`moved` brings into the next frame's crop.

        follows_people: Whether a frame's people matter to each other, see
            :class:`MemoryPoseEstimator`.

    Args:
        train_cfg (dict, optional): Beside those of
            :class:`ClipPoseEstimator`:

            - state_gradient (bool): Whether the loss of a frame reaches the
              frames before it through their heatmaps. Defaults to ``True``.
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
        kwargs: See :class:`ClipPoseEstimator`.

    Raises:
        ValueError: An unknown option, one that would do nothing, or
            ``decode_on_device`` with a codec that it does not know.
    """

    kind = 'recurrent'
    graphed_methods = ('forward_clip',)
    State: type
    follows_crops = False
    follows_people = False
    before = None
    after = 0
    TRAIN_CFG: dict[str, Any] = dict(state_gradient=True)
    TEST_CFG = dict(
        both_directions=False,
        decode_on_device=False,
        flip_mode='heatmap',
        flip_test=False,
        output_heatmaps=False,
        output_keypoint_indices=None,
        shift_heatmap=False,
    )

    def __init__(
        self, *args: Any, test_cfg: dict | None = None, **kwargs: Any
    ) -> None:
        complete_options(type(self), 'TEST_CFG', test_cfg)
        super().__init__(*args, test_cfg=test_cfg, **kwargs)
        self._warned = False
        if self.test_cfg.get('decode_on_device', False):
            check_decodable(self.head.decoder)

    def check_state_options(self) -> None:
        """Refuse options of a state that is not there.

        Raises:
            ValueError: As told by the options' names.
        """
        if self.carries_state:
            return
        if not self.train_cfg['state_gradient']:
            raise ValueError(
                f'{type(self).__name__}: state_gradient=False does nothing '
                'without a neck or a memory, which carry heatmaps from frame '
                'to frame; leave it out'
            )
        if self.test_cfg.get('both_directions', False):
            raise ValueError(
                f'{type(self).__name__}: both_directions does nothing without '
                'a neck or a memory, as every frame is estimated alone; leave '
                'it out'
            )

    @property
    def carries_state(self) -> bool:
        """Whether a frame's heatmaps depend on those of the frame before."""
        return True

    @property
    def idle_part(self) -> str | None:
        """What connects frames and has nothing to do in clips of one."""
        return 'state' if self.carries_state else None

    def output_rows(self, wanted: np.ndarray) -> np.ndarray:
        """All rows."""
        return np.arange(len(wanted))

    @abstractmethod
    def first(
        self, frames: Tensor, feats: Maps | None = None
    ) -> tuple[Tensor, NamedTuple]:
        """Heatmaps of people's first frames.

        Args:
            frames (Tensor): (N, 3, H, W).
            feats (Maps, optional): Their :meth:`frame_features`, where they
                are known.

        Returns:
            tuple[Tensor, NamedTuple]: Heatmaps (N, K, h, w), and the state
            for :meth:`next`, whose fields are tensors of N rows.
        """

    @abstractmethod
    def next(
        self, frames: Tensor, state: Any, feats: Maps | None = None
    ) -> tuple[Tensor, NamedTuple]:
        """Heatmaps of the next frames.

        Args:
            frames (Tensor): (N, 3, H, W).
            state: What :meth:`first`, :meth:`next` or
                :meth:`prepare` gave for the frames before.
            feats (Maps, optional): As in :meth:`first`.

        Returns:
            tuple[Tensor, NamedTuple]: As :meth:`first`.
        """

    def prepare(self, state: Any) -> Any:
        """Do what the next :meth:`next` does with the last frame alone.

        For live video: done while the camera takes the next frame, it is no
        part of the time from that frame to its poses.

        Returns:
            NamedTuple: For :meth:`next`; ``state`` itself where there is
            nothing to prepare.
        """
        return state

    def moved(self, state: Any, crops: np.ndarray, others: np.ndarray) -> Any:
        """The state as of other crops; asked if ``follows_crops``.

        Args:
            state (NamedTuple): Of N rows.
            crops (np.ndarray): (N, 4), see :func:`crops_of`: what it is of.
            others (np.ndarray): (N, 4), what is wanted.
        """
        return state

    def forward_clip(
        self, inputs: Tensor, crops: np.ndarray | None = None
    ) -> tuple[Tensor, Any]:
        """Heatmaps of every frame of the clips.

        Args:
            inputs (Tensor): (B, T, 3, H, W).
            crops (np.ndarray, optional): (B, T, 4), given if
                ``follows_crops``. ``None``: the same for all frames.

        Returns:
            tuple: Heatmaps (B, T, K, h, w), and whatever else
            :meth:`further_losses` wants.
        """
        heatmaps, state = self.first(inputs[:, 0])
        clip = [heatmaps]
        for row, frames in enumerate(inputs.unbind(1)[1:], start=1):
            if crops is not None:
                state = self.moved(state, crops[:, row - 1], crops[:, row])
            heatmaps, state = self.recomputed(self.next, frames, state)
            clip.append(heatmaps)
        return torch.stack(clip, dim=1), None

    def further_losses(
        self, others: Any, targets: Tensor, weights: Tensor
    ) -> dict:
        """Losses beside that of the heatmaps.

        Args:
            others: From :meth:`forward_clip`.
            targets (Tensor): (B, T, K, h, w).
            weights (Tensor): (B, T, K).
        """
        return {}

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        """``mode='tensor'``: heatmaps (B, T, K, h, w)."""
        return self.forward_clip(inputs)[0]

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Heatmap loss, averaged over the frames.

        Args:
            inputs (Tensor): (B, T, 3, H, W).
            data_samples (list[PoseDataSample]): B samples whose
                ``gt_instance_labels`` hold ``heatmaps`` T x K x h x w and
                ``keypoint_weights`` T x K, and whose ``frame_mask`` tells
                the frames to be supervised.

        Returns:
            dict: ``loss_kpt``, those of :meth:`further_losses`, and
            ``acc_pose``.

        Raises:
            ValueError: Clips of one frame, where what connects frames would
                never be used and never learn.
        """
        if inputs.shape[1] == 1 and self.idle_part:
            raise ValueError(
                f'{type(self).__name__}: clips of one frame do not use the '
                f'{self.idle_part}; set clip_length to 2 or more, or leave it '
                'out'
            )
        labels = [sample.gt_instance_labels for sample in data_samples]
        targets = torch.stack([label.heatmaps for label in labels])
        weights = torch.stack([label.keypoint_weights for label in labels])
        wanted = weights.new_tensor(
            np.stack(
                [sample.metainfo['frame_mask'] for sample in data_samples]
            )
        )
        weights = weights * wanted[..., None]
        # After what is copied from the host, which would wait for the clip.
        heatmaps, others = self.forward_clip(
            inputs, **self._crops(data_samples)
        )

        # Under autocast the heatmaps may come in half precision.
        flat = [x.flatten(0, 1).float() for x in (heatmaps, targets, weights)]
        losses = dict(loss_kpt=self.head.loss_module(*flat))
        losses.update(self.further_losses(others, targets, weights))
        if self.train_cfg['compute_acc']:
            _, accuracy, _ = pose_pck_accuracy(
                output=to_numpy(flat[0]),
                target=to_numpy(flat[1]),
                mask=to_numpy(flat[2]) > 0,
            )
            losses['acc_pose'] = targets.new_tensor(accuracy)
        return losses

    def _crops(self, data_samples: SampleList) -> dict:
        """``crops``, where the state follows them."""
        if not self.follows_crops:
            return {}
        return dict(crops=crops_of(data_samples))

    def test_heatmaps(
        self, inputs: Tensor, crops: np.ndarray | None = None
    ) -> Tensor:
        """Heatmaps by ``test_cfg.both_directions``, without flip test.

        Args:
            inputs (Tensor): (B, T, 3, H, W).
            crops (np.ndarray, optional): See :meth:`forward_clip`.

        Returns:
            Tensor: (B, T, K, h, w).
        """
        given = {} if crops is None else dict(crops=crops)
        heatmaps = self.forward_clip(inputs, **given)[0]
        if self.test_cfg.get('both_directions', False):
            given = {} if crops is None else dict(crops=crops[:, ::-1])
            backwards = self.forward_clip(inputs.flip(1), **given)[0].flip(1)
            heatmaps = (heatmaps + backwards) * 0.5
        return heatmaps.float()  # numpy, which decodes, has no bfloat16

    def with_mirrored(
        self, heatmaps: Tensor, mirrored: Tensor, flip_indices: list[int]
    ) -> Tensor:
        """Mean of heatmaps and those of the mirrored frames (flip test).

        Args:
            heatmaps (Tensor): (..., K, h, w).
            mirrored (Tensor): The same.
            flip_indices (list[int]): Where the mirrored picture has a joint.
        """
        flipped = flip_heatmaps(
            mirrored.flatten(0, -4),
            flip_indices=flip_indices,
            flip_mode=self.test_cfg.get('flip_mode', 'heatmap'),
            shift_heatmap=self.test_cfg.get('shift_heatmap', False),
        )
        return (heatmaps + flipped.view_as(heatmaps)) * 0.5

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
        if inputs.shape[1] == 1 and self.idle_part:
            self._warn_of_single_frames()
        given = self._crops(data_samples)
        heatmaps = self.test_heatmaps(inputs, **given)
        if self.test_cfg.get('flip_test', False):
            if given.get('crops') is not None:
                given = dict(crops=given['crops'] * MIRRORED)
            heatmaps = self.with_mirrored(
                heatmaps,
                self.test_heatmaps(inputs.flip(-1), **given),
                data_samples[0].metainfo['flip_indices'],
            )
        return self.predict_from(heatmaps, data_samples)

    def predict_from(
        self, heatmaps: Tensor, data_samples: SampleList
    ) -> SampleList:
        """Keypoints from heatmaps.

        Args:
            heatmaps (Tensor): (B, T, K, h, w), float32.
            data_samples (list[PoseDataSample]): B samples of T rows.

        Returns:
            list[PoseDataSample]: As :meth:`predict`.
        """
        samples = self.add_pred_to_datasample(
            self.decode_clip(heatmaps), None, data_samples
        )
        if self.test_cfg.get('output_heatmaps', False):
            # The parent would look for the wanted joints among T * K maps.
            joints = self.test_cfg.get('output_keypoint_indices', None)
            for sample, maps in zip(samples, heatmaps):
                maps = maps if joints is None else maps[:, joints]
                sample.pred_fields = PixelData(heatmaps=maps.flatten(0, 1))
        return samples

    def _warn_of_single_frames(self) -> None:
        """Say, once, that nothing connects frames in these clips.

        No error: the first frame of a person is such a clip.
        """
        if not self._warned:
            self._warned = True
            print_log(
                f'{type(self).__name__}: clips of one frame do not use the '
                f'{self.idle_part}, so that the result is that of the model '
                'without it; set clip_length to 2 or more.',
                logger='current',
                level=logging.WARNING,
            )

    def decode_clip(self, heatmaps: Tensor) -> list[InstanceData]:
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
        return [frames[i : i + length] for i in range(0, len(frames), length)]
