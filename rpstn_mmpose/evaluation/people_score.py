# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Score the tracked poses of a video of several people."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..structures import VideoPeople, box_iou
from .functional import group_pck, joint_groups, pck_counts, reference_length
from .tables import markdown_table

# Of whom fewer joints are visible is neither found nor missed.
MIN_VISIBLE = 3


def match_people(
    truth: VideoPeople,
    found: VideoPeople,
    before: Mapping[int, int],
    iou_thr: float,
) -> dict[int, int]:
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
    iou = box_iou(truth.bboxes, found.bboxes)
    iou = np.where(iou >= iou_thr, iou, 0.0)
    ids = found.track_ids.tolist()
    pairs: dict[int, int] = {}
    for row, person in enumerate(truth.track_ids.tolist()):
        known = before.get(person)
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
        self.ids: list[int] = []
        self.last: int | None = None  # id within this stay
        self.seen_in = -2  # last frame in the picture
        self.poses: list[np.ndarray] = []  # found ones
        self.rows: list[int] = []  # their truth

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


def score_people(
    truth: VideoPeople,
    prediction: VideoPeople,
    thr: float = 0.2,
    norm_item: str = 'torso',
    iou_thr: float = 0.5,
) -> dict[str, Any]:
    """Compare the tracked poses of a video with the truth.

    A person with fewer than three visible joints in a frame does not count in
    it, and whoever is found there is not a false person. The joints of a
    person who was not found are wrong.

    Args:
        truth: People with ids, boxes, keypoints and their flags.
        prediction: People with ids, boxes and keypoints.
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
        ValueError: The two are not tracks of poses in one video, or swapped.
    """
    names = list(truth.joints)
    _check_same_video(truth, prediction)
    visible = truth.keypoints_visible
    people: dict[int, _Person] = {}
    before: dict[int, int] = {}
    false_people = 0
    for frame in sorted(truth.frames):
        rows = np.flatnonzero(truth.frame_ids == frame)
        present, found = truth.take(rows), prediction.at(frame)
        pairs = match_people(present, found, before, iou_thr)
        false_people += len(found) - len(pairs)
        for row, key in enumerate(present.track_ids.tolist()):
            person = people.setdefault(key, _Person())
            person.enter(frame)
            counts = visible[rows[row]].sum() >= MIN_VISIBLE
            pose = np.full((len(names), 2), np.nan)
            if row in pairs:
                before[key] = int(found.track_ids[pairs[row]])
                pose = found.keypoints[pairs[row]]
                if counts:
                    person.add_id(before[key])
            if counts:
                person.frames += 1
                person.found += row in pairs
                person.poses.append(pose)
                person.rows.append(rows[row])
    style: dict[str, Any] = dict(truth=truth, thr=thr, norm_item=norm_item)
    return dict(
        people={
            str(key): _summary([people[key]], **style)
            for key in sorted(people)
        },
        all=_summary(list(people.values()), **style),
        false_people=false_people,
        num_frames=truth.num_frames,
        thr=thr,
        norm_item=norm_item,
        iou_thr=iou_thr,
    )


def _check_same_video(truth: VideoPeople, prediction: VideoPeople) -> None:
    """Refuse people that cannot be compared.

    Raises:
        ValueError: See above.
    """
    _check_truth(truth, prediction)
    if truth.joints != prediction.joints:
        raise ValueError(
            f'the prediction has the joints {prediction.joints}, but the '
            f'truth has {truth.joints}; use a model trained on the same '
            'joints'
        )
    sizes = truth.size, prediction.size
    if None not in sizes and sizes[0] != sizes[1]:
        told = [f'{width} x {height}' for width, height in sizes]
        raise ValueError(
            f'the prediction {prediction.source} is of frames of {told[1]} '
            f'pixels, the truth {truth.source} of {told[0]}; give files of '
            'one video'
        )
    missing = sorted(set(truth.frames) - set(prediction.frames))
    if missing:
        raise ValueError(
            f'the prediction lacks {len(missing)} of '
            f'{truth.num_frames} frames, e.g. {missing[0]}'
        )
    for people, what in ((truth, 'truth'), (prediction, 'prediction')):
        if len(people):
            _check_tracks(people, f'the {what} {people.source}')


def _check_truth(truth: VideoPeople, prediction: VideoPeople) -> None:
    def has_flags(people: VideoPeople) -> bool:
        flags = people.keypoints_visible, people.keypoints_labeled
        return all(flag is not None for flag in flags)

    if not len(truth) or has_flags(truth):
        return
    if has_flags(prediction):
        raise ValueError(
            f'{truth.source} was given as the truth and {prediction.source} '
            'as the prediction, but they are the other way round; give the '
            'prediction first, then the truth'
        )
    raise ValueError(
        f'the truth {truth.source} does not say which joints are visible; '
        'give the file of make_synthetic_crowd.py, after that of the '
        'prediction'
    )


def _check_tracks(people: VideoPeople, what: str) -> None:
    """Refuse people who are no tracks of poses with boxes."""
    if people.keypoints is None:
        raise ValueError(
            f'{what} has boxes without keypoints; give a file of poses'
        )
    strangers = int((people.track_ids < 0).sum())
    if strangers:
        raise ValueError(
            f'{what} has people, but no tracks: {strangers} of {len(people)} '
            'rows have no track_id; give a file of topdown_video_demo.py, '
            'which tells who is who'
        )
    twice = people.twice()
    if twice:
        raise ValueError(
            f'{what} has the track_id {twice[1]} twice in frame {twice[0]}; '
            'give each person of a frame an id of their own'
        )
    unknown = int(np.isnan(people.bboxes).any(axis=1).sum())
    if unknown:
        raise ValueError(
            f'{what} has {unknown} of {len(people)} people without a bbox, '
            'by which they are matched'
        )
    if _has_coco_boxes(people.bboxes, people.keypoints):
        raise ValueError(
            f'{what} has boxes that are no corners x1 y1 x2 y2; they look '
            "like COCO's x y width height"
        )


def _has_coco_boxes(boxes: np.ndarray, points: np.ndarray) -> bool:
    """Whether boxes are x y width height; the joints tell, which lie in them.

    Args:
        boxes: (n, 4), finite.
        points: (n, K, 2); NaN: not known.
    """
    corner, other = boxes[:, None, :2], boxes[:, None, 2:]
    if (other < corner).any():
        return True
    known = np.isfinite(points).all(axis=2)
    if not known.any():
        return False
    with np.errstate(invalid='ignore'):
        right = points >= corner
        as_corners = (right & (points <= other)).all(axis=2)[known]
        as_sizes = (right & (points <= corner + other)).all(axis=2)[known]
    return as_corners.mean() < 0.5 < 0.8 < as_sizes.mean()


def _summary(
    people: Sequence[_Person], truth: VideoPeople, thr: float, norm_item: str
) -> dict[str, Any]:
    rows = [row for person in people for row in person.rows]
    frames = sum(person.frames for person in people)
    out: dict[str, Any] = dict(
        frames=frames,
        found=100 * sum(p.found for p in people) / frames if frames else None,
        visible=None,
        occluded=None,
        stays=sum(person.stays for person in people),
        ids=sum(len(person.ids) for person in people),
        switches=sum(person.switches for person in people),
    )
    if not rows:
        return out
    poses = np.stack([pose for person in people for pose in person.poses])
    part = truth.take(rows)
    visible, labeled = part.keypoints_visible, part.keypoints_labeled
    length = reference_length(
        norm_item, truth.joints, part.keypoints, labeled, part.bboxes
    )
    groups = joint_groups(truth.joints)
    for kind, mask in (('visible', visible), ('occluded', labeled & ~visible)):
        correct, total = pck_counts(poses, part.keypoints, mask, length, thr)
        if total.any():
            out[kind] = 100 * group_pck(correct[0], total, groups)['Mean']
    return out


def people_table(score: Mapping[str, Any]) -> str:
    """Markdown table of :func:`score_people`, a row for each person."""
    head = [
        'person',
        'frames',
        'found %',
        f'PCK@{score["thr"]:g} visible',
        'occluded',
        'stays',
        'ids',
        'id switches',
    ]
    rows = [head]
    parts = [*score['people'].items(), ('all', score['all'])]
    for name, part in parts:
        values = [part[key] for key in ('found', 'visible', 'occluded')]
        cells = ['-' if value is None else f'{value:.1f}' for value in values]
        counts = [str(part[key]) for key in ('stays', 'ids', 'switches')]
        rows.append([name, str(part['frames']), *cells, *counts])
    return markdown_table(rows)
