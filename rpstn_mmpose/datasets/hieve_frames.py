# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Read HiEve's files of single frames, which hold all that is labelled."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Mapping
from xml.etree import ElementTree

import numpy as np

from .hieve_video import (
    HIEVE_ACTIONS,
    HIEVE_JOINTS,
    FrameLabel,
    HiEveVideo,
    ListedFrame,
    make_video,
    nobody,
    one_of,
)
from .label_fields import picture_size, read_json, shown
from .posetrack_fields import frame_number

_FIX = 'download or write the file again'
_CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
# What all-track says of a joint, behind its place.
_VISIBLE, _INVISIBLE, _NOT_ANNOTATED = 0, 1, -1


def parse_frames(files: Mapping[str, bytes], number: int) -> HiEveVideo:
    """Read ``all-track/N/FRAME.xml`` (or ``.json``): all that is labelled.

    An object is a person: ``name`` ends with the id, ``action`` is a name or
    a number of ``HIEVE_ACTIONS``, ``bndbox`` has the box's corners and
    the joints by name, each as x, y, flag: 0 visible, 1 not visible, -1 not
    annotated.

    Args:
        files: Contents by path; each is called after its frame.
        number: Of the video.

    Raises:
        ValueError: A content is not of the format.
    """
    frames: dict[int, ListedFrame] = {}
    repairs: Counter[str] = Counter()
    for path, data in files.items():
        frame = frame_number(path, path)
        if frame in frames:
            raise ValueError(f'{path}: another file is of frame {frame}, too')
        entry = _annotation(data, path)
        size = entry.get('size')
        people = entry.get('object') or []
        people = people if isinstance(people, list) else [people]
        frames[frame] = ListedFrame(
            f'{frame:06d}.jpg',
            picture_size(size, 'size', path)
            if isinstance(size, dict)
            else None,
            [_object(person, path, repairs) for person in people],
            [],
        )
    return make_video(number, frames, repairs)


def _annotation(data: bytes, path: str) -> dict:
    """The content of a frame's file, XML as it would be in JSON."""
    if data.lstrip()[:1] == b'<':
        entry = _from_xml(data, path)
    else:
        entry = read_json(data, path)
    if isinstance(entry, dict) and isinstance(entry.get('annotation'), dict):
        entry = entry['annotation']
    if not isinstance(entry, dict):
        raise ValueError(f"{path}: no 'annotation' with objects; {_FIX}")
    return entry


def _from_xml(data: bytes, path: str) -> dict:
    if b'<!' in data.replace(b'<!--', b''):
        # Entities can grow without end, and labels need none.
        raise ValueError(f'{path}: XML with a DOCTYPE is not read; {_FIX}')
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ValueError(
            f'{path}: not a whole XML file ({error}); {_FIX}'
        ) from None
    entry: dict[str, Any] = {'object': []}
    for item in root:
        value: Any = {
            child.tag: (
                {joint.tag: joint.text for joint in child}
                if len(child)
                else child.text
            )
            for child in item
        }
        if item.tag == 'object':
            entry['object'].append(value)
        elif value:
            entry[item.tag] = value
    return entry


def _object(person: Any, path: str, repairs: Counter) -> FrameLabel:
    """A person of ``all-track``."""
    name = person.get('name') if isinstance(person, dict) else None
    digits = re.search(r'([0-9]{1,15})\s*$', str(name))
    if digits is None:
        raise ValueError(
            f"{path}: an object's 'name' must end with the person's number, "
            f'as P-1 does, but is {shown(name)}; {_FIX}'
        )
    what = f'track {int(digits[1])}'
    box = person.get('bndbox')
    if not isinstance(box, dict):
        raise ValueError(f"{path}: {what} has no 'bndbox'; {_FIX}")
    sides = [_number(box.get(key)) for key in _CORNERS]
    label = nobody(int(digits[1]), None if None in sides else np.array(sides))
    for key, value in box.items():
        joint = str(key).strip().lower().replace('-', '_')
        if joint in HIEVE_JOINTS:
            x, y, flag = _triplet(value, key, what, path)
            index = HIEVE_JOINTS.index(joint)
            if flag != _NOT_ANNOTATED:
                label.points[index] = (np.inf if np.isnan(x + y) else x), y
                label.visible[index] = flag == _VISIBLE
        elif key not in _CORNERS:
            repairs['entries of no joint'] += 1
    return label._replace(action=_action(person.get('action'), repairs))


def _number(value: Any) -> float | None:
    try:
        return float(one_of(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _triplet(value: Any, key: Any, what: str, path: str) -> list[float]:
    """x, y and flag of a joint."""
    parts = value.split(',') if isinstance(value, str) else value
    found = [_number(v) for v in parts] if isinstance(parts, list) else []
    flags = (_VISIBLE, _INVISIBLE, _NOT_ANNOTATED)
    if len(found) != 3 or None in found or found[2] not in flags:
        raise ValueError(
            f'{path}: {shown(key)} of {what} must be x, y and a flag of 0 '
            f'(visible), 1 or -1, but is {shown(value)}; {_FIX}'
        )
    return [v for v in found if v is not None]


def _action(value: Any, repairs: Counter) -> str | None:
    """The name of an action, given as such or as a number from 1."""
    text = str('' if value is None else one_of(value)).strip().lower()
    text = re.sub(r'[\s_]+', '-', text)
    if text in HIEVE_ACTIONS:
        return text
    if text.isdecimal() and 1 <= int(text) <= len(HIEVE_ACTIONS):
        return HIEVE_ACTIONS[int(text) - 1]
    repairs['actions of other names'] += text not in ('', '0', '-1', 'none')
    return None
