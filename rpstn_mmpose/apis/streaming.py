# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Walk a video frame by frame, with a recurrent state for every person."""
from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import (
    Any,
    Callable,
    Collection,
    Dict,
    Hashable,
    List,
    Optional,
    Sequence,
    Tuple,
)

import torch
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from mmengine.structures import PixelData
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.utils.typing import SampleList
from torch import Tensor, nn

from ..models.pose_estimators import VideoTopdownPoseEstimator
from ..speed.compiled_frame import CompiledFrame

COLLAPSE_RATIO = 0.5
MAX_GAP = 2


def _map_states(function: Callable, *states: Any) -> Any:
    """Apply a function to each field of states that are named tuples."""
    return type(states[0])._make(function(*parts) for parts in zip(*states))


def _take(batch: Tensor, rows: Sequence[int]) -> Tensor:
    """Rows of a batch, without indices that the host would have to copy to
    the device, which waits for all that the device was given before."""
    if list(rows) == list(range(len(batch))):
        return batch
    # Slices: what is stacked would lose the channels-last order.
    return torch.cat([batch[row:row + 1] for row in rows])


def is_recurrent(model: nn.Module) -> bool:
    """Whether a model carries a state from frame to frame.

    Args:
        model (nn.Module): A video or image estimator.

    Returns:
        bool: For video models with a temporal neck or a memory.
    """
    return (isinstance(model, VideoTopdownPoseEstimator)
            and model.carries_state)


class _StateRows:
    """States by key, kept as the batch that they came in.

    Where the keys of the next frame are those of the last, which is the rule,
    nothing is copied.
    """

    def __init__(self) -> None:
        self._batch: Any = None
        self._rows: Dict[Hashable, int] = {}
        self._away: Dict[Hashable, Any] = {}

    @property
    def batch_keys(self) -> List[Hashable]:
        """Those of the batch that came last, in its order."""
        return list(self._rows)

    def _one(self, key: Hashable) -> Any:
        """The state of one key, as a batch of one."""
        if key in self._away:
            return self._away[key]
        row = self._rows[key]
        return _map_states(lambda part: part[row:row + 1], self._batch)

    def get(self, keys: Sequence[Hashable]) -> Any:
        """States of some keys as one batch, in their order."""
        if list(keys) == self.batch_keys:
            return self._batch
        return _map_states(lambda *parts: torch.cat(parts),
                           *(self._one(key) for key in keys))

    def put(self, keys: Sequence[Hashable], batch: Any,
            keep: Collection[Hashable]) -> None:
        """Store a batch; of the others, keep those of ``keep``."""
        # Copies: a row alone would hold the whole batch that it is in.
        away = {
            key: (self._away[key] if key in self._away else _map_states(
                torch.clone, self._one(key)))
            for key in keep if key not in set(keys)
        }
        self._batch, self._away = batch, away
        self._rows = {key: row for row, key in enumerate(keys)}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._rows or key in self._away

    def __len__(self) -> int:
        return len(self._rows) + len(self._away)


@dataclass
class _Person:
    """What is known of one person besides the network's state.

    Attributes:
        age: Frames since the recurrence was started.
        last_frame: When the person was seen last.
        mean_score: Of the frames since the start.
        collapsed: Whether the last frame's score fell far below that.
    """
    age: int
    last_frame: int
    mean_score: float = 0.0
    collapsed: bool = False


class StreamingPoseEstimator:
    """Runs a pose estimator on one frame after the other, for all people.

    Of a :class:`~rpstn_mmpose.models.VideoTopdownPoseEstimator`, features and
    heatmaps of the last frame are kept for every person. A frame costs one
    pass of the extractor over all people, at most one ``start`` (of people
    who are new or to be re-initialised) and at most one ``step`` (of the
    others), and gives what the model gives for the clips between two starts.
    With ``test_cfg.flip_test`` the mirrored crops walk along in the same
    batches; ``test_cfg.both_directions`` is left out, with a warning; with
    ``test_cfg.decode_on_device`` no heatmaps leave a GPU. Video models that
    have neither a neck nor a memory and MMPose's image models have no state
    and simply predict.

    The recurrence of a person is started

    - in the person's first frame, and after more than ``max_gap`` frames
      without the person (the state is dropped then);
    - every ``reset_interval`` frames;
    - in the frame after the mean keypoint score fell below
      ``collapse_ratio`` times the mean of the person's scores since the last
      start, or below 0 (heatmaps that are nowhere positive show nobody).

    Args:
        model (nn.Module): In evaluation mode.
        reset_interval (int, optional): Frames between two starts, at least
            2; the clip length gives what the model gives for clips. ``None``
            or 0: never. Defaults to ``None``.
        collapse_ratio (float, optional): In (0, 1). ``None``: scores start
            nothing. Defaults to 0.5.
        max_gap (int): Frames that a person may be missing without losing
            the state. Defaults to 2.
        compile (bool): Run the frames in which nobody is started as a
            :class:`~rpstn_mmpose.speed.compiled_frame.CompiledFrame`.
            For recurrent models. Defaults to ``False``.

    Raises:
        ValueError: An option out of range, a model that needs a window of
            frames at once, or an option that would do nothing: all of the
            above with a model without a state.
    """

    def __init__(self,
                 model: nn.Module,
                 reset_interval: Optional[int] = None,
                 collapse_ratio: Optional[float] = COLLAPSE_RATIO,
                 max_gap: int = MAX_GAP,
                 compile: bool = False):
        name = self.__class__.__name__
        if reset_interval is not None and reset_interval < 0:
            raise ValueError(f'{name}: reset_interval must be at least 0 '
                             f'(0: never), but got {reset_interval}')
        if collapse_ratio is not None and not 0 < collapse_ratio < 1:
            raise ValueError(f'{name}: collapse_ratio must lie in (0, 1) or '
                             f'be None, but got {collapse_ratio}')
        if max_gap < 0:
            raise ValueError(f'{name}: max_gap must be at least 0, but got '
                             f'{max_gap}')
        self.takes_clips = isinstance(model, VideoTopdownPoseEstimator)
        if self.takes_clips and not model.walks_through_clips:
            raise ValueError(
                f'{name}: {type(model).__name__} combines a window of '
                'frames and cannot be run frame by frame; use tools/test.py')
        self.model = model
        self.recurrent = is_recurrent(model)
        self.reset_interval = reset_interval or 0
        self.collapse_ratio = collapse_ratio
        self.max_gap = max_gap
        self._check_effect(compile)
        self._compiled = CompiledFrame(model) if compile else None
        self.reset()

    def _check_effect(self, compile: bool) -> None:
        """Refuse options that would do nothing with this model."""
        name, kind = type(self).__name__, type(self.model).__name__
        if not self.recurrent:
            given = dict(
                reset_interval=self.reset_interval > 0,
                collapse_ratio=self.collapse_ratio
                not in (None, COLLAPSE_RATIO),
                max_gap=self.max_gap != MAX_GAP,
                compile=compile)
            wrong = [option for option, is_given in given.items() if is_given]
            if wrong:
                raise ValueError(
                    f'{name}: {wrong[0]} is for models that carry a state '
                    f'from frame to frame, and this {kind} has none; leave '
                    'it out')
            return
        if self.reset_interval == 1:
            raise ValueError(
                f'{name}: reset_interval=1 starts everybody anew in every '
                f'frame, so that the state of {kind} does nothing; set it to '
                '0 (never), or to 2 or more')
        if self.model.test_cfg.get('both_directions', False):
            print_log(
                f'{name}: test_cfg.both_directions needs the frames to come; '
                'a stream is read forwards only.',
                logger='current',
                level=logging.WARNING)

    def reset(self) -> None:
        """Forget everybody; the next frame is the first of a video."""
        self._frame = 0
        self._people: Dict[int, _Person] = {}
        self._drop_states()

    def _drop_states(self) -> None:
        self._states = _StateRows()
        self._prepared: Optional[_StateRows] = None

    @property
    def person_ids(self) -> List[int]:
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

    def skip_frame(self) -> None:
        """Pass a frame without people, or one that cannot be used."""
        self._frame += 1
        self._forget()

    @torch.no_grad()
    def prepare(self) -> None:
        """Do now what the next frame needs of the last one alone.

        For live video: called between a frame's poses and the next frame,
        while the camera takes that, it makes the time from a frame to its
        poses shorter. Nothing else changes. It may be left out, or called
        more than once. Models that have nothing to prepare do nothing, and
        so does ``compile``, which runs a frame as a whole.
        """
        if (not self.recurrent or self._compiled is not None
                or self._prepared is not None):
            return
        # Those who are to be started need nothing of the last frame.
        keys = [
            key for key in self._states.batch_keys
            if not self._must_start(key[0])
        ]
        if not keys:
            return
        states = self._states.get(keys)
        prepared = self.model.prepare(states)
        if prepared is not states:
            self._prepared = _StateRows()
            self._prepared.put(keys, prepared, ())

    def _known(self, keys: List[tuple]) -> Any:
        """States of some rows for ``step``, prepared ones if all are."""
        rows = self._prepared
        if rows is None or any(key not in rows for key in keys):
            rows = self._states
        return rows.get(keys)

    @torch.no_grad()
    def heatmaps(self,
                 inputs: Tensor,
                 person_ids: Sequence[int],
                 flip_indices: Optional[Sequence[int]] = None) -> Tensor:
        """Heatmaps of the next frame, of a recurrent model.

        Args:
            inputs (Tensor): Normalized crops of N people, (N, 3, H, W).
            person_ids (Sequence[int]): N different ones.
            flip_indices (Sequence[int], optional): For the flip test: where
                the mirrored picture has a joint. ``None``: no flip test.

        Returns:
            Tensor: (N, K, h, w).

        Raises:
            ValueError: Numbers that do not fit, or an id that comes twice.
        """
        ids = [int(person_id) for person_id in person_ids]
        if (len(set(ids)) != len(ids) or len(ids) != len(inputs) or not ids):
            raise ValueError(f'{self.__class__.__name__}: {len(inputs)} crops '
                             'need as many different person ids, at least '
                             f'one, but got {ids}')
        self._frame += 1
        keys = [(person_id, False) for person_id in ids]
        starts = [self._must_start(person_id) for person_id in ids]
        if flip_indices is not None:
            inputs = torch.cat([inputs, inputs.flip(-1)])
            keys += [(person_id, True) for person_id in ids]
            starts = starts * 2
        heatmaps, states = self._advance(inputs, keys, starts)
        # Numpy, which decodes, has no bfloat16.
        heatmaps = heatmaps.float()
        for person_id, start in zip(ids, starts):
            person = self._people.get(person_id)
            age = 1 if start else person.age + 1
            score = 0.0 if start else person.mean_score
            self._people[person_id] = _Person(age, self._frame, score)
        self._forget()
        kept = [(person_id, flip) for person_id in self._people
                for flip in (False, True)]
        self._states.put(keys, states,
                         [key for key in kept if key in self._states])
        self._prepared = None
        if flip_indices is None:
            return heatmaps
        straight, mirrored = heatmaps.chunk(2)
        mirrored = flip_heatmaps(
            mirrored,
            flip_indices=flip_indices,
            flip_mode=self.model.test_cfg.get('flip_mode', 'heatmap'),
            shift_heatmap=self.model.test_cfg.get('shift_heatmap', False))
        return (straight + mirrored) * 0.5

    def _advance(self, inputs: Tensor, keys: List[tuple],
                 starts: List[bool]) -> Tuple[Tensor, Any]:
        """Run the network on all rows; their heatmaps and new states."""
        if self._compiled is not None and not any(starts):
            return self._compiled(inputs, self._states.get(keys))
        model = self.model
        feats = model.extract_feat(inputs[:, None])[:, 0]
        new = [row for row, start in enumerate(starts) if start]
        old = [row for row, start in enumerate(starts) if not start]
        known = None
        if old:
            known = self._known([keys[row] for row in old])
        parts = []
        if new:
            initial = model.initial_heatmaps(_take(inputs, new)[:, None])
            if initial is not None:
                initial = initial[:, 0]
            parts.append(model.start(_take(feats, new), initial))
        if old:
            parts.append(model.step(_take(feats, old), known))
        heatmaps, state = parts[0]
        if len(parts) == 2:
            rows = new + old
            order = [rows.index(row) for row in range(len(rows))]
            heatmaps = _take(torch.cat([part[0] for part in parts]), order)
            state = _map_states(lambda *pair: _take(torch.cat(pair), order),
                                *(part[1] for part in parts))
        return heatmaps, state

    @torch.no_grad()
    def predict(self, data: Sequence[dict],
                person_ids: Sequence[int]) -> SampleList:
        """Keypoints of the next frame's people.

        Args:
            data (Sequence[dict]): N packed crops, as the pipeline of
                :func:`~rpstn_mmpose.apis.frame_pipeline` makes them:
                ``inputs`` 3 x H x W and ``data_samples``.
            person_ids (Sequence[int]): N different ones. Models without a
                state do not use them.

        Returns:
            list[PoseDataSample]: With ``pred_instances`` of one row in
            pixels of the frame, as from the model's ``test_step``.
        """
        if len(data) != len(person_ids):
            raise ValueError(f'{self.__class__.__name__}: {len(data)} crops '
                             f'need as many ids, but got {len(person_ids)}')
        if not len(data):
            self.skip_frame()
            return []
        model = self.model
        if self.takes_clips:
            data = [
                dict(item, inputs=item['inputs'][None]) for item in data
            ]
        if not self.recurrent:
            return model.test_step(pseudo_collate(list(data)))
        batch = model.data_preprocessor(pseudo_collate(list(data)), False)
        samples = batch['data_samples']
        flip_indices = None
        if model.test_cfg.get('flip_test', False):
            flip_indices = samples[0].metainfo['flip_indices']
        heatmaps = self.heatmaps(batch['inputs'][:, 0], person_ids,
                                 flip_indices)
        fields = None
        if model.test_cfg.get('output_heatmaps', False):
            fields = [PixelData(heatmaps=item) for item in heatmaps]
        samples = model.add_pred_to_datasample(
            model.decode_clip(heatmaps[:, None]), fields, samples)
        for person_id, sample in zip(person_ids, samples):
            self._watch(int(person_id),
                        float(sample.pred_instances.keypoint_scores.mean()))
        return samples

    def _watch(self, person_id: int, score: float) -> None:
        """Compare a frame's score with those since the start."""
        person = self._people[person_id]
        if self.collapse_ratio is not None and person.age > 1:
            # Scores are heatmap values, which may be negative.
            person.collapsed = score < max(
                0.0, self.collapse_ratio * person.mean_score)
        person.mean_score += (score - person.mean_score) / person.age
