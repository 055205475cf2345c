# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Read HiEve's three kinds of label files: boxes, poses, and all of it."""

from __future__ import annotations

import os.path as osp
from collections import Counter
from typing import Any

import numpy as np

from .file_access import join_address, list_files, read_bytes
from .hieve_frames import parse_frames
from .hieve_video import (
    HIEVE_JOINTS,
    FrameLabel,
    HiEveVideo,
    ListedFrame,
    make_video,
    nobody,
    one_of,
)
from .label_fields import (
    is_place,
    list_field,
    numbers,
    object_list,
    read_json,
    shown,
    whole_number,
    with_slashes,
)
from .posetrack_fields import frame_number

# Kinds of label files, by the names of their folders.
LABELS = ('track2&3', 'all-track', 'track1')
_FIX = 'download or write the file again'


def read_hieve_video(
    folder: str,
    number: int,
    labels: str,
    first_frame: int = 0,
    backend_args: dict | None = None,
) -> HiEveVideo:
    """Read what one kind of label files tells of a video.

    Args:
        folder: With a folder for each kind, e.g. ``labels/train``.
        number: Of the video.
        labels: One of ``LABELS``.
        first_frame: Number of a video's first frame in ``track1``.
        backend_args: mmengine file back-end.

    Raises:
        FileNotFoundError: The video has no such labels.
        ValueError: A file that is not of its format.
    """
    place = join_address(folder, labels)
    missing = FileNotFoundError(
        f'no labels of video {number} in {place}; put those of HiEve there, '
        'or name the videos that there are (videos=[...])'
    )
    if labels == 'all-track':
        place = join_address(place, str(number))
        names = list_files(place, ('.xml', '.json'), backend_args)
        if not names:
            raise missing
        paths = [join_address(place, name) for name in names]
        return parse_frames(
            {path: read_bytes(path, backend_args) for path in paths}, number
        )
    ending = 'txt' if labels == 'track1' else 'json'
    path = join_address(place, f'{number}.{ending}')
    try:
        data = read_bytes(path, backend_args)
    except FileNotFoundError:
        raise missing from None
    if labels == 'track1':
        return parse_boxes(data, path, number, first_frame)
    return parse_poses(data, path, number)


def parse_boxes(
    data: bytes, path: str, number: int, first_frame: int = 0
) -> HiEveVideo:
    """Read ``track1/N.txt``, or what a tracker writes in MOT's format.

    A line is frame, id, left, top, width, height, flag and what nobody
    reads. Flag 0 is an ignore region; without a flag a box counts. Nobody
    has joints.

    Args:
        data: Content of the file.
        path: For messages.
        number: Of the video.
        first_frame: Number of a video's first frame; MOT's own files count
            from 1.

    Raises:
        ValueError: The content is not of the format.
    """
    frames: dict[int, ListedFrame] = {}
    repairs: Counter[str] = Counter()
    for place, line in enumerate(_text(data, path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = np.array(line.replace(',', ' ').split(), np.float64)
            frame, track_id = int(row[0]) - first_frame, int(row[1])
            flag = row[6] if len(row) > 6 else 1.0
            bad = len(row) < 6 or frame < 0 or (row[:2] % 1).any()
        except (ValueError, IndexError, OverflowError):
            bad = True
        if bad:
            raise ValueError(
                f'{path}: line {place} must be frame, id, left, top, width, '
                f'height and flag, with frames from {first_frame}, but is '
                f'{shown(line)}; {_FIX}'
            )
        corners = np.concatenate([row[2:4], row[2:4] + row[4:6]])
        listed = frames.setdefault(
            frame, ListedFrame(f'{frame:06d}.jpg', None, [], [])
        )
        if flag == 0:
            if is_place(corners).all():
                x1, y1, x2, y2 = corners
                listed.ignored.append(
                    np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
                )
            continue
        listed.people.append(nobody(track_id, corners))
    return make_video(number, frames, repairs)


def parse_poses(data: bytes, path: str, number: int) -> HiEveVideo:
    """Read ``track2&3/N.json``, or a submission: poses in PoseTrack17's way.

    Every number may be in a list of its own. Joints go by their ids, in any
    order; those that are left out, and those at -1 or with a score of -1, are
    not annotated. A joint is visible where its score is above 0, as published
    readers take it; HiEve does not document it.

    Args:
        data: Content of the file.
        path: For messages.
        number: Of the video.

    Raises:
        ValueError: The content is not of the format.
    """
    content = read_json(data, path)
    if not isinstance(content, dict) or not isinstance(
        content.get('annolist'), list
    ):
        raise ValueError(
            f"{path}: no list 'annolist'; it must be a HiEve file of poses"
        )
    frames: dict[int, ListedFrame] = {}
    repairs: Counter[str] = Counter()
    scores: Counter[float] = Counter()
    for entry in object_list(content, 'annolist', path):
        name = _image_name(entry, path)
        frame = frame_number(name, path)
        if frame in frames:
            raise ValueError(
                f'{path}: two entries are of frame {frame}; keep one of them'
            )
        what = f'frame {frame}'
        people = [
            _posed(rect, what, path, repairs, scores)
            for rect in list_field(entry, 'annorect', what, path)
        ]
        frames[frame] = ListedFrame(
            name, None, people, _ignored(entry, what, path, repairs)
        )
    return make_video(number, frames, repairs, scores)


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError(f'{path}: not a text file; {_FIX}') from None


def _image_name(entry: dict, path: str) -> str:
    image = one_of(entry.get('image'))
    name = one_of(image.get('name')) if isinstance(image, dict) else None
    name = with_slashes(name)
    if name is not None:
        return osp.basename(name)
    raise ValueError(
        f"{path}: an entry's 'image' must have a 'name' such as 000012.jpg, "
        f'but is {shown(entry.get("image"))}; {_FIX}'
    )


def _posed(
    rect: Any, what: str, path: str, repairs: Counter, scores: Counter
) -> FrameLabel:
    """A person of ``track2&3``."""
    if not isinstance(rect, dict):
        raise ValueError(
            f'{path}: a person of {what} must be an object, but is '
            f'{shown(rect)}; {_FIX}'
        )
    track_id = whole_number(
        one_of(rect.get('track_id')), f"'track_id' of a person of {what}", path
    )
    what = f'track {track_id} of {what}'
    sides = [one_of(rect.get(key)) for key in ('x1', 'y1', 'x2', 'y2')]
    person = nobody(
        track_id,
        None if None in sides else numbers(sides, f'the box of {what}', path),
    )
    body = one_of(rect.get('annopoints'))
    points = body.get('point') if isinstance(body, dict) else body
    if points is not None and not isinstance(points, list):
        points = [points]
    seen = set()
    for point in points or []:
        if not isinstance(point, dict):
            raise ValueError(
                f'{path}: a joint of {what} must be an object, but is '
                f'{shown(point)}; {_FIX}'
            )
        joint, x, y, score = (
            one_of(point.get(key)) for key in ('id', 'x', 'y', 'score')
        )
        joint = whole_number(joint, f"'id' of a joint of {what}", path)
        if not 0 <= joint < len(HIEVE_JOINTS):
            raise ValueError(
                f'{path}: {what} has a joint {joint}; joints are 0 to '
                f'{len(HIEVE_JOINTS) - 1}; {_FIX}'
            )
        if joint in seen:
            repairs['joints twice in a person'] += 1
            continue
        seen.add(joint)
        given = [x, y, 1 if score is None else score]
        row = numbers(given, f'joint {joint} of {what}', path)
        scores[float(row[2])] += 1
        if row[2] == -1 or (row[:2] == -1).all() or not row.any():
            continue
        person.points[joint] = np.where(np.isnan(row[:2]), np.inf, row[:2])
        person.visible[joint] = row[2] > 0
    return person


def _ignored(
    entry: dict, what: str, path: str, repairs: Counter
) -> list[np.ndarray]:
    """Polygons, if they are written in PoseTrack17's way."""
    polygons = []
    for region in list_field(entry, 'ignore_regions', what, path):
        points = region.get('point') if isinstance(region, dict) else None
        try:
            polygon = np.array(
                [[one_of(p['x']), one_of(p['y'])] for p in points], np.float64
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            polygon = np.zeros(0)
        if polygon.ndim == 2 and len(polygon) and is_place(polygon).all():
            polygons.append(polygon)
        else:
            repairs['ignore regions of another form'] += 1
    return polygons
