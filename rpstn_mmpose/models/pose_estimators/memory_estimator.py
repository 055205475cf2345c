# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmpose.codecs import MegviiHeatmap
from mmpose.registry import MODELS
from mmpose.utils.typing import SampleList
from torch import Tensor

from ..heads import HEATMAP_HEADS
from .clip_pose_estimator import Maps
from .crops import boxes_of, crops_of, elsewhere, map_step, resample
from .recurrent import RecurrentPoseEstimator

# A frame that shows less of a joint than this does not show it; of heatmaps
# that were trained to have peaks of 1.
HIDDEN_BELOW = 0.5


class HeatmapState(NamedTuple):
    """What a memory carries to the next frame.

    Attributes:
        heatmaps (Tensor): Of the frame, (N, K, h, w).
        seen (Tensor): What the frame alone has where these are highest, (N,
            K, 1, 1).
        shade (Tensor): What heat of the next frame counts, (N, 1, h, w); 1
            where nobody else is.
    """

    heatmaps: Tensor
    seen: Tensor
    shade: Tensor


def seen_at(frame: Tensor, heatmaps: Tensor) -> Tensor:
    """Heatmaps of a frame alone at the peaks of others.

    Args:
        frame (Tensor): (N, K, h, w).
        heatmaps (Tensor): (N, K, h, w).

    Returns:
        Tensor: (N, K, 1, 1).
    """
    places = heatmaps.flatten(2).argmax(dim=2, keepdim=True)
    return frame.flatten(2).gather(2, places)[..., None]


@MODELS.register_module()
class MemoryPoseEstimator(RecurrentPoseEstimator):
    """An image model of heatmaps, or of SimCC, and a memory on top of it.

    Its parts have the names that they have in ``TopdownPoseEstimator``, whose
    checkpoints it loads as they are; a memory with weights is trained on
    clips. Where crops follow the person, heatmaps of the frame before are
    brought into the crop of the next one, so that a joint that stands still
    in the scene is found where it was.

    In a stream, which knows the boxes of everybody in the frame, heat that
    lies in the box of another person and outside of the own one counts less:
    it would be remembered after the other is gone. Streams also tell which
    joints the frame itself does not show, :meth:`tell_hidden`.

    Args:
        memory (dict): Such as ``RecursiveHeatmapMean`` or
            ``GatedHeatmapMemory``.
        others_weight (float): How much heat on other people counts, in
            (0, 1]; 1: as everywhere. Defaults to 0.25.
        kwargs: See :class:`RecurrentPoseEstimator`.

    Attributes:
        looks_ahead: Whether a stream may also read the frames to come.
        follows_people: Whether a stream of several people gives
            :meth:`shade` to :meth:`first` and, in the state, to
            :meth:`next`, and ``seen`` of the state to :meth:`tell_hidden`.

    Raises:
        ValueError: ``others_weight`` is out of range; at the first clip, if
            the head does not give heatmaps.
    """

    State = HeatmapState
    follows_crops = True
    follows_people = True
    looks_ahead = True
    precise_parts = ('memory',)
    image_weights = {part: (part,) for part in ('backbone.', 'neck.', 'head.')}
    # Not the clip, of which crops are known to the host alone.
    graphed_methods = ('frame_features',)

    def __init__(
        self,
        *args: Any,
        memory: dict,
        others_weight: float = 0.25,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not 0 < others_weight <= 1:
            raise ValueError(
                f'{type(self).__name__}: others_weight must lie in (0, 1], '
                f'but got {others_weight}'
            )
        self.memory = MODELS.build(memory)
        self.others_weight = others_weight

    @property
    def idle_part(self) -> str | None:
        """The memory has nothing to do in clips of one frame."""
        return 'memory'

    def frame_heatmaps(self, feats: Maps) -> Tensor:
        """See :class:`ClipPoseEstimator`; of heads of several stages, such as
        MMPose's ``CPMHead`` and ``MSPNHead``, the last one's.
        """
        maps = self.head.forward(feats)
        return self.checked_heatmaps(
            maps[-1] if isinstance(maps, list) else maps
        )

    def first(
        self,
        frames: Tensor,
        feats: Maps | None = None,
        shade: Tensor | None = None,
    ) -> tuple[Tensor, HeatmapState]:
        """See :class:`RecurrentPoseEstimator`.

        Args:
            frames (Tensor): (N, 3, H, W).
            feats (Maps, optional): Their features.
            shade (Tensor, optional): As in :class:`HeatmapState`, of these
                frames.
        """
        if feats is None:
            feats = self.frame_features(frames)
        heatmaps = self.frame_heatmaps(feats)
        if shade is not None:
            heatmaps = heatmaps * shade
        return heatmaps, self._state(heatmaps, heatmaps)

    def next(
        self, frames: Tensor, state: HeatmapState, feats: Maps | None = None
    ) -> tuple[Tensor, HeatmapState]:
        """See :class:`RecurrentPoseEstimator`."""
        heatmaps, _ = self.first(frames, feats, state.shade)
        return self._remember(heatmaps, state.heatmaps)

    def _remember(
        self, frame: Tensor, before: Tensor
    ) -> tuple[Tensor, HeatmapState]:
        if not self.train_cfg['state_gradient']:
            before = before.detach()
        heatmaps = self.memory(frame, before)
        return heatmaps, self._state(heatmaps, frame)

    def _state(self, heatmaps: Tensor, frame: Tensor) -> HeatmapState:
        return HeatmapState(
            heatmaps,
            seen_at(frame, heatmaps),
            torch.ones_like(heatmaps[:, :1]),
        )

    def moved(
        self, state: HeatmapState, crops: np.ndarray, others: np.ndarray
    ) -> HeatmapState:
        """See :class:`RecurrentPoseEstimator`."""
        return state._replace(
            heatmaps=self.moved_maps(state.heatmaps, crops, others)
        )

    def moved_maps(
        self, maps: Tensor, crops: np.ndarray, others: np.ndarray
    ) -> Tensor:
        """Heatmaps (N, K, h, w) as of other crops, see :meth:`moved`."""
        if np.array_equal(crops, others):
            return maps
        return resample(maps, crops, others, map_step(self.head.decoder))

    def shade(self, data_samples: SampleList) -> Tensor | None:
        """What heat of a frame counts, by where its people are.

        Args:
            data_samples (list[PoseDataSample]): Of all N people of a frame.

        Returns:
            Tensor | None: (N, 1, h, w); None: all of it, in full.
        """
        crops, boxes = crops_of(data_samples), boxes_of(data_samples)
        if self.others_weight == 1 or crops is None or boxes is None:
            return None
        width, height = self.head.decoder.heatmap_size
        other = elsewhere(
            crops[:, 0], boxes, (height, width), map_step(self.head.decoder)
        )
        if not other.any():
            return None
        weights = np.where(other, self.others_weight, 1.0)[:, None]
        return next(self.parameters()).new_tensor(weights)

    def tell_hidden(self, data_samples: SampleList, seen: Tensor) -> None:
        """Add ``keypoints_seen``, what the frame alone shows of each joint
        where it is said to be (1, K), and ``keypoints_hidden``, whether that
        is below half of what a heatmap has of a joint in full view.

        Args:
            data_samples (list[PoseDataSample]): N, with poses of one row.
            seen (Tensor): (N, K), as in :class:`HeatmapState`.
        """
        joints = self.test_cfg.get('output_keypoint_indices', None)
        if isinstance(self.head.decoder, MegviiHeatmap):
            seen = seen / 255  # what its targets have at a joint
        for sample, values in zip(data_samples, seen.cpu().numpy()):
            values = values if joints is None else values[joints]
            sample.pred_instances.keypoints_seen = values[None]
            sample.pred_instances.keypoints_hidden = (
                values[None] < HIDDEN_BELOW
            )

    def forward_clip(
        self, inputs: Tensor, crops: np.ndarray | None = None
    ) -> tuple[Tensor, None]:
        """All frames at once by the image model, then one after the other by
        the memory.
        """
        frames = self.over_frames(
            lambda images: self.frame_heatmaps(self.frame_features(images)),
            inputs,
        )
        state = self._state(frames[:, 0], frames[:, 0])
        clip = [state.heatmaps]
        for row in range(1, frames.shape[1]):
            if crops is not None:
                state = self.moved(state, crops[:, row - 1], crops[:, row])
            heatmaps, state = self._remember(frames[:, row], state.heatmaps)
            clip.append(heatmaps)
        return torch.stack(clip, dim=1), None


# Memories by name. The one of `mean` has nothing to learn.
MEMORIES = dict(mean=dict(type='RecursiveHeatmapMean', confidence=2.0))


def with_memory(model: dict, memory: str | dict) -> ConfigDict:
    """Config of an image model with a memory on top.

    A head of SimCC, as of RTMPose, becomes the one of the same weights whose
    vectors are read as heatmaps, see
    :class:`~rpstn_mmpose.models.heads.SimCCHeatmapMixin`.

    Args:
        model (dict): Of a ``TopdownPoseEstimator``.
        memory (dict | str): See :class:`MemoryPoseEstimator`, whose
            ``others_weight`` it may have, too; ``'mean'``: the running mean
            of a person's heatmaps, in which a frame counts with the square of
            its peaks.

    Raises:
        ValueError: Another kind of model, one of coordinates, or an unknown
            name.
    """
    if name_of(model.get('type')) != 'TopdownPoseEstimator':
        raise ValueError(
            f'a memory goes on a TopdownPoseEstimator, but the model is a '
            f'{name_of(model.get("type"))}; give it as an option of the recipe'
        )
    if isinstance(memory, str):
        if memory not in MEMORIES:
            raise ValueError(
                f'memory must be a dict or one of {sorted(MEMORIES)}, but got '
                f'{memory!r}'
            )
        memory = MEMORIES[memory]
    memory = dict(memory)
    options = {
        name: memory.pop(name) for name in ('others_weight',) if name in memory
    }
    pixels = dict(
        model.get('data_preprocessor') or {}, type='ClipDataPreprocessor'
    )
    pixels.pop('batch_augments', None)
    changed = ConfigDict(
        copy.deepcopy(dict(model)),
        type='MemoryPoseEstimator',
        memory=memory,
        data_preprocessor=pixels,
        **options,
    )
    head: dict = changed.get('head') or {}
    kind = name_of(head.get('type'))
    codec = (head.get('decoder') or {}).get('type')
    if name_of(codec).endswith('RegressionLabel'):
        raise ValueError(
            f'a memory remembers heatmaps, but a {kind} gives coordinates; '
            'use a model of heatmaps or of SimCC, such as RTMPose'
        )
    if kind in HEATMAP_HEADS:
        head['type'] = HEATMAP_HEADS[kind]
        # In a recipe of MMPose's for SimCC it does nothing.
        (changed.get('test_cfg') or {}).pop('shift_coords', None)
    return changed


def name_of(kind: Any) -> str:
    """A config's ``type``: a class, or its name with or without a scope."""
    return str(getattr(kind, '__name__', kind)).split('.')[-1]
