# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Read the people of a video from JSON.

Frames count from 0. MMPose's ``topdown_demo_with_mmdet.py`` counts from 1,
which is put right; MMPoseInferencer counts from 0, as this package does.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Mapping, Sequence, Union

from .foreign_boxes import id_of
from .video_people import PeopleError, VideoPeople, expect, is_number

FilePath = Union[str, os.PathLike]
_BOX_ENTRIES = ('bbox', 'bbox_score', 'track_id')


def joint_names(meta: Mapping[str, Any]) -> list[str] | None:
    """Names of the joints, in order, from a data set's metainfo.

    Args:
        meta: With ``keypoint_names``, or ``keypoint_id2name``, whose keys
            are text where it comes from JSON.

    Returns:
        list[str] | None: None where the metainfo has none.

    Example:
        >>> joint_names(dict(keypoint_id2name={'1': 'neck', '0': 'head'}))
        ['head', 'neck']
    """
    names = meta.get('keypoint_names')
    if names is None:
        by_number = meta.get('keypoint_id2name')
        if not isinstance(by_number, Mapping):
            return None
        by_number = {str(key): name for key, name in by_number.items()}
        names = [by_number.get(str(k)) for k in range(len(by_number))]
    if not isinstance(names, (list, tuple)) or not names:
        return None
    return list(names) if all(isinstance(n, str) for n in names) else None


def read_people(path: FilePath, required: Sequence[str] = ()) -> VideoPeople:
    """Read poses by frame, as this package's and MMPose's demos write them.

    Args:
        path: Of a file with ``meta_info`` and ``instance_info``.
        required: What each person must have.

    Raises:
        FileNotFoundError: No such file.
        PeopleError: What is wrong with the content; it names no file.
        ValueError: No JSON.
    """
    content = load_json(path, 'people')
    expect(not is_coco(content), 'it is a file of COCO, with boxes by image')
    expect(isinstance(content, Mapping), 'it is no object')
    meta = content.get('meta_info')
    expect(isinstance(meta, Mapping), 'it has no "meta_info" object')
    records = content.get('instance_info')
    expect(isinstance(records, list), 'it has no "instance_info" list')
    joints = joint_names(meta)
    expect(
        joints is not None,
        '"meta_info" has no "keypoint_id2name" of joint names',
    )
    return people_of_records(
        records, meta, joints, required, origin=os.fspath(path)
    )


def load_people(path: FilePath, required: Sequence[str] = ()) -> VideoPeople:
    """:func:`read_people`, with an error line that names the file.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Another content.
    """
    try:
        return read_people(path, required)
    except PeopleError as problem:
        raise ValueError(
            f'{path} holds no people by frame: {problem}; give a file that '
            'topdown_video_demo.py or make_synthetic_crowd.py wrote'
        ) from None


def load_json(path: FilePath, what: str) -> Any:
    """Content of a file.

    Args:
        path: Of the file.
        what: Is looked for in it, for messages.

    Raises:
        FileNotFoundError: No such file.
        ValueError: No JSON.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file of {what}')
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f'{path} is not JSON, or is torn ({error}); it holds no {what} '
            'by frame, write it again'
        ) from None


def is_coco(content: Any) -> bool:
    """Whether it is COCO's (or AlphaPose's) results, or annotations."""
    if isinstance(content, Mapping):
        return 'annotations' in content and 'images' in content
    return (
        isinstance(content, list)
        and bool(content)
        and isinstance(content[0], Mapping)
        and 'image_id' in content[0]
    )


def is_records(content: Any) -> bool:
    """Whether it is a list of objects, one of a frame."""
    return isinstance(content, list) and any(
        isinstance(record, Mapping) for record in content
    )


def people_of_records(
    records: Sequence[Any],
    meta: Mapping[str, Any],
    joints: Sequence[str] | None,
    required: Sequence[str],
    first_frame: int | None = None,
    **facts: Any,
) -> VideoPeople:
    """People of records with ``frame_id`` and ``instances``.

    Without ``joints`` boxes and ids alone are read. ``first_frame`` is the
    number of the video's first frame, where that is known.
    """
    frames: dict[int, list] = {}
    damaged = []
    for number, record in enumerate(records):
        expect(isinstance(record, Mapping), 'a frame is no object')
        frame = record.get('frame_id')
        expect(
            is_number(frame, whole=True)
            and frame >= 0
            and frame not in frames,
            f'frame {number} has the "frame_id" {frame!r}',
        )
        flag = record.get('damaged', False)
        expect(
            isinstance(flag, bool),
            f'frame {frame}: "damaged" must be true or false, but is {flag!r}',
        )
        if flag:
            damaged.append(frame)
        people = record.get('instances')
        expect(
            isinstance(people, list), f'frame {frame} has no "instances" list'
        )
        if joints is None:
            people = [_box_alone(item, f'frame {frame}') for item in people]
        frames[frame] = people
    # As MMPose's demo counts; this package writes "video".
    from_one = sorted(frames) == [*range(1, len(frames) + 1)]
    if first_frame is None:
        first_frame = int('video' not in meta and from_one)
    expect(
        min(frames, default=first_frame) >= first_frame,
        f'it has a frame {min(frames, default=0)}, before the first one, '
        f'which is told to be {first_frame}',
    )
    frames = {frame - first_frame: item for frame, item in frames.items()}
    damaged = [frame - first_frame for frame in damaged]
    return VideoPeople.from_frames(
        frames,
        joints,
        required,
        damaged=sorted(damaged),
        **_video_facts(meta),
        **facts,
    )


def _box_alone(item: Any, where: str) -> Any:
    if not isinstance(item, Mapping):
        return item
    box = {key: item[key] for key in _BOX_ENTRIES if key in item}
    return dict(box, track_id=id_of(item.get('track_id'), where))


def _video_facts(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What ``meta_info`` says of the video."""
    video = meta.get('video', {})
    expect(isinstance(video, Mapping), '"meta_info" has no "video" object')
    name, dataset = video.get('name'), meta.get('dataset_name')
    fps, announced = video.get('fps'), video.get('announced_frames')
    expect(
        fps is None or (is_number(fps) and fps > 0),
        f'the "fps" of the video must be positive, but is {fps!r}',
    )
    size = video.get('width'), video.get('height')
    for key, value in zip(('width', 'height'), size):
        expect(
            value is None or (is_number(value, whole=True) and value > 0),
            f'the "{key}" of the video must be a positive number, but is '
            f'{value!r}',
        )
    return dict(
        name=name if isinstance(name, str) else '',
        dataset=dataset if isinstance(dataset, str) else '',
        fps=None if fps is None else float(fps),
        size=None if None in size else size,
        announced_frames=announced if is_number(announced, True) else None,
    )
