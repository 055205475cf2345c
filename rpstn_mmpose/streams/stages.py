# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The steps of a run over a video, each fed a frame at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable, Sequence

import numpy as np
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample, merge_data_samples

from .lifter_stream import LiftedPoses, LifterStream
from .pose_stream import FramePoses, PoseStream
from .shots import ShotTracker, own_ids, shot_ids


@dataclass
class VideoFrame:
    """A frame on its way through the stages.

    Attributes:
        image: (H, W, 3) uint8, BGR.
        index: From 0.
        damaged: What is wrong with it; empty where nothing is. Nothing is
            known of a damaged frame but that time has passed.
        path: Of the image file; empty for videos and cameras.
        time: Seconds since the first frame.
        shot: Number of the shot that it is in, from 0.
        boxes: (N, 5), x1 y1 x2 y2 score, pixels.
        ids: (N,) of the people, once they are tracked, or given.
        sample: ``pred_instances`` with a row for each tracked person, once
            the poses are there.
    """

    image: np.ndarray
    index: int
    damaged: str = ''
    path: str = ''
    time: float = 0.0
    shot: int = 0
    boxes: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 5), np.float32)
    )
    ids: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    sample: Any = None


class Stage(ABC):
    """Takes frames in order and gives each of them on once, in order."""

    def reset(self) -> None:  # noqa: B027
        """Forget the last video."""

    @abstractmethod
    def push(self, item: VideoFrame) -> list[VideoFrame]:
        """Take a frame; give those that are done."""

    def flush(self) -> list[VideoFrame]:
        """Give what is still inside; the video is over."""
        return []


def push_through(
    stages: Sequence[Stage], items: Sequence[VideoFrame]
) -> list[VideoFrame]:
    """Send frames through stages; those that come out."""
    for stage in stages:
        items = [done for item in items for done in stage.push(item)]
    return list(items)


def flush_through(stages: Sequence[Stage]) -> list[VideoFrame]:
    """Empty the stages, from the first to the last."""
    done: list[VideoFrame] = []
    for number, stage in enumerate(stages):
        done += push_through(stages[number + 1 :], stage.flush())
    return done


def sizes_of(boxes: np.ndarray) -> np.ndarray:
    """Longer sides of boxes (N, 4 or more), pixels."""
    return (boxes[:, 2:4] - boxes[:, :2]).max(axis=1, initial=0)


class TrackStage(Stage):
    """Who is who, by the boxes; boxes of nobody are dropped.

    Args:
        tracker (BaseTracker, optional): One that does not use keypoints.
            None: the frames come with ids.
        smoothing (optional): Filter of the boxes' corners.
        fps: Frames a second, for the filter.
    """

    def __init__(self, tracker: Any, smoothing: Any, fps: float) -> None:
        self.tracker = None if tracker is None else ShotTracker(tracker)
        self.smoothing, self.fps = smoothing, fps

    def reset(self) -> None:
        """Forget the last video."""
        if self.tracker is not None:
            self.tracker.reset()
        if self.smoothing is not None:
            self.smoothing.reset()

    def push(self, item: VideoFrame) -> list[VideoFrame]:
        """See :class:`Stage`."""
        boxes = item.boxes
        if item.damaged:
            boxes = boxes[:0]
        ids = item.ids
        if self.tracker is not None:
            ids = self.tracker.update(item.shot, boxes[:, :4], boxes[:, 4])
        item.boxes, item.ids = boxes[ids >= 0], ids[ids >= 0]
        if self.smoothing is None:
            return [item]
        if item.damaged:
            self.smoothing.skip_frame()
        else:
            item.boxes = item.boxes.copy()
            item.boxes[:, :4] = self.smoothing(
                shot_ids(item.ids, item.shot),
                item.boxes[:, :4].reshape(-1, 2, 2),
                self.fps,
                sizes_of(item.boxes),
                item.time,
            ).reshape(-1, 4)
        return [item]


class EstimateStage(Stage):
    """Poses of the people in their boxes, :attr:`PoseStream.delay` frames
    later.

    Args:
        stream (PoseStream): Of the model.
        pipeline (Callable): Makes a packed crop of a frame and a box.
        metainfo (dict): Of the model's joints.
        tracker (BaseTracker, optional): One that uses keypoints, and tracks
            after the poses are known.
    """

    def __init__(
        self,
        stream: PoseStream,
        pipeline: Callable,
        metainfo: dict,
        tracker: Any = None,
    ) -> None:
        self.stream, self.pipeline = stream, pipeline
        self.metainfo = metainfo
        self.tracker = None if tracker is None else ShotTracker(tracker)
        self._waiting: deque[VideoFrame] = deque()

    def reset(self) -> None:
        """Forget the last video."""
        self._waiting.clear()
        self.stream.reset()
        if self.tracker is not None:
            self.tracker.reset()

    def push(self, item: VideoFrame) -> list[VideoFrame]:
        """See :class:`Stage`."""
        self._waiting.append(item)
        if item.damaged:
            return self._finished(self.stream.skip_frame())
        ids = item.ids if self.tracker is None else range(len(item.boxes))
        ids = shot_ids(ids, item.shot)
        return self._finished(self.stream.push(self._crops(item), list(ids)))

    def flush(self) -> list[VideoFrame]:
        """See :class:`Stage`."""
        return self._finished(self.stream.flush())

    def _finished(self, poses: list[FramePoses]) -> list[VideoFrame]:
        return [self._with_poses(self._waiting.popleft(), p) for p in poses]

    def _with_poses(self, item: VideoFrame, poses: FramePoses) -> VideoFrame:
        samples, ids = poses.samples, own_ids(poses.person_ids)
        if self.tracker is not None:
            boxes = item.boxes[: len(samples)]
            points = [s.pred_instances.keypoints[0] for s in samples]
            ids = self.tracker.update(
                item.shot,
                boxes[:, :4],
                boxes[:, 4],
                np.stack(points) if points else np.zeros((0, 1, 2)),
            )
            samples = [s for s, key in zip(samples, ids) if key >= 0]
            ids = ids[ids >= 0]
        item.ids = ids
        if not samples:
            item.sample = nobody(len(self.metainfo['keypoint_id2name']))
            return item
        item.sample = merge_data_samples(samples)
        item.sample.pred_instances.track_ids = ids
        return item

    def _crops(self, item: VideoFrame) -> list[dict]:
        name = item.path or f'{item.index:06d}.jpg'
        return [
            self.pipeline(
                dict(
                    self.metainfo,
                    img=item.image,
                    img_path=name,
                    bbox=box[None, :4],
                    bbox_score=box[4:5],
                )
            )
            for box in item.boxes
        ]


class SmoothStage(Stage):
    """Keypoints filtered over time.

    Args:
        smoothing: Filter, such as ``OneEuroFilter``.
        fps: Frames a second.
    """

    def __init__(self, smoothing: Any, fps: float) -> None:
        self.smoothing, self.fps = smoothing, fps

    def reset(self) -> None:
        """Forget the last video."""
        self.smoothing.reset()

    def push(self, item: VideoFrame) -> list[VideoFrame]:
        """See :class:`Stage`."""
        people = item.sample.pred_instances
        if item.damaged or not len(people):
            self.smoothing.skip_frame()
        else:
            people.keypoints = self.smoothing(
                shot_ids(item.ids, item.shot),
                people.keypoints,
                self.fps,
                sizes_of(people.bboxes),
                item.time,
            )
        return [item]


class LiftStage(Stage):
    """3D poses beside the 2D ones, :attr:`LifterStream.delay` frames later.

    Args:
        stream (LifterStream): Of the lifter.
    """

    def __init__(self, stream: LifterStream) -> None:
        self.stream = stream
        self._waiting: deque[VideoFrame] = deque()

    def reset(self) -> None:
        """Forget the last video."""
        self._waiting.clear()
        self.stream.reset()

    def push(self, item: VideoFrame) -> list[VideoFrame]:
        """See :class:`Stage`."""
        self._waiting.append(item)
        people = item.sample.pred_instances
        return self._finished(
            self.stream.push(
                people.keypoints,
                people.keypoint_scores,
                shot_ids(people.track_ids, item.shot),
                (item.image.shape[0], item.image.shape[1]),
            )
        )

    def flush(self) -> list[VideoFrame]:
        """See :class:`Stage`."""
        return self._finished(self.stream.flush())

    def _finished(self, poses: list[LiftedPoses]) -> list[VideoFrame]:
        done = []
        for lifted in poses:
            item = self._waiting.popleft()
            if len(lifted.person_ids):
                people = item.sample.pred_instances
                people.keypoints_3d = lifted.keypoints_3d
            done.append(item)
        return done


class BridgeStage(Stage):
    """A damaged frame shows the picture's last poses.

    Args:
        num_joints: K of the model.
    """

    def __init__(self, num_joints: int) -> None:
        self.num_joints = num_joints
        self.reset()

    def reset(self) -> None:
        """Forget the last video."""
        self._last = nobody(self.num_joints)

    def push(self, item: VideoFrame) -> list[VideoFrame]:
        """See :class:`Stage`."""
        if item.damaged:
            item.sample = self._last
        self._last = item.sample
        return [item]


def nobody(num_joints: int) -> PoseDataSample:
    """A sample of no people."""
    return PoseDataSample(
        pred_instances=InstanceData(
            keypoints=np.zeros((0, num_joints, 2), np.float32),
            keypoint_scores=np.zeros((0, num_joints), np.float32),
            bboxes=np.zeros((0, 4), np.float32),
            bbox_scores=np.zeros(0, np.float32),
            track_ids=np.zeros(0, int),
        )
    )
