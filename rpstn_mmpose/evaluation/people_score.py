# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Score the tracked poses of a video of several people."""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
from scipy.optimize import linear_sum_assignment

from .functional import group_pck, joint_groups, pck_counts, reference_length

# Of whom fewer joints are visible is neither found nor missed.
MIN_VISIBLE = 3


def load_people(path: Union[str, os.PathLike]) -> Dict[str, Any]:
    """Read a JSON file of people by frame, as MMPose's demos write them.

    Args:
        path: Of a file with ``meta_info`` and ``instance_info``.

    Returns:
        dict: ``joints``, the names in order; ``frames``, a dict of the lists
        of people by frame number.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Another content.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file')
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
        meta = data['meta_info']
        names = meta.get('keypoint_names')
        if names is None:
            by_number = {
                int(number): name
                for number, name in meta['keypoint_id2name'].items()
            }
            names = [by_number[number] for number in sorted(by_number)]
        frames = {
            int(record['frame_id']): record['instances']
            for record in data['instance_info']
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} holds no people by frame ({error!r}); give '
                         'a file that topdown_video_demo.py or '
                         'make_synthetic_crowd.py wrote') from None
    return dict(joints=list(names), frames=frames)


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of (N, 4) and (M, 4) boxes, x1 y1 x2 y2.

    Returns:
        np.ndarray: (N, M), 0 to 1.
    """
    first, second = (np.asarray(b, np.float64).reshape(-1, 4)
                     for b in (first, second))
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    inter = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(b[:, 2:] - b[:, :2]).clip(0).prod(axis=1)
             for b in (first, second)]
    union = areas[0][:, None] + areas[1][None] - inter
    return inter / np.maximum(union, 1e-9)


def match_people(truth: Sequence[Mapping], found: Sequence[Mapping],
                 before: Mapping[int, int], iou_thr: float) -> Dict[int, int]:
    """Tell which found person is whom, in one frame.

    As in CLEAR MOT: who was matched in the frame before stays matched while
    the boxes overlap enough; the others are matched by largest overlap.

    Args:
        truth: People of the frame.
        found: People of the frame.
        before: ``track_id`` of the truth to that of the match, last time.
        iou_thr: Least overlap.

    Returns:
        dict[int, int]: Index in ``truth`` to index in ``found``.
    """
    iou = box_iou([person['bbox'] for person in truth],
                  [np.reshape(person['bbox'], -1)[:4] for person in found])
    iou = np.where(iou >= iou_thr, iou, 0.0)
    ids = [person.get('track_id', -1) for person in found]
    pairs = {}
    for row, person in enumerate(truth):
        known = before.get(person['track_id'])
        if known is not None and known >= 0 and known in ids:
            column = ids.index(known)
            if iou[row, column] > 0 and column not in pairs.values():
                pairs[row] = column
    rows = [row for row in range(len(truth)) if row not in pairs]
    columns = [c for c in range(len(found)) if c not in pairs.values()]
    rest = iou[np.ix_(rows, columns)]
    for i, j in zip(*linear_sum_assignment(-rest)):
        if rest[i, j] > 0:
            pairs[rows[i]] = columns[j]
    return pairs


class _Person:
    """What is counted of one person of the truth."""

    def __init__(self) -> None:
        self.frames = self.found = self.switches = self.stays = 0
        self.ids: List[int] = []
        self.last: Optional[int] = None  # id within this stay
        self.seen_in = -2  # last frame in the picture
        self.rows: List[Tuple[np.ndarray, dict]] = []

    def enter(self, frame: int) -> None:
        """Note a frame in which the person is in the picture."""
        if frame != self.seen_in + 1:
            self.stays += 1
            self.last = None
        self.seen_in = frame

    def add_id(self, track_id: int) -> None:
        """Note who the person was taken for."""
        if self.last is not None and track_id != self.last:
            self.switches += 1
        if track_id not in self.ids:
            self.ids.append(track_id)
        self.last = track_id


def score_people(truth: Mapping[str, Any],
                 prediction: Mapping[str, Any],
                 thr: float = 0.2,
                 norm_item: str = 'torso',
                 iou_thr: float = 0.5) -> Dict[str, Any]:
    """Compare the tracked poses of a video with the truth.

    A person with fewer than three visible joints in a frame does not count in
    it, and whoever is found there is not a false person. The joints of a
    person who was not found are wrong.

    Args:
        truth: From :func:`load_people`; people with ``track_id``, ``bbox``,
            ``keypoints``, ``keypoints_visible`` and ``keypoints_labeled``.
        prediction: From :func:`load_people`; people with ``track_id``,
            ``bbox`` and ``keypoints``.
        thr: A joint is correct within so many reference lengths.
        norm_item: See :func:`~.functional.reference_length`.
        iou_thr: Least overlap of the boxes of a match.

    Returns:
        dict: ``people``, by ``track_id`` as text, and ``all``, with:
        ``frames`` (in which the person counts), ``found`` (per cent of them),
        ``visible`` and ``occluded`` (PCK, mean over joints, per cent, None
        where nothing was counted), ``stays`` (times that the person came into
        the picture), ``ids`` (how many the person had), ``switches`` (changes
        of the id during a stay; a new id after a return is none). Beside them
        ``false_people`` (found boxes that are nobody), ``num_frames``,
        ``thr``, ``norm_item`` and ``iou_thr``.

    Raises:
        ValueError: The joints differ, or the prediction lacks frames.
    """
    names = truth['joints']
    if list(prediction['joints']) != list(names):
        raise ValueError(
            f'the prediction has the joints {prediction["joints"]}, but the '
            f'truth has {names}; use a model trained on the same joints')
    missing = sorted(set(truth['frames']) - set(prediction['frames']))
    if missing:
        raise ValueError(f'the prediction lacks {len(missing)} of '
                         f'{len(truth["frames"])} frames, e.g. {missing[0]}')
    people: Dict[int, _Person] = {}
    before: Dict[int, int] = {}
    false_people = 0
    for frame in sorted(truth['frames']):
        present, found = truth['frames'][frame], prediction['frames'][frame]
        pairs = match_people(present, found, before, iou_thr)
        false_people += len(found) - len(pairs)
        for row, person in enumerate(present):
            entry = people.setdefault(person['track_id'], _Person())
            entry.enter(frame)
            counts = sum(person['keypoints_visible']) >= MIN_VISIBLE
            pose = np.full((len(names), 2), np.nan)
            if row in pairs:
                match = found[pairs[row]]
                track_id = int(match.get('track_id', -1))
                before[person['track_id']] = track_id
                pose = np.asarray(match['keypoints'], np.float64)[:, :2]
                if counts:
                    entry.add_id(track_id)
            if counts:
                entry.frames += 1
                entry.found += row in pairs
                entry.rows.append((pose, person))
    style = dict(names=names, thr=thr, norm_item=norm_item)
    return dict(
        people={
            str(key): _summary([people[key]], **style)
            for key in sorted(people)
        },
        all=_summary(list(people.values()), **style),
        false_people=false_people,
        num_frames=len(truth['frames']),
        thr=thr,
        norm_item=norm_item,
        iou_thr=iou_thr)


def _summary(people: Sequence[_Person], names: List[str], thr: float,
             norm_item: str) -> Dict[str, Any]:
    rows = [row for person in people for row in person.rows]
    frames = sum(person.frames for person in people)
    out: Dict[str, Any] = dict(
        frames=frames,
        found=100 * sum(p.found for p in people) / frames if frames else None,
        visible=None,
        occluded=None,
        stays=sum(person.stays for person in people),
        ids=sum(len(person.ids) for person in people),
        switches=sum(person.switches for person in people))
    if not rows:
        return out
    poses = np.stack([pose for pose, _ in rows])
    points, visible, labeled, boxes = (
        np.array([person[key] for _, person in rows])
        for key in ('keypoints', 'keypoints_visible', 'keypoints_labeled',
                    'bbox'))
    length = reference_length(norm_item, names, points, labeled, boxes)
    visible = visible > 0
    groups = joint_groups(names)
    for kind, mask in (('visible', visible), ('occluded', (labeled > 0)
                                              & ~visible)):
        correct, total = pck_counts(poses, points, mask, length, thr)
        if total.any():
            out[kind] = 100 * group_pck(correct[0], total, groups)['Mean']
    return out


def people_table(score: Mapping[str, Any]) -> str:
    """Markdown table of :func:`score_people`, a row for each person."""
    head = [
        'person', 'frames', 'found %', f'PCK@{score["thr"]:g} visible',
        'occluded', 'stays', 'ids', 'id switches'
    ]
    rows = [head]
    parts = [*score['people'].items(), ('all', score['all'])]
    for name, part in parts:
        values = [part[key] for key in ('found', 'visible', 'occluded')]
        cells = ['-' if value is None else f'{value:.1f}' for value in values]
        counts = [str(part[key]) for key in ('stays', 'ids', 'switches')]
        rows.append([name, str(part['frames']), *cells, *counts])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        '| ' + ' | '.join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))) + ' |'
        for row in rows
    ]
    rule = ['-' * widths[0]] + ['-' * (width - 1) + ':'
                                for width in widths[1:]]
    lines.insert(1, '| ' + ' | '.join(rule) + ' |')
    return '\n'.join(lines) + '\n'
