# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Poses of any method, read from JSON by picture."""

from __future__ import annotations

import os
from typing import Any, Iterator, NamedTuple

import numpy as np

from ...datasets.file_access import read_bytes
from ...datasets.label_fields import MAX_FLOAT32, read_json, shown
from ...structures import box_iou, load_people

PERSON = 1
EXTENT = 1.2
LEAST_SIDE = 20.0
MIN_IOU = 0.3


class GivenPose(NamedTuple):
    """A pose of a file.

    Attributes:
        keypoints: (K, 3): x and y in pixels of the picture, NaN where a joint
            is absent, and its score.
        score: Of the pose.
        bbox: (4,), x1 y1 x2 y2: the file's, else the extent of the joints.
    """

    keypoints: np.ndarray
    score: float
    bbox: np.ndarray


def pose_box(keypoints: np.ndarray, extent: float = EXTENT) -> np.ndarray:
    """The box of a pose (PoseFix, Sec. 5).

    Args:
        keypoints (np.ndarray): (K, 2 or more), pixels; NaN where absent.
        extent (float): Sides of the box, in extents of the joints.

    Returns:
        np.ndarray: (4,) float32, x1 y1 x2 y2; a side without length is 20
        pixels. NaN if no joint is there.

    Examples:
        >>> pose_box(np.array([[10, 50], [20, 50], [np.nan, np.nan]]))
        array([ 9., 40., 21., 60.], dtype=float32)
    """
    there = keypoints[np.isfinite(keypoints[:, 0]), :2]
    if not len(there):
        return np.full(4, np.nan, np.float32)
    low, high = there.min(axis=0), there.max(axis=0)
    half = (high - low) * extent / 2
    half = np.where(half > 0, half, LEAST_SIDE / 2)
    middle = (low + high) / 2
    return np.concatenate([middle - half, middle + half]).astype(np.float32)


def best_match(
    box: np.ndarray, poses: list[GivenPose], min_iou: float = MIN_IOU
) -> GivenPose | None:
    """The pose whose box overlaps most with a box (4,); None: with none."""
    if not poses:
        return None
    overlaps = box_iou(box[None], np.stack([p.bbox for p in poses]))[0]
    best = int(overlaps.argmax())
    return poses[best] if overlaps[best] >= min_iou else None


def read_poses(
    path: str, num_joints: int, first_frame: int = 1
) -> dict[str, list[GivenPose]]:
    """The poses of a file, or of all ``.json`` files of a folder.

    Args:
        path (str): COCO's results (a list of ``image_id``, ``keypoints``
            and ``score``; further entries such as ``bbox`` may be there);
            a PoseTrack file or any other with ``annotations``; or people by
            frame as topdown_video_demo.py writes them, whose pictures are
            called ``VIDEO/FRAME``.
        num_joints (int): K of the data set.
        first_frame (int): Number that the data set gives the first frame of
            a video, for people by frame.

    Returns:
        dict: A list of :class:`GivenPose` by the picture's id, as text.

    Raises:
        OSError: No such file or folder.
        ValueError: Another content, or poses of other joints; one line.
    """
    files = [path]
    if os.path.isdir(path):
        files = sorted(
            os.path.join(path, name)
            for name in os.listdir(path)
            if name.endswith('.json')
        )
        if not files:
            raise FileNotFoundError(f'{path}: the folder has no .json file')
    poses: dict[str, list[GivenPose]] = {}
    for file in files:
        for image, pose in _poses_of(file, num_joints, first_frame):
            poses.setdefault(image, []).append(pose)
    return poses


def _poses_of(
    path: str, num_joints: int, first_frame: int
) -> Iterator[tuple[str, GivenPose]]:
    content = read_json(read_bytes(path), path)
    if isinstance(content, dict) and 'instance_info' in content:
        yield from _of_people(path, num_joints, first_frame)
        return
    entries = content
    if isinstance(content, dict):
        entries = content.get('annotations')
    if not isinstance(entries, list):
        raise ValueError(
            f'{path}: must be a list of poses (COCO results), or have '
            "'annotations' (PoseTrack) or 'instance_info' (people by frame); "
            'give the results file of a pose estimator'
        )
    for number, entry in enumerate(entries):
        what = f'{path}, pose {number}'
        if not isinstance(entry, dict) or 'image_id' not in entry:
            raise ValueError(
                f'{what}: must have image_id, keypoints and score; give the '
                'results file of a pose estimator'
            )
        if entry.get('category_id', PERSON) != PERSON:
            continue
        if entry.get('keypoints') is None:  # a box alone
            continue
        pose = _of_entry(entry, num_joints, what)
        if pose is not None:
            yield str(entry['image_id']), pose


def _of_entry(entry: dict, num_joints: int, what: str) -> GivenPose | None:
    """A pose; None if it has no joint."""
    points = _numbers(entry['keypoints'], 3 * num_joints, 'keypoints', what)
    points = points.reshape(num_joints, 3)
    scores = points[:, 2].copy()
    if entry.get('scores'):  # truth has an empty list
        scores = _numbers(entry['scores'], num_joints, 'scores', what)
    absent = ~points.any(axis=1)
    if absent.all():
        return None
    score = entry.get('score')
    if score is None:
        score = float(np.clip(scores[~absent], 0, 1).mean())
    score = float(_numbers([score], 1, 'score', what)[0])
    if not (scores > 0).any() or scores.max() > 1:  # flags, not scores
        scores = np.full(num_joints, score)
    points = np.column_stack([points[:, :2], scores])
    points[absent] = np.nan, np.nan, 0
    box = entry.get('bbox')
    if box is None:
        box = pose_box(points)
    else:
        x, y, width, height = _numbers(box, 4, 'bbox', what)
        box = np.array([x, y, x + width, y + height], np.float32)
    return GivenPose(points.astype(np.float32), score, box)


def _numbers(value: Any, number: int, key: str, what: str) -> np.ndarray:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    if array.shape == (number,) and (abs(array) <= MAX_FLOAT32).all():
        return array
    wanted = 'a finite number' if number == 1 else f'{number} finite numbers'
    raise ValueError(
        f'{what}: {key} must be {wanted}, but got {shown(value)}; give poses '
        "of the data set's joints"
    )


def _of_people(
    path: str, num_joints: int, first_frame: int
) -> Iterator[tuple[str, GivenPose]]:
    people = load_people(path, required=('keypoints',))
    if people.keypoints.shape[1] != num_joints:
        raise ValueError(
            f'{path}: has poses of {people.keypoints.shape[1]} joints, and '
            f'the data set has {num_joints}; give poses of its joints'
        )
    scores = people.keypoint_scores
    if scores is None:
        scores = np.ones(people.keypoints.shape[:2])
    for row, frame in enumerate(people.frame_ids):
        points = np.column_stack([people.keypoints[row], scores[row]])
        there = np.isfinite(points).all(axis=1)
        if not there.any():
            continue
        points[~there] = np.nan, np.nan, 0
        box = people.bboxes[row]
        if not np.isfinite(box).all():
            box = pose_box(points)
        pose = GivenPose(
            points.astype(np.float32), float(points[there, 2].mean()), box
        )
        yield f'{people.name}/{frame + first_frame}', pose
