# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from mmpose.utils.typing import SampleList
from torch import Tensor

from ..models.pose_estimators import RecurrentPoseEstimator
from ..models.pose_estimators.crops import MIRRORED, crops_of
from ..speed.compiled_frame import CompiledFrame, GraphedFrame
from .pose_stream import COLLAPSE_RATIO, MAX_GAP, FramePoses, PoseStream
from .states import StateRows, map_states, take_rows


@dataclass
class _Person:
    """What is known of one person besides the network's state.

    Attributes:
        age: Frames since the recurrence was started.
        last_frame: When the person was seen last.
        mean_score: Of the frames since the start.
        collapsed: Whether the last frame's score fell far below that.
        crop: (4,) of the last frame, see
            :func:`~rpstn_mmpose.models.pose_estimators.crops.crops_of`.
    """

    age: int
    last_frame: int
    mean_score: float = 0.0
    collapsed: bool = False
    crop: np.ndarray | None = None


class RecurrentStream(PoseStream):
    """Models that carry a state from frame to frame.

    The state of the last frame is kept for every person. A frame costs one
    pass of ``frame_features`` over all people, at most one ``first`` (of
    people who are new or to be started anew) and at most one ``next`` (of the
    others), and gives what the model gives for the clips between two starts.
    With ``test_cfg.flip_test`` the mirrored crops walk along in the same
    batches; ``test_cfg.both_directions`` is left out, with a warning; with
    ``test_cfg.decode_on_device`` no heatmaps leave a GPU.

    The recurrence of a person is started

    - in the person's first frame, and after more than ``max_gap`` frames
      without the person (the state is dropped then);
    - every ``reset_interval`` frames;
    - in the frame after the mean keypoint score fell below
      ``collapse_ratio`` times the mean of the person's scores since the last
      start, or below 0 (heatmaps that are nowhere positive show nobody).

    Args:
        model (RecurrentPoseEstimator): In evaluation mode.
        reset_interval (int, optional): Frames between two starts, at least
            2; the clip length gives what the model gives for clips. ``None``
            or 0: never. Defaults to ``None``.
        collapse_ratio (float, optional): In (0, 1). ``None``: scores start
            nothing. Defaults to 0.5.
        max_gap (int): Frames that a person may be missing without losing
            the state. Defaults to 2.
        compile (bool | str): Run the frames in which nobody is started as a
            :class:`~rpstn_mmpose.speed.compiled_frame.CompiledFrame`;
            ``'graph'``: as a
            :class:`~rpstn_mmpose.speed.compiled_frame.GraphedFrame`, on a
            GPU. Defaults to ``False``.

    Raises:
        ValueError: An option out of range, or one that would do nothing.
    """

    needs_ids = True

    def __init__(
        self,
        model: RecurrentPoseEstimator,
        reset_interval: int | None = None,
        collapse_ratio: float | None = COLLAPSE_RATIO,
        max_gap: int = MAX_GAP,
        compile: bool | str = False,
    ) -> None:
        name = self.__class__.__name__
        if reset_interval is not None and reset_interval < 0:
            raise ValueError(
                f'{name}: reset_interval must be at least 0 (0: never), but '
                f'got {reset_interval}'
            )
        if collapse_ratio is not None and not 0 < collapse_ratio < 1:
            raise ValueError(
                f'{name}: collapse_ratio must lie in (0, 1) or be None, but '
                f'got {collapse_ratio}'
            )
        if max_gap < 0:
            raise ValueError(
                f'{name}: max_gap must be at least 0, but got {max_gap}'
            )
        if reset_interval == 1:
            raise ValueError(
                f'{name}: reset_interval=1 starts everybody anew in every '
                f'frame, so that the state of {type(model).__name__} does '
                'nothing; set it to 0 (never), or to 2 or more'
            )
        if model.test_cfg.get('both_directions', False):
            print_log(
                f'{name}: test_cfg.both_directions needs the frames to come; '
                'a stream is read forwards only.',
                logger='current',
                level=logging.WARNING,
            )
        self._compiled: CompiledFrame | GraphedFrame | None = None
        if compile:
            graph = compile == 'graph'
            self._compiled = (GraphedFrame if graph else CompiledFrame)(model)
        self.reset_interval = reset_interval or 0
        self.collapse_ratio = collapse_ratio
        self.max_gap = max_gap
        super().__init__(model)

    def reset(self) -> None:
        """Forget everybody; the next frame is the first of a video."""
        super().reset()
        self._people: dict[int, _Person] = {}
        self._drop_states()

    def _drop_states(self) -> None:
        self._states = StateRows()
        self._prepared: StateRows | None = None

    @property
    def person_ids(self) -> list[int]:
        """Those whose state is kept."""
        return list(self._people)

    def _must_start(self, person_id: int) -> bool:
        person = self._people.get(person_id)
        if person is None or person.collapsed:
            return True
        return bool(self.reset_interval) and person.age >= self.reset_interval

    def _forget(self) -> None:
        """Drop those who have been missing for too long."""
        self._people = {
            person_id: person
            for person_id, person in self._people.items()
            if self._frame - person.last_frame <= self.max_gap
        }
        if not self._people:
            self._drop_states()

    def skip_frame(self) -> list[FramePoses]:
        """Pass a frame without people, or one that cannot be used."""
        done = super().skip_frame()
        self._forget()
        return done

    @torch.no_grad()
    def prepare(self) -> None:
        """Do now what the next frame needs of the last one alone.

        ``compile``, which runs a frame as a whole, has nothing to prepare.
        """
        if self._compiled is not None or self._prepared is not None:
            return
        # Those who are to be started need nothing of the last frame.
        keys = [
            key
            for key in self._states.batch_keys
            if not self._must_start(key[0])
        ]
        if not keys:
            return
        states = self._states.get(keys)
        prepared = self.model.prepare(states)
        if prepared is not states:
            self._prepared = StateRows()
            self._prepared.put(keys, prepared, ())

    def _known(
        self, keys: list[tuple], crops: np.ndarray | None, shade: Tensor | None
    ) -> Any:
        """States of some rows for ``next``, prepared ones if all are, as of
        the crops (N, 4) and the shade (N, 1, h, w) of the new frame.
        """
        rows = self._prepared
        if rows is None or any(key not in rows for key in keys):
            rows = self._states
        states = rows.get(keys)
        if shade is not None:
            states = states._replace(shade=shade)
        if crops is None or not self.model.follows_crops:
            return states
        before = [
            self._people[person_id].crop * MIRRORED**flip
            for person_id, flip in keys
        ]
        return self.model.moved(states, np.stack(before), crops)

    @torch.no_grad()
    def heatmaps(
        self,
        inputs: Tensor,
        person_ids: Sequence[int],
        flip_indices: Sequence[int] | None = None,
        crops: np.ndarray | None = None,
        shade: Tensor | None = None,
    ) -> Tensor:
        """Heatmaps of the next frame.

        Args:
            inputs (Tensor): Normalized crops of N people, (N, 3, H, W).
            person_ids (Sequence[int]): N different ones.
            flip_indices (Sequence[int], optional): For the flip test: where
                the mirrored picture has a joint. ``None``: no flip test.
            crops (np.ndarray, optional): (N, 4), where they were cropped,
                for a model that follows the crops.
            shade (Tensor, optional): (N, 1, h, w), for a model that follows
                people.

        Returns:
            Tensor: (N, K, h, w).

        Raises:
            ValueError: Numbers that do not fit, or an id that comes twice.
        """
        ids = [int(person_id) for person_id in person_ids]
        if len(set(ids)) != len(ids) or len(ids) != len(inputs) or not ids:
            raise ValueError(
                f'{self.__class__.__name__}: {len(inputs)} crops '
                'need as many different person ids, at least '
                f'one, but got {ids}'
            )
        self._frame += 1
        keys = [(person_id, False) for person_id in ids]
        starts = [self._must_start(person_id) for person_id in ids]
        walking = crops
        if flip_indices is not None:
            inputs = torch.cat([inputs, inputs.flip(-1)])
            keys += [(person_id, True) for person_id in ids]
            starts = starts * 2
            if crops is not None:
                walking = np.concatenate([crops, crops * MIRRORED])
            if shade is not None:
                shade = torch.cat([shade, shade.flip(-1)])
        heatmaps, states = self._advance(inputs, keys, starts, walking, shade)
        # Numpy, which decodes, has no bfloat16.
        heatmaps = heatmaps.float()
        for row, (person_id, start) in enumerate(zip(ids, starts)):
            age, score = 1, 0.0
            if not start:
                person = self._people[person_id]
                age, score = person.age + 1, person.mean_score
            self._people[person_id] = _Person(
                age,
                self._frame,
                score,
                crop=None if crops is None else crops[row],
            )
        self._forget()
        kept = [
            (person_id, flip)
            for person_id in self._people
            for flip in (False, True)
        ]
        self._states.put(
            keys, states, [key for key in kept if key in self._states]
        )
        self._prepared = None
        if flip_indices is None:
            return heatmaps
        return self.model.with_mirrored(*heatmaps.chunk(2), flip_indices)

    def _advance(
        self,
        inputs: Tensor,
        keys: list[tuple],
        starts: list[bool],
        crops: np.ndarray | None,
        shade: Tensor | None,
    ) -> tuple[Tensor, Any]:
        """Run the network on all rows; their heatmaps and new states."""
        if self._compiled is not None and not any(starts):
            return self._compiled(inputs, self._known(keys, crops, shade))
        model = self.model
        feats = model.frame_features(inputs)
        new = [row for row, start in enumerate(starts) if start]
        old = [row for row, start in enumerate(starts) if not start]
        known = None
        if old:
            known = self._known(
                [keys[row] for row in old],
                None if crops is None else crops[old],
                None if shade is None else take_rows(shade, old),
            )
        parts = []
        for rows, step in ((new, model.first), (old, model.next)):
            if rows:
                given: dict[str, Any] = dict(feats=take_rows(feats, rows))
                if rows is old:
                    given['state'] = known
                elif shade is not None:
                    given['shade'] = take_rows(shade, rows)
                parts.append(step(take_rows(inputs, rows), **given))
        heatmaps, state = parts[0]
        if len(parts) == 2:
            rows = new + old
            order = [rows.index(row) for row in range(len(rows))]
            heatmaps = take_rows(torch.cat([part[0] for part in parts]), order)
            state = map_states(
                lambda *pair: take_rows(torch.cat(pair), order),
                *(part[1] for part in parts),
            )
        return heatmaps, state

    @torch.no_grad()
    def predict(
        self, data: Sequence[dict], person_ids: Sequence[int]
    ) -> SampleList:
        """See :class:`PoseStream`."""
        data = self.checked(data, person_ids)
        if not len(data):
            self.skip_frame()
            return []
        model = self.model
        batch = model.data_preprocessor(pseudo_collate(list(data)), False)
        samples = batch['data_samples']
        flip_indices = None
        if model.test_cfg.get('flip_test', False):
            flip_indices = samples[0].metainfo['flip_indices']
        crops = crops_of(samples)
        heatmaps = self.heatmaps(
            batch['inputs'][:, 0],
            person_ids,
            flip_indices,
            None if crops is None else crops[:, 0],
            model.shade(samples) if model.follows_people else None,
        )
        samples = model.predict_from(heatmaps[:, None], samples)
        if model.follows_people:
            model.tell_hidden(samples, self._seen(person_ids, flip_indices))
        for person_id, sample in zip(person_ids, samples):
            self._watch(
                int(person_id),
                float(sample.pred_instances.keypoint_scores.mean()),
            )
        return samples

    def _seen(
        self, person_ids: Sequence[int], flip_indices: Sequence[int] | None
    ) -> Tensor:
        """What the last frame alone shows of the joints, (N, K)."""
        views = [
            self._states.get([(int(key), flip) for key in person_ids])
            for flip in ([False] if flip_indices is None else [False, True])
        ]
        seen = [view.seen.float() for view in views]
        if flip_indices is not None:
            seen[1] = seen[1][:, flip_indices]
        return torch.stack(seen).mean(dim=0)[:, :, 0, 0]

    def _watch(self, person_id: int, score: float) -> None:
        """Compare a frame's score with those since the start."""
        person = self._people[person_id]
        if self.collapse_ratio is not None and person.age > 1:
            # Scores are heatmap values, which may be negative.
            person.collapsed = score < max(
                0.0, self.collapse_ratio * person.mean_score
            )
        person.mean_score += (score - person.mean_score) / person.age
