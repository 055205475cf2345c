# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Labels of a few frames of a video carried over to the frames between."""

from __future__ import annotations

import copy
import os
from collections import defaultdict
from dataclasses import replace
from typing import Any, Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from torch import Tensor

from ...apis.crop_pipeline import frame_pipeline
from ...apis.person_detector import load_matching_weights
from ...apis.pose_config import metainfo_from_config, resolve_config
from .sparse_labels import (
    LIMIT,
    STEP,
    Link,
    Pose,
    Poses,
    box_at,
    from_neighbours,
    merge_sides,
    plan_links,
)

PICTURES = ('warp', 'image')
METHODS = (*PICTURES, 'interpolate', 'repeat')
SIDES = ('nearest', 'both')


class LabelPropagator:
    """Carries labels over to other frames with a PoseWarper.

    As in its paper, the heatmaps of the label are warped by the difference
    of the model's own heatmaps of both frames, in the crop of the label. The
    score of a joint is the height at which its peak arrives, 1 for a label
    that arrives whole. Labels of frames farther away come in several steps.

    Places are kept to a fraction of a heatmap's pixel: where the model's
    codec is ``MSRAHeatmap``, its unbiased form is used.

    Args:
        model (nn.Module): A PoseWarper, in evaluation mode.
        pipeline (Callable): Makes a packed crop of a frame and a box; see
            :func:`~rpstn_mmpose.apis.frame_pipeline`.
        metainfo (dict): Of the model's joints.
        method (str): ``'warp'``, or as a baseline ``'interpolate'``,
            ``'repeat'`` (see :func:`from_neighbours`) or ``'image'``: what
            the image model says of each frame by itself.
        sides (str): See :func:`plan_links`.
        step (int): See there.
        limit (int): See there.

    Raises:
        ValueError: An unknown method, a number below 1, or a model that warps
            no heatmaps.
    """

    def __init__(
        self,
        model: Any,
        pipeline: Callable,
        metainfo: dict,
        method: str = 'warp',
        sides: str = 'both',
        step: int = STEP,
        limit: int = LIMIT,
    ) -> None:
        if method not in METHODS or sides not in SIDES:
            raise ValueError(
                f'{type(self).__name__}: method must be one of {METHODS} and '
                f'sides one of {SIDES}, but got {method!r} and {sides!r}'
            )
        if min(step, limit) < 1:
            raise ValueError(
                f'{type(self).__name__}: step and limit must be at least 1, '
                f'but got {step} and {limit}'
            )
        self.model, self.pipeline, self.metainfo = model, pipeline, metainfo
        self.method, self.sides = method, sides
        self.step, self.limit = step, limit
        if not self.needs_pictures:
            return
        if not hasattr(model, 'warper'):
            raise ValueError(
                f'{type(model).__name__} does not warp heatmaps; give the '
                'config and checkpoint of a PoseWarper'
            )
        self.codec: Any = copy.copy(self.model.head.decoder)
        if hasattr(self.codec, 'unbiased'):
            self.codec.unbiased = True

    @property
    def needs_pictures(self) -> bool:
        """Whether it is more than arithmetic on the labels."""
        return self.method in PICTURES

    def __call__(
        self,
        frames: Iterable[Any],
        people: Mapping[int, Poses],
        num_frames: int,
    ) -> dict[int, dict[int, Pose]]:
        """Label the frames between.

        Args:
            frames: Of the video, in order, each with ``image`` (H, W, 3) and
                ``index`` from 0; they are read once, and what is kept of them
                does not reach farther than from label to label.
            people: Labels by person and frame.
            num_frames: Of the video.

        Returns:
            dict[int, dict[int, Pose]]: By person and frame; labels are as
            they were given.
        """
        if not self.needs_pictures:
            return {
                person: {
                    **from_neighbours(
                        labels, num_frames, self.method, self.limit
                    ),
                    **labels,
                }
                for person, labels in people.items()
            }
        runs = {
            person: _Person(self, labels, num_frames)
            for person, labels in people.items()
        }
        for frame in frames:
            work = [
                (run, anchor)
                for run in runs.values()
                for anchor in run.crops_of(frame.index)
            ]
            if work:
                boxes = [run.box(anchor) for run, anchor in work]
                self._look(frame, work, boxes)
            for run in runs.values():
                run.frame_done(frame.index)
            if not any(run.waits for run in runs.values()):
                break
        for run in runs.values():
            run.finish()
        return {person: run.poses for person, run in runs.items()}

    @torch.no_grad()
    def _look(
        self, frame: Any, work: Sequence[tuple], boxes: Sequence[np.ndarray]
    ) -> None:
        """Heatmaps of a frame in the crops of anchors."""
        items = []
        for box in boxes:
            item = self.pipeline(
                dict(
                    self.metainfo,
                    img=frame.image,
                    img_path=f'{frame.index:06d}.jpg',
                    bbox=box[None].astype(np.float32),
                    bbox_score=np.ones(1, np.float32),
                )
            )
            items.append(dict(item, inputs=item['inputs'][None]))
        batch = self.model.data_preprocessor(pseudo_collate(items), False)
        maps = self.model.frame_features(batch['inputs'][:, 0])[-1]
        for (run, anchor), one, sample in zip(
            work, maps, batch['data_samples']
        ):
            run.maps[anchor, frame.index] = one
            run.places[anchor] = tuple(
                np.reshape(sample.metainfo[key], 2).astype(np.float64)
                for key in ('input_center', 'input_scale')
            )

    def decode(
        self, maps: Tensor, place: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Places in the frame (K, 2) and scores (K,), of heatmaps of a crop
        with a centre and a size.
        """
        with np.errstate(invalid='ignore'):  # maps of joints without label
            points, scores = self.codec.decode(maps.float().cpu().numpy())
        center, size = place
        points = points[0] / self.codec.input_size * size + center - size / 2
        return points, np.clip(scores[0], 0, 1)

    def encode(
        self, pose: Pose, place: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """Heatmaps (K, h, w) of a pose in a crop."""
        center, size = place
        points = (pose.keypoints - center + size / 2) / size
        encoded = self.codec.encode(
            (points * self.codec.input_size)[None].astype(np.float32),
            pose.labeled[None].astype(np.float32),
        )
        return encoded['heatmaps']


def load_propagator(
    config: str | os.PathLike | Config,
    checkpoint: str | None,
    device: str | None = None,
    **options: Any,
) -> LabelPropagator:
    """A propagator with the model of a config.

    Args:
        config: Path or recipe's name.
        checkpoint: Its weights. ``None``: for methods that need no pictures.
        device: E.g. ``'cuda:0'``. ``None``: cuda where there is one.
        options: See :class:`LabelPropagator`.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A checkpoint of another model, or of stage 1 alone; one
            that is missing or would do nothing; see also
            :class:`LabelPropagator`.
    """
    config = resolve_config(config)
    if not isinstance(config, Config):
        config = Config.fromfile(config)
    init_default_scope(config.get('default_scope', 'mmpose'))
    metainfo = metainfo_from_config(config)
    method = options.get('method', 'warp')
    if (method in PICTURES) != (checkpoint is not None):
        raise ValueError(
            f'the method {method!r} '
            + ('needs a checkpoint' if checkpoint is None else 'needs none')
        )
    model = None
    if checkpoint is not None:
        where = config.filename or 'the config'
        own = dict(config.model)
        own.pop('image_pretrained', None)
        model = revert_sync_batchnorm(MODELS.build(own))
        load_matching_weights(model, checkpoint, where)
        if device is None:
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        model = model.to(device).eval()
    return LabelPropagator(model, frame_pipeline(config), metainfo, **options)


class _Person:
    """The work on one person, from label to label."""

    def __init__(
        self, owner: LabelPropagator, labels: Poses, num_frames: int
    ) -> None:
        self.owner = owner
        self.labels = dict(labels)
        self.poses: dict[int, Pose] = dict(labels)
        self.maps: dict[tuple[int, int], Tensor] = {}
        self.places: dict[int, tuple] = {}
        links = plan_links(
            sorted(labels), num_frames, owner.step, owner.limit, owner.sides
        )
        if owner.method == 'image':
            links = [link._replace(anchor=link.frame) for link in links]
        self._crops: dict[int, set[int]] = defaultdict(set)
        # Links by the last frame that they and those they build on need.
        self._due: dict[int, list[Link]] = defaultdict(list)
        for link in links:
            self._crops[link.frame].add(link.anchor)
            self._crops[link.anchor].add(link.anchor)
            self._due[self._end(link.frame, num_frames)].append(link)

    def _end(self, frame: int, num_frames: int) -> int:
        """The next label's frame, at which all between can be done."""
        after = [label for label in self.labels if label > frame]
        last = max(self.labels) + self.owner.step
        return min(after, default=min(last, num_frames - 1))

    @property
    def waits(self) -> bool:
        """Whether frames are still to come that matter."""
        return bool(self._due)

    def crops_of(self, frame: int) -> list[int]:
        """Anchors in whose crops a frame is looked at."""
        return sorted(self._crops.get(frame, ()))

    def box(self, anchor: int) -> np.ndarray:
        """Of the crop around an anchor's person."""
        return box_at(self.labels, anchor)

    def frame_done(self, frame: int) -> None:
        """Do what can be done now that a frame was looked at."""
        links = self._due.pop(frame, None)
        if links is not None:
            self._label(links)
            # What is behind it needs the label at its start alone.
            self.maps = {
                key: maps
                for key, maps in self.maps.items()
                if min(key) >= frame
            }

    def finish(self) -> None:
        """The video is over, earlier than was said."""
        for links in self._due.values():
            reached = {(label, label) for label in self.labels}
            possible = []
            for link in links:
                if (link.label, link.anchor) in reached and {
                    (link.anchor, link.frame),
                    (link.anchor, link.anchor),
                } <= set(self.maps):
                    reached.add((link.label, link.frame))
                    possible.append(link)
            self._label(possible)

    def _label(self, links: Sequence[Link]) -> None:
        """The frames between two labels, or at an end."""
        found: dict[int, list[tuple[int, Pose]]] = defaultdict(list)
        steps: dict[tuple[int, int], Pose] = {
            (label, label): pose for label, pose in self.labels.items()
        }
        levels = defaultdict(list)
        for link in links:
            levels[abs(link.anchor - link.label)].append(link)
        for distance in sorted(levels):
            for link, pose in zip(
                levels[distance], self._reached(levels[distance], steps)
            ):
                steps[link.label, link.frame] = pose
                away = abs(link.frame - link.label)
                found[link.frame].append((away, pose))
        for number, sides in found.items():
            self.poses[number] = merge_sides(sides)

    @torch.no_grad()
    def _reached(
        self, links: Sequence[Link], steps: Mapping[tuple[int, int], Pose]
    ) -> list[Pose]:
        """Poses at the ends of steps."""
        owner = self.owner
        there = [self.maps[link.anchor, link.frame] for link in links]
        if owner.method == 'image':
            warped = torch.stack(there)
            starts = [self.labels[link.label] for link in links]
        else:
            here = [self.maps[link.anchor, link.anchor] for link in links]
            starts = [steps[link.label, link.anchor] for link in links]
            sources = np.stack(
                [
                    owner.encode(pose, self.places[link.anchor])
                    for pose, link in zip(starts, links)
                ]
            )
            warped = owner.model.warper(
                torch.stack(there) - torch.stack(here),
                torch.from_numpy(sources).to(there[0]),
            )
        poses = []
        for link, start, maps in zip(links, starts, warped):
            points, scores = owner.decode(maps, self.places[link.anchor])
            scores = scores * start.labeled
            if owner.method == 'warp':
                scores = scores * start.scores
            found = scores > 0
            poses.append(
                replace(
                    start,
                    bbox=self.box(link.frame),
                    keypoints=np.where(
                        found[:, None], points, start.keypoints
                    ),
                    scores=scores,
                    given=False,
                )
            )
        return poses
