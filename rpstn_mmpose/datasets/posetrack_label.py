# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Read PoseTrack's COCO-style JSON: whose box is where in which frame."""
from __future__ import annotations

import json
import os.path as osp
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

# PoseTrack's boxes reach this part of the labelled joints' extent beyond them
# on every side (its own converter makes them so).
BOX_MARGIN = 0.15
# Pixels; a side below it (one joint, or joints on a line) tells no size.
MIN_SIDE = 1.0
# Side of the box of a person of whom no frame tells a size.
LONE_SIDE = 32.0


class PersonLabel(NamedTuple):
    """One annotation; 0-based pixels.

    Attributes:
        row: Index of the frame in the video.
        bbox: (4,), x1 y1 x2 y2, inside the picture; None: no usable box.
        keypoints: (K, 2), finite; 0, 0 where not labelled.
        visible: (K,) bool.
        labeled: (K,) bool.
    """
    row: int
    bbox: Optional[np.ndarray]
    keypoints: np.ndarray
    visible: np.ndarray
    labeled: np.ndarray


@dataclass
class PoseTrackVideo:
    """One sequence; its n frames are in order of time.

    Attributes:
        video_id: Name of the sequence.
        frame_ids: n numbers, as in the file names.
        image_ids: n numbers of PoseTrack's own; -1 for frames that the file
            does not list.
        file_names: n paths below the image folder.
        labelled: (n,) bool, PoseTrack's ``is_labeled``.
        ignore_regions: ``image_id`` to polygons (m, 2) of people who are
            not annotated; images without such regions are not in it.
        people: Labels by ``(track_id, copy)`` in order of time. ``copy`` is 0
            but for a track that occurs more than once in a frame.
        repairs: Number of irregularities by kind.
    """
    video_id: str
    frame_ids: List[int]
    image_ids: List[int]
    file_names: List[str]
    labelled: np.ndarray
    ignore_regions: Dict[int, List[np.ndarray]]
    people: Dict[Tuple[int, int], List[PersonLabel]]
    repairs: Counter

    def __len__(self) -> int:
        return len(self.frame_ids)


class Piece(NamedTuple):
    """A part of a person's track whose boxes are all known.

    Attributes:
        rows: (m,) consecutive frame indices of the video.
        bbox: (m, 4), those without label interpolated or held.
        labels: The labels inside, by index into ``rows``.
    """
    rows: np.ndarray
    bbox: np.ndarray
    labels: Dict[int, PersonLabel]


def read_json(data: bytes, path: str) -> Any:
    """Parse the content of a JSON file.

    Raises:
        ValueError: It is cut off or something else.
    """
    try:
        return json.loads(data)
    except ValueError as error:  # what JSON and text decoding errors are
        raise ValueError(f'{path}: not a whole JSON file ({error}); download '
                         'or write it again') from None


def frame_number(file_name: str, path: str) -> int:
    """Number of a frame: the digits that its file's name ends with.

    Args:
        file_name: E.g. ``'images/val/000001_mpii_test/000012.jpg'``.
        path: Annotation file, for the message.
    """
    digits = re.search(r'(\d+)$', osp.splitext(osp.basename(file_name))[0])
    if digits is None:
        raise ValueError(f'{path}: the frame {file_name!r} has no number in '
                         'its name; frames are files such as 000012.jpg')
    return int(digits.group(1))


def parse_posetrack(data: bytes,
                    path: str,
                    joints: Sequence[str],
                    video_id: Optional[str] = None,
                    box_margin: float = BOX_MARGIN,
                    frame_pattern: Optional[str] = None,
                    first_frame: int = 0) -> List[PoseTrackVideo]:
    """Read a sequence's file, or one file of many sequences.

    Joints are matched by the names that the file's ``categories`` give; a
    file without such names must have the wanted joints in the wanted order.
    A joint is visible where its flag is above 0, and labelled where it is
    visible or has other coordinates than 0, 0.

    Args:
        data: Content of the file.
        path: For messages.
        joints: Names of the K wanted joints.
        video_id: Name of the file's one sequence. None: images belong to the
            sequence that their folder is called after.
        box_margin: Margin of a box made from labelled joints, as a part of
            their width and height, on every side.
        frame_pattern: E.g. ``'{:06d}.jpg'``: frames that the file does not
            list are added, up to the images' ``nframes``. None: they are not.
        first_frame: Number of a sequence's first frame, for
            ``frame_pattern``.

    Returns:
        list[PoseTrackVideo]: In order of their names.

    Raises:
        ValueError: The content is not of the format.
    """
    content = read_json(data, path)
    if not isinstance(content, dict) or not isinstance(
            content.get('images'), list):
        raise ValueError(
            f"{path}: no list 'images'; it must be PoseTrack's JSON of 2018 "
            '(convert that of 2017 first)')
    if not content['images']:
        raise ValueError(f"{path}: its list 'images' is empty; download or "
                         'write it again')
    columns, count = _joint_columns(content, path, joints)

    sequences: Dict[str, Dict[int, dict]] = {}
    for image in content['images']:
        file_name = _field(image, 'file_name', 'an image', path)
        _field(image, 'id', f'the image {file_name}', path)
        number = frame_number(file_name, path)
        name = video_id or osp.basename(osp.dirname(file_name))
        frames = sequences.setdefault(name, {})
        if number in frames:
            raise ValueError(f'{path}: two images are frame {number} of '
                             f'{name}; keep one of them')
        frames[number] = image

    annotations: Dict[int, List[dict]] = {}
    for annotation in content.get('annotations') or []:
        image_id = _field(annotation, 'image_id', 'an annotation', path)
        annotations.setdefault(image_id, []).append(annotation)
    known = {image['id'] for image in content['images']}
    for image_id in annotations:
        if image_id not in known:
            raise ValueError(
                f'{path}: an annotation is of image {image_id!r}, which is '
                "not among its 'images'; download or write the file again")

    videos = []
    for name in sorted(sequences):
        video = _frames(name, sequences[name], path, frame_pattern,
                        first_frame)
        for row, number in enumerate(video.frame_ids):
            image = sequences[name].get(number)
            if image is not None:
                for annotation in annotations.get(image['id'], ()):
                    _add_person(video, row, image, annotation, path, columns,
                                count, box_margin)
        videos.append(video)
    return videos


def _field(item: Any, key: str, what: str, path: str) -> Any:
    if not isinstance(item, dict) or item.get(key) is None:
        raise ValueError(f'{path}: {what} has no {key!r}; download or write '
                         'the file again')
    return item[key]


def _joint_columns(content: dict, path: str,
                   joints: Sequence[str]) -> Tuple[List[int], int]:
    """Where the wanted joints are in the file, and how many it has."""
    for category in content.get('categories') or []:
        names = isinstance(category, dict) and category.get('keypoints')
        if names:
            missing = [joint for joint in joints if joint not in names]
            if missing:
                raise ValueError(
                    f'{path}: its joints {list(names)} do not include '
                    f'{missing}; give a metainfo with the joints of the file')
            return [list(names).index(joint) for joint in joints], len(names)
    return list(range(len(joints))), len(joints)


def _frames(name: str, images: Dict[int, dict], path: str,
            frame_pattern: Optional[str],
            first_frame: int) -> PoseTrackVideo:
    """A video without people."""
    numbers = sorted(images)
    folder = osp.dirname(images[numbers[0]]['file_name'])
    if frame_pattern is not None:
        length = max(int(i.get('nframes') or 0) for i in images.values())
        numbers = sorted({*numbers, *range(first_frame, first_frame + length)})
    listed = [images.get(number) for number in numbers]
    regions = {}
    for image in filter(None, listed):
        polygons = _polygons(image, path)
        if polygons:
            regions[image['id']] = polygons
    return PoseTrackVideo(
        video_id=name,
        frame_ids=numbers,
        image_ids=[image['id'] if image else -1 for image in listed],
        file_names=[
            image['file_name'] if image else osp.join(
                folder, frame_pattern.format(number))
            for number, image in zip(numbers, listed)
        ],
        labelled=np.array([
            image is not None and bool(image.get('is_labeled', True))
            for image in listed
        ]),
        ignore_regions=regions,
        people={},
        repairs=Counter())


def _polygons(image: dict, path: str) -> List[np.ndarray]:
    columns = [image.get(f'ignore_regions_{axis}') or [] for axis in 'xy']
    if [len(x) for x in columns[0]] != [len(y) for y in columns[1]]:
        raise ValueError(
            f'{path}: the ignore regions of image {image["id"]} have not as '
            'many x as y; download or write the file again')
    return [
        np.stack([x, y], axis=1).astype(np.float32)
        for x, y in zip(*columns) if x
    ]


def _add_person(video: PoseTrackVideo, row: int, image: dict,
                annotation: dict, path: str, columns: List[int], count: int,
                box_margin: float) -> None:
    what = f'an annotation of image {image["id"]}'
    track_id = _field(annotation, 'track_id', what, path)
    what = f'track {track_id} of image {image["id"]}'
    try:
        track_id = int(track_id)
        given = np.asarray(annotation.get('keypoints') or [], np.float64)
        bbox = np.asarray(annotation.get('bbox') or [], np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{path}: {what} holds something else than numbers '
                         f'({error}); write the file again') from None
    points = np.zeros((count, 3))
    if given.size:
        if given.shape != (3 * count, ):
            raise ValueError(
                f'{path}: {what} has {given.size} numbers for {count} '
                f'keypoints, which need {3 * count}; write the file again')
        points = given.reshape(count, 3)
    points = points[columns]
    finite = np.isfinite(points).all(axis=1)
    visible = finite & (points[:, 2] > 0)
    labeled = visible | (finite & (points[:, :2] != 0).any(axis=1))
    keypoints = np.where(labeled[:, None], points[:, :2], 0)
    if (~finite).any():
        video.repairs['joints not finite'] += int((~finite).sum())

    size = image.get('width'), image.get('height')
    if bbox.shape == (4, ):
        bbox = _usable(np.concatenate([bbox[:2], bbox[:2] + bbox[2:]]), size)
    else:
        bbox = None
    if bbox is None and labeled.any():
        video.repairs['boxes missing or empty'] += 1
        bbox = _usable(_joint_box(keypoints[labeled], box_margin), size)
    if bbox is None and not labeled.any():
        video.repairs['annotations without box and joints'] += 1
        return
    copy = 0
    labels = video.people.setdefault((track_id, copy), [])
    while labels and labels[-1].row == row:
        copy += 1
        labels = video.people.setdefault((track_id, copy), [])
    if copy:
        video.repairs['tracks twice in a frame'] += 1
    labels.append(PersonLabel(row, bbox, keypoints, visible, labeled))


def _joint_box(points: np.ndarray, margin: float) -> Optional[np.ndarray]:
    low, high = points.min(axis=0), points.max(axis=0)
    if (high - low).min() < MIN_SIDE:
        return None
    return np.concatenate(
        [low - margin * (high - low), high + margin * (high - low)])


def _usable(bbox: Optional[np.ndarray], size: tuple) -> Optional[np.ndarray]:
    """The part inside the picture, as in MMPose; None if too thin."""
    if bbox is None or not np.isfinite(bbox).all():
        return None
    if None not in size:
        limit = np.array(size * 2, dtype=np.float64) - 1
        bbox = np.clip(bbox, 0, limit)
    return bbox if (bbox[2:] - bbox[:2]).min() >= MIN_SIDE else None


def person_pieces(labels: Sequence[PersonLabel],
                  frame_ids: Sequence[int],
                  max_gap: int,
                  before: int = 0,
                  after: int = 0,
                  min_rows: int = 1) -> List[Piece]:
    """Cut a person's labels into tracks without long gaps.

    Between two labelled frames at most ``max_gap`` frames apart the box is
    interpolated; a longer gap is a cut. At both ends of a piece the box is
    held, over at most ``max_gap`` frames and inside of the video.

    Args:
        labels: In order of time.
        frame_ids: Numbers of the video's frames.
        max_gap: Frames.
        before: Frames wanted in front of a piece.
        after: Frames wanted behind a piece.
        min_rows: Frames that a piece should have; more are added behind it,
            then in front of it.

    Returns:
        list[Piece]: In order of time.
    """
    numbers = np.asarray(frame_ids)
    rows = np.array([label.row for label in labels])
    cuts = np.flatnonzero(np.diff(numbers[rows]) > max_gap) + 1
    pieces = []
    for part in np.split(np.arange(len(rows)), cuts):
        first, last = int(rows[part[0]]), int(rows[part[-1]])
        near = np.flatnonzero((numbers >= numbers[first] - max_gap)
                              & (numbers <= numbers[last] + max_gap))
        begin = max(first - before, near[0])
        end = min(last + after, near[-1])
        end = min(max(end, begin + min_rows - 1), near[-1])
        begin = max(min(begin, end - min_rows + 1), near[0])
        inside = np.arange(begin, end + 1)
        found = [labels[i] for i in part]
        pieces.append(
            Piece(
                rows=inside,
                bbox=_fill_boxes(found, numbers, inside),
                labels={label.row - begin: label for label in found}))
    return pieces


def _fill_boxes(labels: Sequence[PersonLabel], numbers: np.ndarray,
                rows: np.ndarray) -> np.ndarray:
    known = [label for label in labels if label.bbox is not None]
    if not known:
        # Joints without extent in every frame: their place, and some size.
        known = [
            label._replace(bbox=_lone_box(label.keypoints[label.labeled]))
            for label in labels
        ]
    times = numbers[[label.row for label in known]]
    boxes = np.stack([label.bbox for label in known])
    return np.stack(
        [np.interp(numbers[rows], times, side) for side in boxes.T], axis=1)


def _lone_box(points: np.ndarray) -> np.ndarray:
    low, high = points.min(axis=0), points.max(axis=0)
    half = np.maximum(high - low, LONE_SIDE) / 2
    return np.concatenate([(low + high) / 2 - half, (low + high) / 2 + half])
