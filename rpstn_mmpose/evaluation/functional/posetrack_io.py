# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Read PoseTrack18 files for an evaluation, by the official rules."""

from __future__ import annotations

import json
import os
import os.path as osp
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Tuple, Union

import numpy as np

from ...datasets.file_access import is_hidden
from ...datasets.label_fields import (
    file_name_of,
    is_place,
    list_field,
    numbers,
    shown,
    whole_number,
)
from ...datasets.posetrack_fields import (
    ignore_polygons,
    joint_names,
    keypoint_rows,
)
from .polygons import inside_polygon

# The evaluated joints in the official order. Ears are not evaluated.
POSETRACK_JOINTS = tuple(
    'right_ankle right_knee right_hip left_hip left_knee left_ankle '
    'right_wrist right_elbow right_shoulder left_shoulder left_elbow '
    'left_wrist neck nose head_top'.split()
)

# Joints that go by another name in PoseTrack18's files.
POSETRACK_FILE_NAMES: dict[str, str] = {'neck': 'head_bottom'}

# A head's size is this part of its box's diagonal.
HEAD_SIZE_RATIO = 0.6

# Of joints whose file has no scores.
LOWEST_SCORE = -9999.0

# A folder with one JSON file a sequence, or what is in them by file name.
PoseTrackSource = Union[str, os.PathLike, Mapping[str, dict]]


class PoseTrackFrame(NamedTuple):
    """The P people of one image, true or predicted, with J = 15 joints.

    Attributes:
        keypoints: (P, J, 2) float64 pixels, in ``POSETRACK_JOINTS``' order.
        present: (P, J) bool, joints that are annotated or predicted; there
            may be people without any.
        scores: (P, J) float64; ``LOWEST_SCORE`` where the file has none.
        track_ids: (P,) of ids, None where the file has none.
        head_sizes: (P,) float64 pixels; NaN for predictions.
    """

    keypoints: np.ndarray
    present: np.ndarray
    scores: np.ndarray
    track_ids: list[int | None]
    head_sizes: np.ndarray


# Truth and predictions of one image.
FramePair = Tuple[PoseTrackFrame, PoseTrackFrame]


class _Side(NamedTuple):
    """The truth or the predictions in a file."""

    file: str
    is_truth: bool
    tracked: bool  # whether track ids matter
    number: int  # of joints in the file
    columns: list[int]  # which of them are POSETRACK_JOINTS


class _Person(NamedTuple):
    """What ``PoseTrackFrame`` has of one person."""

    keypoints: np.ndarray
    present: np.ndarray
    scores: np.ndarray
    track_id: int | None
    head_size: float


def load_posetrack_dir(folder: str | os.PathLike) -> dict[str, dict]:
    """Read all ``.json`` files of a folder, but for hidden ones.

    Args:
        folder: With one PoseTrack18 file a sequence.

    Returns:
        dict[str, dict]: What is in them, by file name, sorted.

    Raises:
        FileNotFoundError: No such folder, or no ``.json`` file in it.
        ValueError: A file that is not JSON.
    """
    folder = Path(folder)
    paths = sorted(
        path for path in folder.glob('*.json') if not is_hidden(path.name)
    )
    if not paths:
        problem = 'no .json file in it'
        if not folder.is_dir():
            problem = 'no such folder'
        raise FileNotFoundError(
            f'{folder}: {problem}; give the folder with '
            'one PoseTrack18 JSON file a sequence'
        )
    contents = {}
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f'{path}: not a complete JSON file ({error}); write it again'
            ) from None
        contents[path.name] = content
    return contents


def posetrack_sequences(
    gt: PoseTrackSource, pred: PoseTrackSource, tracked: bool = False
) -> list[tuple[str, list[FramePair]]]:
    """Truth and predictions of the frames that are evaluated.

    A frame is evaluated if the truth has people in it; whatever is predicted
    in other frames does not count. An image of which ``pred`` has nothing is
    one without predictions, and an image that the truth lists twice is two
    frames. Joints are there unless place and third number are all 0. Those
    inside an ignore region of the truth (strictly: not on its border) are
    taken away from both sides, and then, in images with such a region,
    people without any joint. An annotation whose list of keypoints is empty
    (PoseTrack21 has boxes alone) is nobody.

    Args:
        gt: Truth: folder, or contents by file name. A file may hold several
            sequences, each with an image folder of its own.
        pred: Predictions, with the same file names. Other sequences than
            ``gt``'s are not looked at.
        tracked: Whether predicted track ids must differ within an image.

    Returns:
        list[tuple]: File name and (truth, predictions) of the evaluated
        frames in the order of the truth's ``images``, of each sequence.

    Raises:
        FileNotFoundError: A folder or a sequence is missing.
        ValueError: A file that is torn or that lacks something, a true
            person with joints and without head box, a prediction of an image
            that the truth does not have, a track id twice in an image, or
            not one person in the whole truth.
    """
    truths, truth_place = _contents(gt, 'gt')
    preds, pred_place = _contents(pred, 'pred')
    missing = sorted(set(truths) - set(preds))
    if missing:
        raise FileNotFoundError(
            f'{pred_place}: no file {missing[0]} '
            f'({len(missing)} of {len(truths)} sequences of {truth_place} '
            'are missing); predictions go by the same file names as the '
            f'truth, and here are {", ".join(sorted(preds)[:3]) or "none"}'
        )
    sequences: list[tuple[str, list[FramePair]]] = []
    for name in sorted(truths):
        truth = _side(truths[name], f'{truth_place}/{name}', True, False)
        guess = _side(preds[name], f'{pred_place}/{name}', False, tracked)
        sequences += [
            (name, pairs)
            for pairs in _file_pairs(truths[name], truth, preds[name], guess)
        ]
    if not any(pairs for _, pairs in sequences):
        raise ValueError(
            f'{truth_place}: not one person is annotated, so '
            'there is nothing to compare with'
        )
    return sequences


def _contents(
    source: PoseTrackSource, name: str
) -> tuple[Mapping[str, dict], str]:
    """Contents by file name, and what to call their place in messages."""
    if isinstance(source, Mapping):
        return source, name
    return load_posetrack_dir(source), os.fspath(source).rstrip('/')


def _file_pairs(
    truth: dict, truth_side: _Side, pred: dict, pred_side: _Side
) -> list[list[FramePair]]:
    """The sequences of a file, in the order of their first images."""
    listed: list[int] = []
    images: dict[int, dict] = {}
    for image in _list_of(truth, 'images', truth_side.file):
        number = whole_number(
            _value(image, 'id', truth_side.file),
            "'id' of an image",
            truth_side.file,
        )
        listed.append(number)
        # The official program asks the first entry with an id only.
        images.setdefault(number, image)
    people = _people(truth, truth_side, images, truth_side.file)
    guesses = _people(pred, pred_side, images, truth_side.file)
    sequences: dict[str, list[FramePair]] = {}
    for number in listed:
        image = images[number]
        folder = ''
        if image.get('file_name') is not None:
            folder = osp.dirname(file_name_of(image, truth_side.file))
        pairs = sequences.setdefault(folder, [])
        if people[number]:
            regions = ignore_polygons(image, truth_side.file)
            # One without corners is a region, too.
            ignoring = bool(image.get('ignore_regions_x'))
            frame = _frame(people[number], regions, ignoring)
            sizes = frame.head_sizes[frame.present.any(axis=1)]
            if np.isnan(sizes).any():
                raise ValueError(
                    f'{truth_side.file}: a person of image {number} has no '
                    "'bbox_head', whose size is the unit of all distances; "
                    'take the annotations that PoseTrack evaluates with'
                )
            pairs.append((frame, _frame(guesses[number], regions, ignoring)))
    return list(sequences.values())


def _value(entry: Any, key: str, file: str) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise ValueError(
            f'{file}: no {key!r} in {shown(entry)}; give '
            "PoseTrack18's JSON format"
        )
    return entry[key]


def _list_of(content: dict, key: str, file: str) -> list:
    value = _value(content, key, file)
    if not isinstance(value, list):
        raise ValueError(
            f'{file}: {key!r} must be a list, but is a {type(value).__name__}'
        )
    return value


def _side(content: dict, file: str, is_truth: bool, tracked: bool) -> _Side:
    _list_of(content, 'categories', file)
    names = joint_names(content, file)
    if names is None:
        raise ValueError(
            f"{file}: no 'keypoints' in its categories; give "
            "PoseTrack18's JSON format"
        )
    columns = []
    for joint in POSETRACK_JOINTS:
        name = POSETRACK_FILE_NAMES.get(joint, joint)
        if name not in names:
            raise ValueError(
                f'{file}: no joint {name!r} among the '
                f"category's keypoints, which are {shown(names)}"
            )
        columns.append(names.index(name))
    return _Side(file, is_truth, tracked, len(names), columns)


def _people(
    content: dict, side: _Side, images: dict[int, dict], truth_file: str
) -> dict[int, list[_Person]]:
    """The people by image."""
    found: dict[int, list[_Person]] = {number: [] for number in images}
    if side.is_truth:
        annotations = list_field(content, 'annotations', 'the file', side.file)
    else:
        annotations = _list_of(content, 'annotations', side.file)
    for annotation in annotations:
        number = whole_number(
            _value(annotation, 'image_id', side.file),
            "'image_id' of an annotation",
            side.file,
        )
        if number not in found:
            raise ValueError(
                f'{side.file}: image_id {number} of an annotation is not '
                f'among the images of {truth_file}; predictions need the '
                "truth's image ids"
            )
        person = _person(annotation, number, side)
        if person is None:
            continue
        if (
            side.tracked
            and person.track_id is not None
            and any(
                person.track_id == other.track_id for other in found[number]
            )
        ):
            place = images[number].get('file_name')
            raise ValueError(
                f'{side.file}: track_id {person.track_id} is there twice in '
                f'image {number}{f" ({shown(place)})" if place else ""}; '
                'give each person of a frame a number of its own'
            )
        found[number].append(person)
    return found


def _person(annotation: dict, number: int, side: _Side) -> _Person | None:
    """None: no keypoints, which is nobody."""
    what = f'an annotation of image {number}'
    rows = keypoint_rows(annotation, side.number, what, side.file)
    if rows is None:
        return None
    rows = rows[side.columns]
    scores = np.full(len(rows), LOWEST_SCORE)
    if not side.is_truth and list_field(annotation, 'scores', what, side.file):
        scores = numbers(
            annotation['scores'], f"'scores' of {what}", side.file
        )
        if len(scores) != side.number:
            raise ValueError(
                f'{side.file}: {what} has {len(scores)} scores; '
                f'it must be {side.number}, one a joint'
            )
        scores = scores[side.columns]
    if not np.isfinite(rows[:, :2]).all() or np.isnan(scores).any():
        raise ValueError(
            f'{side.file}: {what} has a keypoint or a score that '
            'is not finite; leave a joint out by writing 0, 0, 0'
        )
    # The third number is no more than that: a joint that is annotated as
    # not visible counts, too, and so does a visible one at 0, 0.
    present = (rows != 0).any(axis=1)
    size = _head_size(annotation, what, side) if side.is_truth else np.nan
    track = annotation.get('track_id')
    if track is not None:
        track = whole_number(track, f"'track_id' of {what}", side.file)
    return _Person(rows[:, :2], present, scores, track, size)


def _head_size(annotation: dict, what: str, side: _Side) -> float:
    """Of a true person, pixels; 0 of an empty box, NaN without one."""
    given = list_field(annotation, 'bbox_head', what, side.file)
    if not given:
        return np.nan
    box = numbers(given, f"'bbox_head' of {what}", side.file)
    if len(box) != 4 or not is_place(box).all():
        raise ValueError(
            f"{side.file}: 'bbox_head' of {what} must be x, y, "
            f'width and height, but is {shown(given)}'
        )
    # By the corners, as the official program does.
    width, height = (box[:2] + box[2:]) - box[:2]
    return HEAD_SIZE_RATIO * float(np.sqrt(width**2 + height**2))


def _frame(
    people: list[_Person], regions: list[np.ndarray], ignoring: bool
) -> PoseTrackFrame:
    kept = []
    for person in people:
        present = person.present
        for region in regions:
            present = present & ~inside_polygon(person.keypoints, region)
        if present.any() or not ignoring:
            kept.append(person._replace(present=present))
    joints = len(POSETRACK_JOINTS)
    columns = list(zip(*kept)) if kept else [[]] * 5
    return PoseTrackFrame(
        keypoints=np.array(columns[0], np.float64).reshape(-1, joints, 2),
        present=np.array(columns[1], bool).reshape(-1, joints),
        scores=np.array(columns[2], np.float64).reshape(-1, joints),
        track_ids=list(columns[3]),
        head_sizes=np.array(columns[4], np.float64),
    )
