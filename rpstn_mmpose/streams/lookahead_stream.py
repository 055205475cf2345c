# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, NamedTuple, Sequence

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmpose.utils.typing import SampleList
from torch import Tensor

from ..models.pose_estimators import MemoryPoseEstimator
from ..models.pose_estimators.crops import MIRRORED, crops_of
from ..models.pose_estimators.memory_estimator import seen_at
from .frame_window import FrameWindow, Pending
from .pose_stream import MAX_GAP, FramePoses, PoseStream, refuse_state_options

LOOKAHEAD = 20


class SeenMaps(NamedTuple):
    """What one frame alone shows of a person.

    Attributes:
        maps: (V, K, h, w), of the crop, and of the mirrored one in a flip
            test.
        crops: (V, 4), where it was cropped, see ``crops_of``.
    """

    maps: Tensor
    crops: np.ndarray


class LookaheadStream(PoseStream):
    """A memory of heatmaps that reads the frames to come as well.

    What ``test_cfg.both_directions`` does for clips, for a video of any
    length: a frame's heatmaps are the mean of those of the memory of the
    frames before, without end, and of the memory of ``lookahead`` frames
    behind, read backwards. The image model sees a frame once; memory does not
    grow with the video.

    Args:
        model (MemoryPoseEstimator): In evaluation mode.
        lookahead (int): Frames behind a frame that its poses wait for. A mean
            of weight w keeps ``w ** lookahead`` of what lies farther away.
        max_gap (int): Frames that a person may be away before the memory is
            dropped.
        reset_interval, collapse_ratio, compile: See
            :class:`RecurrentStream`; only their defaults are taken.

    Raises:
        ValueError: A number below 1 or 0, or an option that would do nothing.
    """

    needs_ids = True

    def __init__(
        self,
        model: MemoryPoseEstimator,
        lookahead: int = LOOKAHEAD,
        max_gap: int = MAX_GAP,
        **options: Any,
    ) -> None:
        name = type(self).__name__
        refuse_state_options(
            name, model, options, 'does nothing beside a lookahead'
        )
        if lookahead < 1 or max_gap < 0:
            raise ValueError(
                f'{name}: lookahead must be at least 1 and max_gap at least '
                f'0, but got {lookahead} and {max_gap}'
            )
        self.delay, self.max_gap = lookahead, max_gap
        super().__init__(model)

    def reset(self) -> None:
        """Forget everybody; the next frame is the first of a video."""
        super().reset()
        self._window: FrameWindow[SeenMaps] = FrameWindow(0)
        # Of each person: the frame of the memory, and the memory.
        self._past: dict[int, tuple[int, SeenMaps]] = {}

    @torch.no_grad()
    def push(
        self, data: Sequence[dict], person_ids: Sequence[int]
    ) -> list[FramePoses]:
        """See :class:`PoseStream`."""
        ids = [int(person_id) for person_id in person_ids]
        data = self.checked(data, ids)
        if len(set(ids)) != len(ids):
            raise ValueError(
                f'{type(self).__name__}: person ids must differ, but got {ids}'
            )
        self._frame += 1
        samples: SampleList = []
        people = {}
        if ids:
            batch = self.model.data_preprocessor(
                pseudo_collate(list(data)), False
            )
            samples = batch['data_samples']
            people = dict(zip(ids, self._seen(batch['inputs'], samples)))
        self._window.put(Pending(self._frame, ids, samples), people)
        return self._done(self._frame - self.delay)

    def skip_frame(self) -> list[FramePoses]:
        """Pass a frame without people, or one that cannot be used."""
        return self.push([], [])

    def flush(self) -> list[FramePoses]:
        """The frames that are still inside; the video is over."""
        return self._done(self._frame)

    def _seen(self, inputs: Tensor, samples: SampleList) -> list[SeenMaps]:
        """What a frame shows of its people, (N, 1, 3, H, W)."""
        model = self.model
        shade = model.shade(samples)
        views = [inputs[:, 0]]
        if model.test_cfg.get('flip_test', False):
            views.append(views[0].flip(-1))
        maps = torch.stack(
            [
                model.frame_heatmaps(model.frame_features(view)).float()
                for view in views
            ],
            dim=1,
        )
        if shade is not None:
            shades = [shade, shade.flip(-1)][: len(views)]
            maps = maps * torch.stack(shades, dim=1)
        crops = crops_of(samples)
        if crops is None:
            crops = np.zeros((len(samples), 1, 4))
        mirrors = np.stack([MIRRORED**view for view in range(len(views))])
        return [
            SeenMaps(seen, crop * mirrors) for seen, crop in zip(maps, crops)
        ]

    @torch.no_grad()
    def _done(self, last: int) -> list[FramePoses]:
        return [
            FramePoses(pending.frame, pending.person_ids, self._poses(pending))
            for pending in self._window.take(last)
        ]

    def _poses(self, pending: Pending) -> SampleList:
        self._past = {
            key: known
            for key, known in self._past.items()
            if pending.frame - known[0] <= self.max_gap + 1
        }
        if not pending.person_ids:
            return []
        model, samples = self.model, pending.samples
        alone = torch.stack(
            [
                self._window.seen(pending.frame, 0, key).maps
                for key in pending.person_ids
            ]
        )
        maps = torch.stack(
            [self._both_ways(pending.frame, key) for key in pending.person_ids]
        )
        if maps.shape[1] == 2:
            flip_indices = samples[0].metainfo['flip_indices']
            alone, maps = (
                model.with_mirrored(both[:, 0], both[:, 1], flip_indices)
                for both in (alone, maps)
            )
        else:
            alone, maps = alone[:, 0], maps[:, 0]
        samples = model.predict_from(maps[:, None], samples)
        model.tell_hidden(samples, seen_at(alone, maps)[:, :, 0, 0])
        return samples

    def _both_ways(self, frame: int, key: int) -> Tensor:
        """Heatmaps (V, K, h, w) of a person in a frame."""
        now = self._window.seen(frame, 0, key)
        _, past = self._past.get(key, (0, None))
        forwards = self._remembered(now, past)
        self._past[key] = frame, forwards
        ahead = None
        for seen in reversed(self._ahead(frame, key)):
            ahead = self._remembered(seen, ahead)
        backwards = self._remembered(now, ahead)
        return (forwards.maps + backwards.maps) * 0.5

    def _ahead(self, frame: int, key: int) -> list[SeenMaps]:
        """The person in the frames to come, until a gap is too long."""
        found: list[SeenMaps] = []
        gap = 0
        for later in range(
            frame + 1, min(frame + self.delay, self._frame) + 1
        ):
            seen = self._window.at(later, key)
            gap = gap + 1 if seen is None else 0
            if gap > self.max_gap:
                break
            if seen is not None:
                found.append(seen)
        return found

    def _remembered(self, now: SeenMaps, memory: SeenMaps | None) -> SeenMaps:
        """The memory of a frame, from that of the frame next to it."""
        if memory is None:
            return now
        model = self.model
        before = model.moved_maps(memory.maps, memory.crops, now.crops)
        return SeenMaps(model.memory(now.maps, before), now.crops)
