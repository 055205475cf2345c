# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""HiEve on disk: images/N and three kinds of labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from ..datasets.hieve_video import HIEVE_JOINTS
from .posetrack_writer import (
    POSETRACK_JOINTS,
    PoseTrackVideoWriter,
    posetrack_joints,
)
from .scene import Actor
from .skeleton import POINT_INDEX

# HiEve labels no poses of people who are smaller than this, square pixels,
# or heavily hidden: here, of whom fewer joints than this are seen.
MIN_AREA = 500.0
MIN_VISIBLE = 3
# What the generator's people do, by HiEve's names.
_ACTIONS = dict(
    walk='walking-alone',
    run='running-alone',
    squat='crouching-bowing',
    kick='fighting',
    pushup='fall-over',
)


def hieve_action(actor: Actor) -> str:
    """HiEve's name of what a person does."""
    return _ACTIONS.get(actor.action, 'standing-alone')


def hieve_joints(
    actor: Actor, frame: int, truth: dict
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """HiEve's 14 joints of one person; the chest is the neck's lower end.

    Args:
        actor (Actor): The person.
        frame (int): Frame number.
        truth (dict): What ``Scene.frames`` yields for the person.

    Returns:
        tuple: 14 x 2 pixels, and 14 bool each: inside of the picture, and
        seen.
    """
    height, width = truth['mask'].shape
    others, of_others = posetrack_joints(actor, frame, truth)
    joints = np.zeros((len(HIEVE_JOINTS), 2))
    seen = np.zeros(len(HIEVE_JOINTS), bool)
    for index, name in enumerate(HIEVE_JOINTS):
        if name == 'chest':
            joints[index] = truth['points'][POINT_INDEX['neck'], :2]
            x, y = np.rint(joints[index]).astype(int)
            x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
            seen[index] = truth['mask'][y, x]
        else:
            source = POSETRACK_JOINTS.index(name)
            joints[index], seen[index] = others[source], of_others[source]
    inside = ((joints >= 0) & (joints <= (width - 1, height - 1))).all(axis=1)
    return joints, inside, seen & inside


class HiEveVideoWriter:
    """Collects the frames of one video and writes them.

    Args:
        out_dir (Path): Root of the data set; folders are made.
        number (int): Number of the video.
        size (tuple): Width and height of the pictures in pixels.
        labelled (bool): False writes pictures alone.
    """

    def __init__(
        self, out_dir: Path, number: int, size: tuple[int, int], labelled: bool
    ) -> None:
        self._images = out_dir / 'images' / str(number)
        self._labels = out_dir / 'labels/train' if labelled else None
        self._number, self._size = number, size
        self._entries: list[dict] = []
        self._lines: list[str] = []

    def add(
        self,
        picture: np.ndarray | None,
        people: Sequence[dict],
        ignored: Sequence[dict] = (),
    ) -> None:
        """Write one picture (None: the labels only) and its frame's labels.

        Args:
            picture (np.ndarray, optional): H x W x 3 BGR uint8.
            people (list): One dict a person: ``track_id``, ``bbox`` (x1 y1
                x2 y2), ``joints`` 14 x 2, ``labelled`` and ``seen`` 14 bool,
                ``action`` (None: not labelled).
            ignored (list): One dict a person who does not count:
                ``track_id``, ``bbox`` and ``polygon`` n x 2.

        Raises:
            OSError: The picture cannot be written.
        """
        frame = len(self._entries)
        name = f'{frame:06d}.jpg'
        if picture is not None:
            PoseTrackVideoWriter.write_picture(self._images / name, picture)
        self._entries.append(
            dict(
                image=[dict(name=name)],
                ignore_regions=[
                    dict(point=[dict(x=[x], y=[y]) for x, y in polygon])
                    for polygon in (p['polygon'].tolist() for p in ignored)
                ],
                annorect=[_rect(person) for person in people],
            )
        )
        for flag, group in ((1, people), (0, ignored)):
            self._lines += [_line(frame, p, flag) for p in group]
        if self._labels is not None:
            folder = self._labels / 'all-track' / str(self._number)
            folder.mkdir(parents=True, exist_ok=True)
            text = _xml(self._number, name, self._size, people)
            (folder / f'{frame:06d}.xml').write_text(text)

    def close(self) -> None:
        """Write the files of the whole video."""
        if self._labels is None:
            return
        for kind in ('track1', 'track2&3'):
            (self._labels / kind).mkdir(parents=True, exist_ok=True)
        path = self._labels / 'track2&3' / f'{self._number}.json'
        path.write_text(json.dumps(dict(annolist=self._entries)) + '\n')
        path = self._labels / 'track1' / f'{self._number}.txt'
        path.write_text(''.join(f'{line}\n' for line in self._lines))


def has_pose(person: dict) -> bool:
    """Whether somebody is large and visible enough to have a pose."""
    x1, y1, x2, y2 = person['bbox']
    area = (x2 - x1) * (y2 - y1)
    return bool(area >= MIN_AREA and person['seen'].sum() >= MIN_VISIBLE)


def _rect(person: dict) -> dict:
    """A person of track2&3; hidden joints have the score 0."""
    points: list[dict[str, Any]] = []
    for joint in np.flatnonzero(person['labelled'] & has_pose(person)):
        x, y = np.round(person['joints'][joint], 2).tolist()
        score = int(person['seen'][joint])
        points.append(dict(id=[int(joint)], x=[x], y=[y], score=[score]))
    sides = zip(('x1', 'y1', 'x2', 'y2'), np.round(person['bbox'], 2).tolist())
    return dict(
        {key: [value] for key, value in sides},
        score=[1.0],
        track_id=[person['track_id']],
        annopoints=[dict(point=points)],
    )


def _line(frame: int, person: dict, flag: int) -> str:
    """A line of track1."""
    x1, y1, x2, y2 = np.round(person['bbox'], 2).tolist()
    return (
        f'{frame},{person["track_id"]},{x1},{y1},{round(x2 - x1, 2)},'
        f'{round(y2 - y1, 2)},{flag},-1,-1,-1'
    )


def _xml(
    number: int, name: str, size: tuple[int, int], people: Sequence[dict]
) -> str:
    """A frame of all-track, where hidden joints have the flag 1."""
    lines = [
        '<annotation>',
        f'<folder>{number}</folder>',
        f'<filename>{name}</filename>',
        f'<size><width>{size[0]}</width><height>{size[1]}</height>'
        '<depth>3</depth></size>',
    ]
    for person in people:
        lines += [
            '<object>',
            f'<name>P-{person["track_id"]}</name>',
            f'<action>{person["action"] or ""}</action>',
            '<bndbox>',
        ]
        sides = zip(
            ('xmin', 'ymin', 'xmax', 'ymax'),
            np.round(person['bbox'], 2).tolist(),
        )
        lines += [f'<{key}>{value}</{key}>' for key, value in sides]
        there = person['labelled'] & has_pose(person)
        for joint, name in enumerate(HIEVE_JOINTS):
            tag = name.capitalize().replace('_', '-')
            text = '-1,-1,-1'
            if there[joint]:
                x, y = np.round(person['joints'][joint], 2).tolist()
                text = f'{x},{y},{int(not person["seen"][joint])}'
            lines.append(f'<{tag}>{text}</{tag}>')
        lines += ['</bndbox>', '</object>']
    return '\n'.join([*lines, '</annotation>']) + '\n'
