# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Boxes in lists of numbers: MOTChallenge's files and YOLO's labels."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any, Iterable, Sequence

from .foreign_boxes import ImageBoxes, id_of
from .video_people import expect


def read_mot(text: str, cat_ids: Sequence[int] | None) -> ImageBoxes:
    """MOTChallenge's ``det.txt`` and ``gt.txt``, and trackers' results.

    Lines of frame (from 1), id, left, top, width, height, confidence. Ground
    truth has nine numbers: its confidence 0 is to be ignored, then comes the
    class, of which 1 is pedestrians.

    Args:
        text: Of the file.
        cat_ids: Classes that are taken. None: 1.

    Raises:
        PeopleError: A line that is none.
    """
    found = ImageBoxes(first=1)
    wanted = [1] if cat_ids is None else cat_ids
    for row, values in _lines(text, r'\s*,\s*'):
        where = f'line {row}'
        expect(
            6 <= len(values) <= 10,
            f'{where} is no frame, id, left, top, width, height, confidence',
        )
        frame = id_of(values[0], where)
        x, y, width, height = values[2:6]
        expect(
            min(width, height) >= 0,
            f'{where}: the width and height are negative',
        )
        score = values[6] if len(values) > 6 else -1
        people = found.people.setdefault(frame, [])
        if len(values) == 9 and (score == 0 or values[7] not in wanted):
            continue
        people.append(
            dict(
                bbox=[x, y, x + width, y + height],
                bbox_score=None if score == -1 else score,
                track_id=id_of(values[1], where),
            )
        )
    return found


def read_yolo(
    folder: str | os.PathLike, cat_ids: Sequence[int] | None
) -> ImageBoxes:
    """YOLO's label files, one a frame: ``NAME_1.txt`` and so on.

    Lines of class (from 0), centre x and y, width and height as fractions of
    the picture, then the confidence and the id, either or both or none.

    Args:
        folder: Of the files.
        cat_ids: Classes that are taken. None: 0, people.

    Raises:
        PeopleError: A line that is none.
    """
    found = ImageBoxes(first=1, size=(1, 1))
    wanted = [0] if cat_ids is None else cat_ids
    paths = sorted(Path(folder).glob('*.txt'))
    expect(paths, 'the folder has no .txt files')
    # Classes by number come with some programs' labels.
    paths = [path for path in paths if path.stem != 'classes']
    lines = {}
    for path in paths:
        text = path.read_text(encoding='utf-8', errors='replace')
        lines[path] = list(_lines(text, r'\s+', f'{path.name}, '))
    sixth = [v[5] for rows in lines.values() for _, v in rows if len(v) == 6]
    # Both are left out by default; scores of 1 alone are not to be seen.
    are_ids = all(value == int(value) for value in sixth)
    for path, rows in lines.items():
        people = found.people.setdefault(path.stem, [])
        for row, values in rows:
            where = f'{path.name}, line {row}'
            expect(
                5 <= len(values) <= 7
                and all(-0.5 <= value <= 1.5 for value in values[1:5]),
                f'{where} is no class, centre x and y, width and height as '
                'fractions of the picture, confidence, id',
            )
            rest = values[5:]
            if len(rest) == 1:
                rest = [None, rest[0]] if are_ids else [rest[0], None]
            score, person = rest or (None, None)
            if values[0] in wanted:
                x, y, width, height = values[1:5]
                people.append(
                    dict(
                        bbox=[
                            x - width / 2,
                            y - height / 2,
                            x + width / 2,
                            y + height / 2,
                        ],
                        bbox_score=score,
                        track_id=id_of(person, where),
                    )
                )
    return found


def _lines(
    text: str, between: str, name: str = ''
) -> Iterable[tuple[int, list[Any]]]:
    """Numbers of each line that is not empty, counted from 1."""
    for row, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = [float(v) for v in re.split(between, line.strip(' ,\t'))]
        except ValueError:
            values = [math.nan]
        expect(
            all(map(math.isfinite, values)),
            f'{name}line {row} is not of numbers: {line!r:.60}',
        )
        yield row, values
