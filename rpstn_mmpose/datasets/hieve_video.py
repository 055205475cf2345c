# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What HiEve's label files tell of a video, taken apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple, Sequence

import numpy as np

from .label_fields import is_place
from .posetrack_label import BOX_MARGIN, add_label
from .posetrack_video import PersonLabel, PoseTrackVideo

# In the order of the label files' ids.
HIEVE_JOINTS = (
    'nose',
    'chest',
    'right_shoulder',
    'right_elbow',
    'right_wrist',
    'left_shoulder',
    'left_elbow',
    'left_wrist',
    'right_hip',
    'right_knee',
    'right_ankle',
    'left_hip',
    'left_knee',
    'left_ankle',
)
# In the order of their numbers, from 1.
HIEVE_ACTIONS = (
    'walking-alone',
    'walking-together',
    'running-alone',
    'running-together',
    'riding',
    'sitting-talking',
    'sitting-alone',
    'queuing',
    'standing-alone',
    'gathering',
    'fighting',
    'fall-over',
    'walking-up-down-stairs',
    'crouching-bowing',
)
ANOMALOUS_ACTIONS = ('fighting', 'fall-over', 'crouching-bowing')

_TRAIN = tuple(range(1, 20))
_VAL4 = (3, 7, 8, 17)
# Numbers of videos by split. RPSTN's model selection trains on 15 of the 19
# videos that have labels, and validates on the other 4.
HIEVE_VIDEOS: dict[str, tuple[int, ...]] = {
    'train15': tuple(video for video in _TRAIN if video not in _VAL4),
    'val4': _VAL4,
    'train': _TRAIN,
    'test': tuple(range(20, 33)),
}


def hieve_image_id(video: int, frame: int) -> int:
    """Number of an image in this package: video, then 6 digits of the frame.

    HiEve gives its images no numbers.

    Example:
        >>> hieve_image_id(3, 20)
        3000020
    """
    return video * 10**6 + frame


def check_videos(videos: Sequence[int], owner: str) -> tuple[int, ...]:
    """Numbers of videos that there are, each once.

    Args:
        videos: As a user gave them.
        owner: Who asks, for the message.

    Raises:
        ValueError: None, one twice, or one that HiEve does not have.
    """
    known = _TRAIN + HIEVE_VIDEOS['test']
    if not videos or len(set(videos)) != len(videos):
        raise ValueError(
            f'{owner}: videos must be numbers of different videos, but got '
            f'{list(videos)}'
        )
    for video in videos:
        if video not in known:
            raise ValueError(
                f'{owner}: there is no video {video!r} in HiEve; its videos '
                f'are {known[0]} to {known[-1]}'
            )
    return tuple(videos)


@dataclass
class HiEveVideo(PoseTrackVideo):
    """One video; every listed frame is labelled.

    Attributes:
        actions: Frame number to what people do in it
            (``HIEVE_ACTIONS``), for the frames with labels of actions.
        scores: How often each score of a joint was met in the file, see
            :func:`~rpstn_mmpose.datasets.hieve_label.parse_poses`.
    """

    actions: dict[int, set[str]]
    scores: Counter

    @property
    def by_frame(self) -> list[list[PersonLabel]]:
        """The labels of each frame, in order of people."""
        frames: list[list[PersonLabel]] = [[] for _ in self.frame_ids]
        for key in sorted(self.people):
            for label in self.people[key]:
                frames[label.row].append(label)
        return frames


class FrameLabel(NamedTuple):
    """One person in a frame, as a file has it.

    Attributes:
        track_id: HiEve's number of the person.
        bbox: (4,), x1 y1 x2 y2; None: not told.
        points: (K, 2) pixels; NaN where not annotated.
        visible: (K,) bool.
        action: One of ``HIEVE_ACTIONS``; None: not told.
    """

    track_id: int
    bbox: np.ndarray | None
    points: np.ndarray
    visible: np.ndarray
    action: str | None = None


def nobody(track_id: int, bbox: np.ndarray | None) -> FrameLabel:
    """Somebody of whom no joint is annotated (yet)."""
    joints = len(HIEVE_JOINTS)
    return FrameLabel(
        track_id, bbox, np.full((joints, 2), np.nan), np.zeros(joints, bool)
    )


def one_of(value: Any) -> Any:
    """A value that may be in a list of its own."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


class ListedFrame(NamedTuple):
    """One frame, as a file has it.

    Attributes:
        file_name: Of the picture, without folder.
        size: Width and height, pixels; None: not told.
        people: In the file's order.
        ignored: Polygons (m, 2) of people who do not count.
    """

    file_name: str
    size: tuple[int, int] | None
    people: list[FrameLabel]
    ignored: list[np.ndarray]


def make_video(
    number: int,
    frames: dict[int, ListedFrame],
    repairs: Counter,
    scores: Counter | None = None,
) -> HiEveVideo:
    """Put the frames of a video in order, and mend its labels.

    Args:
        number: Of the video.
        frames: By frame number.
        repairs: What was irregular so far, by kind; it becomes the video's.
        scores: See :class:`HiEveVideo`.

    Returns:
        HiEveVideo: Its joints are finite, its boxes inside the picture where
        the size is told.
    """
    numbers = sorted(frames)
    listed = [frames[frame] for frame in numbers]
    ids = [hieve_image_id(number, frame) for frame in numbers]
    video = HiEveVideo(
        video_id=str(number),
        frame_ids=numbers,
        image_ids=ids,
        file_names=[f'{number}/{frame.file_name}' for frame in listed],
        sizes=np.array([frame.size or (0, 0) for frame in listed]).reshape(
            -1, 2
        ),
        labelled=np.ones(len(listed), bool),
        ignore_regions={
            i: f.ignored for i, f in zip(ids, listed) if f.ignored
        },
        people={},
        repairs=repairs,
        actions={},
        scores=scores if scores is not None else Counter(),
    )
    for row, (frame_id, frame) in enumerate(zip(numbers, listed)):
        for person in frame.people:
            if person.action is not None:
                video.actions.setdefault(frame_id, set()).add(person.action)
            _add_person(video, row, person, frame.size)
    return video


def _add_person(
    video: HiEveVideo,
    row: int,
    person: FrameLabel,
    size: tuple[int, int] | None,
) -> None:
    there = ~np.isnan(person.points).any(axis=1)
    labeled = there & is_place(person.points).all(axis=1)
    video.repairs['joints not finite'] += int((there & ~labeled).sum())
    label = PersonLabel(
        row,
        person.bbox,
        np.where(labeled[:, None], person.points, 0.0),
        labeled & person.visible,
        labeled,
    )
    add_label(video, person.track_id, label, size, BOX_MARGIN)
