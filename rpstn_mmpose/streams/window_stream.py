# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, NamedTuple, Sequence, Tuple

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmpose.utils.typing import SampleList
from torch import Tensor, nn

from ..models.pose_estimators.crops import MIRRORED, crops_of
from .frame_window import FrameWindow, Pending
from .pose_stream import FramePoses, PoseStream, refuse_state_options

Levels = Tuple[Tensor, ...]


class Kept(NamedTuple):
    """What a window keeps of a person in a frame.

    Attributes:
        views: Features of the crop; in a flip test of the mirrored one, too.
        crop: (4,), its centre and size, see ``WindowPoseEstimator.aligned``.
    """

    views: list[Levels]
    crop: np.ndarray


class WindowStream(PoseStream):
    """Models that combine the frames around the wanted one.

    A frame's features are computed once, when it comes in, of its own crop;
    its poses are done when the frames behind it are there. A person who is
    not in a frame of the window counts with the nearest frame in which the
    person was seen without a break, as at the ends of a video.

    Args:
        model (WindowPoseEstimator): In evaluation mode.
        reset_interval, collapse_ratio, max_gap, compile: See
            :class:`RecurrentStream`; only their defaults are taken.

    Raises:
        ValueError: An option of a state, which a window has not.
    """

    needs_ids = True

    def __init__(self, model: nn.Module, **options: Any) -> None:
        refuse_state_options(type(self).__name__, model, options)
        super().__init__(model)
        self.delay = self.model.after

    def reset(self) -> None:
        """Forget everybody; the next frame is the first of a video."""
        super().reset()
        self._window: FrameWindow[Kept] = FrameWindow(self.model.before)

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
            views = [batch['inputs'][:, 0]]
            if self.model.test_cfg.get('flip_test', False):
                views.append(views[0].flip(-1))
            feats = [self.model.frame_features(view) for view in views]
            known = crops_of(samples)
            crops = np.zeros((len(ids), 4)) if known is None else known[:, 0]
            people = {
                key: Kept(
                    [
                        tuple(level[row : row + 1] for level in levels)
                        for levels in feats
                    ],
                    crops[row],
                )
                for row, key in enumerate(ids)
            }
        self._window.put(Pending(self._frame, ids, samples), people)
        return self._done(self._frame - self.delay)

    def skip_frame(self) -> list[FramePoses]:
        """Pass a frame without people, or one that cannot be used."""
        return self.push([], [])

    def flush(self) -> list[FramePoses]:
        """The frames that are still inside; the video is over."""
        return self._done(self._frame)

    @torch.no_grad()
    def _done(self, last: int) -> list[FramePoses]:
        """Poses of the waiting frames up to a number."""
        return [
            FramePoses(pending.frame, pending.person_ids, self._poses(pending))
            for pending in self._window.take(last)
        ]

    def _poses(self, pending: Pending) -> SampleList:
        if not pending.person_ids:
            return []
        model = self.model
        windows = [
            [
                self._window.seen(pending.frame, offset, key)
                for key in pending.person_ids
            ]
            for offset in model.clip_offsets
        ]
        crops = np.stack(
            [[kept.crop for kept in people] for people in windows], axis=1
        )
        combined = []
        for view in range(len(windows[0][0].views)):
            levels = tuple(
                torch.stack(
                    [
                        torch.cat([kept.views[view][level] for kept in people])
                        for people in windows
                    ],
                    dim=1,
                )
                for level in range(len(windows[0][0].views[view]))
            )
            levels = model.aligned(levels, crops * MIRRORED**view)
            combined.append(model.combine(levels, model.clip_offsets))
        feats = combined if len(combined) > 1 else combined[0]
        return model.predict_from(feats, pending.samples)
