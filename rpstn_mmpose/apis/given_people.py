# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Put the people of a file and the frames of their video together."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Mapping

import cv2
import numpy as np
from tqdm import tqdm

from ..datasets.datasets.video_clip_dataset import video_id
from ..structures import VideoPeople
from .video_io import FrameSource


def write_frames(
    people: VideoPeople, source: FrameSource, video: str, folder: str
) -> VideoPeople:
    """Write the frames that show people as pictures, without loss.

    Args:
        people: From a file; if ``listed``, the file must have all frames.
        source: The video, from :func:`~rpstn_mmpose.apis.open_source`.
        video: Its path, for messages.
        folder: For the pictures.

    Returns:
        VideoPeople: With ``img_paths``, name, size and damaged frames of the
        video, as :class:`~rpstn_mmpose.datasets.VideoClipDataset` takes it.

    Raises:
        OSError: A picture cannot be written.
        ValueError: Nobody is there, no frame can be decoded, or the people
            are of another video.
    """
    if not len(people):
        raise ValueError(f'{people.source}: no person in any frame')
    wanted = set(people.frame_ids.tolist())
    paths, damaged = [], []
    for frame in tqdm(source, desc='frames', unit='frame', disable=None):
        path = ''
        if frame.index in wanted:
            path = os.path.join(folder, f'{frame.index:06d}.png')
            compression = [cv2.IMWRITE_PNG_COMPRESSION, 1]
            if not cv2.imwrite(path, frame.image, compression):
                raise OSError(f'{path} cannot be written')
        if frame.damaged:
            damaged.append(frame.index)
        paths.append(path)
    if len(damaged) == len(paths):
        raise ValueError(
            f'{video}: none of its {len(paths)} frames can be decoded'
        )
    size = tuple(source.size)
    _check_same_video(people, video, size, len(paths))
    return replace(
        people,
        name=source.name,
        img_paths=np.array([paths[frame] for frame in people.frame_ids]),
        size=size,
        damaged=damaged,
    )


def _check_same_video(
    people: VideoPeople, video: str, size: tuple[int, ...], count: int
) -> None:
    """Refuse people of another size, or with other frames.

    Raises:
        ValueError: See above.
    """
    told = people.size or size
    if told != size:
        raise ValueError(
            f'{people.source} is of another video: of {told[0]}x{told[1]} '
            f'pixels, but {video} has {size[0]}x{size[1]}'
        )
    frames = list(people.frames)
    number = len(frames) if people.listed else max(frames) + 1
    if number > count or (people.listed and frames != list(range(count))):
        raise ValueError(
            f'{people.source} is of another video: it has {number} frames, '
            f'but {video} has {count}'
        )


def with_poses(
    people: VideoPeople, poses: Mapping[str, VideoPeople]
) -> VideoPeople:
    """Predicted poses in place of people's own.

    Args:
        people: Of a video.
        poses: What :func:`~rpstn_mmpose.visualization.predict_videos` gave
            for it.

    Returns:
        VideoPeople: Without poses in frames that have no prediction, i.e.
        damaged ones.
    """
    joints = next(iter(poses.values())).joints
    points = np.full((len(people), len(joints), 2), np.nan)
    for row, (frame, person) in enumerate(
        zip(people.frame_ids, people.track_ids)
    ):
        found = poses.get(video_id(people, person))
        if found is not None and frame in found.frame_ids:
            points[row] = found.at(frame).keypoints[0, :, :2]
    return replace(
        people,
        keypoints=points,
        joints=joints,
        keypoints_visible=None,
        keypoints_labeled=None,
    )
