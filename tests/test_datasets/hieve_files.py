# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Small data sets in HiEve's formats, with known content."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 96, 72
# As all-track spells them, in the order of track2&3's ids.
SPELLED = [
    'Nose',
    'Chest',
    'Right-shoulder',
    'Right-elbow',
    'Right-wrist',
    'Left-shoulder',
    'Left-elbow',
    'Left-wrist',
    'Right-hip',
    'Right-knee',
    'Right-ankle',
    'Left-hip',
    'Left-knee',
    'Left-ankle',
]
JOINTS = [name.lower().replace('-', '_') for name in SPELLED]


def points_of(frame: int, track: int) -> dict[int, tuple]:
    """Joint to x, y, whether it is seen: four joints, the knee hidden. They
    move 1 pixel a frame."""
    x = 10 + 30 * track + frame
    return {
        0: (x + 5, 12, True),
        1: (x + 5, 20, True),
        9: (x, 40, False),
        13: (x + 10, 55, True),
    }


def box_of(frame: int, track: int) -> list[float]:
    """x1 y1 x2 y2."""
    x = 10.0 + 30 * track + frame
    return [x - 2, 8.0, x + 14, 60.0]


def point(joint: int, x: float, y: float, score: float = 1) -> dict:
    return dict(id=[joint], x=[x], y=[y], score=[score])


def rect(frame: int, track: int, points=None, **kwargs) -> dict:
    """A person of track2&3."""
    if points is None:
        points = [
            point(joint, x, y, float(seen))
            for joint, (x, y, seen) in points_of(frame, track).items()
        ]
    sides = zip(('x1', 'y1', 'x2', 'y2'), box_of(frame, track))
    item = {key: [value] for key, value in sides}
    item.update(score=[1.0], track_id=[track], annopoints=[dict(point=points)])
    item.update(kwargs)
    return {key: value for key, value in item.items() if value is not None}


def entry(frame: int, rects, **kwargs) -> dict:
    return dict(
        image=[dict(name=f'{frame:06d}.jpg')],
        ignore_regions=[],
        annorect=list(rects),
        **kwargs,
    )


def poses(frames: dict[int, list]) -> dict:
    """Content of track2&3/N.json, of track numbers by frame."""
    return dict(
        annolist=[
            entry(frame, [rect(frame, track) for track in tracks])
            for frame, tracks in frames.items()
        ]
    )


def xml_object(frame: int, track: int, action: str = '') -> str:
    joints = points_of(frame, track)
    lines = []
    for index, name in enumerate(SPELLED):
        x, y, seen = joints.get(index, (-1, -1, None))
        flag = -1 if seen is None else int(not seen)
        lines.append(f'<{name}>{x},{y},{flag}</{name}>')
    sides = zip(('xmin', 'ymin', 'xmax', 'ymax'), box_of(frame, track))
    lines += [f'<{key}>{value}</{key}>' for key, value in sides]
    return (
        f'<object><name>P-{track}</name><action>{action}</action>'
        f'<bndbox>{"".join(lines)}</bndbox></object>'
    )


def xml(frame: int, objects) -> str:
    return (
        f'<annotation><folder>v</folder><filename>{frame:06d}.jpg</filename>'
        f'<size><width>{WIDTH}</width><height>{HEIGHT}</height>'
        f'<depth>3</depth></size>{"".join(objects)}</annotation>'
    )


def write_hieve(
    root, videos: dict[int, dict[int, list]], actions=None, pictures=False
) -> Path:
    """All three kinds of labels.

    Args:
        videos: Number to frame to track numbers.
        actions: (video, frame, track) to an action.
    """
    root = Path(root)
    labels = root / 'labels/train'
    for kind in ('track1', 'track2&3'):
        (labels / kind).mkdir(parents=True, exist_ok=True)
    for number, frames in videos.items():
        text = json.dumps(poses(frames))
        (labels / f'track2&3/{number}.json').write_text(text)
        lines = []
        folder = labels / f'all-track/{number}'
        folder.mkdir(parents=True, exist_ok=True)
        for frame, tracks in frames.items():
            for track in tracks:
                x1, y1, x2, y2 = box_of(frame, track)
                lines.append(
                    f'{frame},{track},{x1},{y1},{x2 - x1},{y2 - y1},1,-1,-1,-1'
                )
            objects = [
                xml_object(
                    frame,
                    track,
                    (actions or {}).get((number, frame, track), ''),
                )
                for track in tracks
            ]
            (folder / f'{frame:06d}.xml').write_text(xml(frame, objects))
            if pictures:
                write_picture(root / f'images/{number}/{frame:06d}.jpg', frame)
        (labels / f'track1/{number}.txt').write_text('\n'.join(lines) + '\n')
    return root


def write_picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.RandomState(seed)
    small = rng.randint(0, 255, (9, 12, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(small, (WIDTH, HEIGHT)))
