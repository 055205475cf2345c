# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Read PoseTrack18 files for an evaluation, by the official rules."""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import (Any, Dict, List, Mapping, NamedTuple, Optional, Tuple,
                    Union)

import numpy as np

# The evaluated joints in the official order. Ears are not evaluated.
POSETRACK_JOINTS: Tuple[str, ...] = (
    'right_ankle', 'right_knee', 'right_hip', 'left_hip', 'left_knee',
    'left_ankle', 'right_wrist', 'right_elbow', 'right_shoulder',
    'left_shoulder', 'left_elbow', 'left_wrist', 'neck', 'nose', 'head_top')

# Joints that go by another name in PoseTrack18's files.
POSETRACK_FILE_NAMES: Dict[str, str] = {'neck': 'head_bottom'}

# A head's size is this part of its box's diagonal.
HEAD_SIZE_RATIO = 0.6

# A folder with one JSON file a sequence, or what is in them by file name.
PoseTrackSource = Union[str, os.PathLike, Mapping[str, dict]]


class PoseTrackFrame(NamedTuple):
    """The P people of one image, true or predicted, with J = 15 joints.

    Attributes:
        keypoints: (P, J, 2) float64 pixels, in ``POSETRACK_JOINTS``' order.
        present: (P, J) bool, joints that are annotated or predicted.
        scores: (P, J) float64; ``-inf`` where the file has none.
        track_ids: (P,) of ids, None where the file has none.
        head_sizes: (P,) float64 pixels; NaN where there is no head box.
    """
    keypoints: np.ndarray
    present: np.ndarray
    scores: np.ndarray
    track_ids: List[Optional[int]]
    head_sizes: np.ndarray


# Truth and predictions of one image.
FramePair = Tuple[PoseTrackFrame, PoseTrackFrame]


def load_posetrack_dir(folder: Union[str, os.PathLike]) -> Dict[str, dict]:
    """Read all ``.json`` files of a folder.

    Args:
        folder: With one PoseTrack18 file a sequence.

    Returns:
        dict[str, dict]: What is in them, by file name, sorted.

    Raises:
        FileNotFoundError: No such folder, or no ``.json`` file in it.
        ValueError: A file that is not JSON.
    """
    folder = Path(folder)
    paths = sorted(folder.glob('*.json')) if folder.is_dir() else []
    if not paths:
        problem = 'no .json file in it'
        if not folder.is_dir():
            problem = 'no such folder'
        raise FileNotFoundError(f'{folder}: {problem}; give the folder with '
                                'one PoseTrack18 JSON file a sequence')
    contents = {}
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
        except ValueError as error:
            raise ValueError(f'{path}: not a complete JSON file ({error}); '
                             'write it again') from None
        contents[path.name] = content
    return contents


def posetrack_pairs(gt: PoseTrackSource, pred: PoseTrackSource
                    ) -> Dict[str, List[FramePair]]:
    """Truth and predictions of the frames that are evaluated.

    A frame is evaluated if the truth has people in it; whatever is predicted
    in other frames does not count. An image of which ``pred`` has nothing is
    one without predictions. Joints inside an ignore region of the truth
    (strictly: not on its border) are taken away from both, then people
    without any joint.

    Args:
        gt: Truth: folder, or contents by file name.
        pred: Predictions, with the same file names. Other sequences than
            ``gt``'s are not looked at.

    Returns:
        dict[str, list]: (truth, predictions) of the evaluated frames by file
        name, frames in the order of the truth's ``images``.

    Raises:
        FileNotFoundError: A folder or a sequence is missing.
        ValueError: A file that is torn or that lacks something, a prediction
            of an image that the truth does not have, or not one person in
            the whole truth.
    """
    truths, truth_place = _contents(gt, 'gt')
    preds, pred_place = _contents(pred, 'pred')
    missing = sorted(set(truths) - set(preds))
    if missing:
        raise FileNotFoundError(
            f'{pred_place}: no file {missing[0]} '
            f'({len(missing)} of {len(truths)} sequences of {truth_place} '
            'are missing); predictions go by the same file names as the '
            f'truth, and here are {", ".join(sorted(preds)[:3]) or "none"}')
    pairs = {
        name: _sequence_pairs(truths[name], preds[name],
                              f'{truth_place}/{name}', f'{pred_place}/{name}')
        for name in sorted(truths)
    }
    if not any(pairs.values()):
        raise ValueError(f'{truth_place}: not one person is annotated, so '
                         'there is nothing to compare with')
    return pairs


def _contents(source: PoseTrackSource,
              name: str) -> Tuple[Mapping[str, dict], str]:
    """Contents by file name, and what to call their place in messages."""
    if isinstance(source, Mapping):
        return source, name
    return load_posetrack_dir(source), os.fspath(source).rstrip('/')


def _sequence_pairs(truth: dict, pred: dict, truth_file: str,
                    pred_file: str) -> List[FramePair]:
    images = _list_of(truth, 'images', truth_file)
    people: Dict[Any, List[tuple]] = {
        _value(image, 'id', truth_file): []
        for image in images
    }
    guesses: Dict[Any, List[tuple]] = {number: [] for number in people}
    for content, found, file in ((truth, people, truth_file),
                                 (pred, guesses, pred_file)):
        columns = _joint_columns(content, file)
        for annotation in _list_of(content, 'annotations', file):
            number = _value(annotation, 'image_id', file)
            if number not in found:
                raise ValueError(
                    f'{file}: image_id {number} of an annotation is not '
                    f'among the images of {truth_file}; predictions need the '
                    "truth's image ids")
            found[number].append(
                _person(annotation, columns, file, content is truth))
    pairs = []
    for image in images:
        if people[image['id']]:
            regions = _ignore_regions(image, truth_file)
            pairs.append((_frame(people[image['id']], regions),
                          _frame(guesses[image['id']], regions)))
    return pairs


def _value(entry: Any, key: str, file: str) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise ValueError(f'{file}: no {key!r} in {str(entry)[:80]}; give '
                         "PoseTrack18's JSON format")
    return entry[key]


def _list_of(content: dict, key: str, file: str) -> list:
    value = _value(content, key, file)
    if not isinstance(value, list):
        raise ValueError(f'{file}: {key!r} must be a list, but is a '
                         f'{type(value).__name__}')
    return value


def _joint_columns(content: dict, file: str) -> Tuple[int, List[int]]:
    """Number of joints in the file, and which are ``POSETRACK_JOINTS``."""
    categories = _list_of(content, 'categories', file)
    names = _list_of(categories[0] if categories else None, 'keypoints', file)
    columns = []
    for joint in POSETRACK_JOINTS:
        name = POSETRACK_FILE_NAMES.get(joint, joint)
        if name not in names:
            raise ValueError(f'{file}: no joint {name!r} among the '
                             f"category's keypoints, which are {names}")
        columns.append(names.index(name))
    return len(names), columns


def _person(annotation: dict, columns: Tuple[int, List[int]], file: str,
            is_truth: bool) -> tuple:
    """What ``PoseTrackFrame`` has of one person."""
    number, joints = columns
    _value(annotation, 'keypoints', file)
    where = f'{file}: the annotation of image {annotation["image_id"]}'
    head = annotation.get('bbox_head') if is_truth else None
    track = annotation.get('track_id')
    try:
        points = np.array(annotation['keypoints'], np.float64)
        scores = np.array(
            annotation.get('scores') or [-np.inf] * number, np.float64)
        _, _, width, height = head or [np.nan] * 4
        size = HEAD_SIZE_RATIO * float(np.hypot(width, height))
        track = None if track is None else int(track)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{where} is not in PoseTrack18 format: '
                         f'{error}') from None
    if points.size != 3 * number or scores.size != number:
        raise ValueError(f'{where} has {points.size} numbers in keypoints '
                         f'and {scores.size} scores; it must be '
                         f'{3 * number} and {number}')
    points = points.reshape(number, 3)[joints]
    if not np.isfinite(points[:, :2]).all() or np.isnan(scores).any():
        raise ValueError(f'{where} has a keypoint or a score that is not '
                         'finite; leave a joint out by writing 0, 0, 0')
    # Joints that are not there are zeros. Only in the truth is the third
    # number a flag; in predictions it is whatever the writer wanted.
    present = (points[:, :2] != 0).any(axis=1)
    if is_truth:
        present &= points[:, 2] > 0
    return points[:, :2], present, scores[joints], track, size


def _frame(people: List[tuple],
           regions: List[np.ndarray]) -> PoseTrackFrame:
    kept = []
    for points, present, scores, track, size in people:
        for region in regions:
            present = present & ~_inside(points, region)
        if present.any():
            kept.append((points, present, scores, track, size))
    joints = len(POSETRACK_JOINTS)
    columns = list(zip(*kept)) if kept else [[]] * 5
    return PoseTrackFrame(
        keypoints=np.array(columns[0], np.float64).reshape(-1, joints, 2),
        present=np.array(columns[1], bool).reshape(-1, joints),
        scores=np.array(columns[2], np.float64).reshape(-1, joints),
        track_ids=list(columns[3]),
        head_sizes=np.array(columns[4], np.float64))


def _ignore_regions(image: dict, file: str) -> List[np.ndarray]:
    """Polygons (n, 2); ``ignore_regions_x[i]`` goes with ``..._y[i]``."""
    xs = image.get('ignore_regions_x') or []
    ys = image.get('ignore_regions_y') or []
    try:
        if len(xs) != len(ys):
            raise ValueError(f'{len(xs)} and {len(ys)} polygons')
        return [
            np.array([x, y], np.float64).reshape(2, len(x)).T
            for x, y in zip(xs, ys)
        ]
    except (TypeError, ValueError) as error:
        raise ValueError(f'{file}: ignore_regions_x and ignore_regions_y of '
                         f'image {image["id"]} do not fit: {error}') from None


def _inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which of (J, 2) points lie inside of a closed polygon (n, 2).

    By the number of edges that a ray to the right crosses; points on the
    border are not inside.
    """
    if len(polygon) < 3:
        return np.zeros(len(points), bool)
    x, y = points[:, None, 0], points[:, None, 1]
    (x1, y1), (x2, y2) = polygon.T, np.roll(polygon, -1, axis=0).T
    # Twice the area of the triangle of the point and the edge.
    side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)
    crosses = ((y1 > y) != (y2 > y)) & ((side > 0) == (y2 > y1))
    on_edge = ((side == 0) & (np.minimum(x1, x2) <= x)
               & (x <= np.maximum(x1, x2)) & (np.minimum(y1, y2) <= y)
               & (y <= np.maximum(y1, y2)))
    return (crosses.sum(axis=1) % 2 == 1) & ~on_edge.any(axis=1)
