# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The people of a video over its frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Iterable, Mapping, Sequence

import numpy as np

# Columns that a row may have, beside frame_ids, track_ids, bboxes and
# bbox_scores, which all rows have.
_OPTIONAL = (
    'keypoints',
    'keypoint_scores',
    'keypoints_visible',
    'keypoints_labeled',
    'keypoints_hidden',
    'gt_keypoints',
    'img_paths',
)
_FLAGS = ('keypoints_visible', 'keypoints_labeled')
_ALL_FLAGS = (*_FLAGS, 'keypoints_hidden')
_COLUMNS = ('frame_ids', 'track_ids', 'bboxes', 'bbox_scores', *_OPTIONAL)


class PeopleError(ValueError):
    """What is wrong with people; whoever reads them names the file."""


def expect(condition: Any, problem: str) -> None:
    """Raise :class:`PeopleError` unless a condition holds."""
    if not condition:
        raise PeopleError(problem)


def is_number(value: Any, whole: bool = False) -> bool:
    """Whether JSON's ``value`` is a number that a double holds exactly."""
    kinds = (int,) if whole else (int, float)
    return (
        isinstance(value, kinds)
        and not isinstance(value, bool)
        and abs(value) < 2**53
    )


# Arrays have no single truth value: people are compared by their columns.
@dataclass(frozen=True, eq=False)
class VideoPeople:
    """People of a video: n rows, one for each person and frame.

    Coordinates are 0-based pixels of the frames. Columns that nobody has are
    None.

    Attributes:
        frame_ids: (n,) int, rising.
        track_ids: (n,) int; -1: not tracked.
        bboxes: (n, 4), x1 y1 x2 y2; NaN: not known.
        bbox_scores: (n,); NaN: not known.
        keypoints: (n, K, 2), predicted or true; NaN: not known.
        keypoint_scores: (n, K); NaN: not known.
        keypoints_visible: (n, K) bool, of the truth.
        keypoints_labeled: (n, K) bool; occluded joints are labelled and not
            visible.
        gt_keypoints: (n, K, 2), the truth beside predicted ``keypoints``.
        img_paths: (n,) of text.
        frames: Numbers of all frames that are known, with those of nobody.
        listed: Whether ``frames`` are all frames of the video.
        name: Of the video.
        joints: K names. None: not known.
        dataset: Whose joints these are.
        size: Width and height of a frame, pixels.
        fps: Frames a second.
        announced_frames: Number of frames that the video announces.
        damaged: Numbers of frames that could not be decoded.
        origin: File that the people were read from, for messages.
    """

    frame_ids: np.ndarray
    track_ids: np.ndarray
    bboxes: np.ndarray
    bbox_scores: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    keypoint_scores: np.ndarray | None = None
    keypoints_visible: np.ndarray | None = None
    keypoints_labeled: np.ndarray | None = None
    keypoints_hidden: np.ndarray | None = None
    gt_keypoints: np.ndarray | None = None
    img_paths: np.ndarray | None = None
    frames: Sequence[int] = ()
    listed: bool = False
    name: str = ''
    joints: Sequence[str] | None = None
    dataset: str = ''
    size: tuple[int, int] | None = None
    fps: float | None = None
    announced_frames: int | None = None
    damaged: Sequence[int] = ()
    origin: str = ''

    @classmethod
    def from_frames(
        cls,
        frames: Mapping[int, Sequence[Mapping[str, Any]]],
        joints: Sequence[str] | None = None,
        required: Sequence[str] = (),
        **facts: Any,
    ) -> VideoPeople:
        """Put records of people together.

        Args:
            frames: People by frame number. A person may have ``track_id``,
                ``bbox`` (x1 y1 x2 y2, or a list of one such box),
                ``bbox_score``, ``keypoints``, ``keypoint_scores``,
                ``keypoints_visible``, ``keypoints_labeled`` and
                ``keypoints_hidden``. Where some have the first two, joints of
                the others count as visible and labelled inside of the
                picture; where some have the last one, as not hidden.
            joints: Names of the joints.
            required: What each person must have.
            facts: Of the video; see the attributes.

        Raises:
            PeopleError: A person that is not of this form.
        """
        number = None if joints is None else len(joints)
        rows: list[dict[str, Any]] = []
        for frame in sorted(frames):
            for item in frames[frame]:
                row = _read_person(item, f'frame {frame}', number, required)
                if number is None and 'keypoints' in row:
                    number = len(row['keypoints'])
                rows.append(dict(row, frame_ids=frame))
        facts.setdefault('frames', sorted(frames))
        return cls(
            frame_ids=np.array([row['frame_ids'] for row in rows], int),
            track_ids=np.array([row['track_ids'] for row in rows], int),
            bboxes=np.array([row['bboxes'] for row in rows], float).reshape(
                -1, 4
            ),
            bbox_scores=np.array([row['bbox_scores'] for row in rows], float),
            joints=joints,
            **_optional_columns(rows, facts.get('size')),
            **facts,
        )

    def __len__(self) -> int:
        return len(self.frame_ids)

    @property
    def num_frames(self) -> int:
        """Number of the known frames, with those of nobody."""
        return len(self.frames)

    @property
    def source(self) -> str:
        """Where the people are from, for messages."""
        return self.origin or self.name

    def take(self, rows: Any) -> VideoPeople:
        """Some of the rows; what is known of the video stays.

        Args:
            rows: Numbers, a mask or a slice.
        """
        columns = {key: getattr(self, key) for key in _COLUMNS}
        return replace(
            self,
            **{
                key: column[rows]
                for key, column in columns.items()
                if column is not None
            },
        )

    def of(self, track_id: int) -> VideoPeople:
        """The rows of a person."""
        return self.take(self.track_ids == track_id)

    def at(self, frame: int) -> VideoPeople:
        """The rows of a frame."""
        first, end = np.searchsorted(self.frame_ids, [frame, frame + 1])
        return self.take(slice(first, end))

    def tracked_ids(self) -> list[int]:
        """Ids of the people, those of the most frames first."""
        ids, counts = np.unique(
            self.track_ids[self.track_ids >= 0], return_counts=True
        )
        return ids[np.lexsort((ids, -counts))].tolist()

    def twice(self) -> tuple[int, int] | None:
        """Frame and id of a person who is in a frame twice, or None."""
        seen = set()
        for frame, person in zip(
            self.frame_ids.tolist(), self.track_ids.tolist()
        ):
            if person >= 0 and (frame, person) in seen:
                return frame, person
            seen.add((frame, person))
        return None

    def boxes_by_frame(self) -> dict[int, np.ndarray]:
        """Boxes and scores, (N, 5) float32, of each known frame."""
        scores = np.ones(len(self))
        if self.bbox_scores is not None:
            known = np.isfinite(self.bbox_scores)
            scores = np.where(known, self.bbox_scores, 1.0)
        boxes = np.concatenate([self.bboxes, scores[:, None]], axis=1)
        boxes = boxes.astype(np.float32)
        ends = np.searchsorted(self.frame_ids, self.frames, side='right')
        starts = np.searchsorted(self.frame_ids, self.frames)
        return {
            int(frame): boxes[start:end]
            for frame, start, end in zip(self.frames, starts, ends)
        }

    def flags(self) -> tuple[np.ndarray, np.ndarray]:
        """Visible and labelled joints, (n, K) bool each.

        Where the people have no flags, joints inside of the picture are
        visible and the others not labelled.

        Raises:
            PeopleError: There are neither flags nor keypoints.
        """
        if self.keypoints is None:
            raise PeopleError(f'{self.source}: the people have no keypoints')
        inside = _inside(self.keypoints, self.size)
        visible, labeled = (getattr(self, key) for key in _FLAGS)
        return (
            inside if visible is None else visible,
            inside if labeled is None else labeled,
        )


def _inside(points: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Whether joints (..., 2) are in the picture."""
    if size is None:
        return np.isfinite(points).all(axis=-1)
    with np.errstate(invalid='ignore'):
        inside = (points >= 0) & (points <= np.array(size) - 1)
    return inside.all(axis=-1)


def _optional_columns(
    rows: Iterable[Mapping[str, Any]], size: tuple[int, int] | None
) -> dict[str, Any]:
    """Columns that some row has; NaN in the others."""
    rows = list(rows)
    columns = {}
    for key in ('keypoints', 'keypoint_scores', *_ALL_FLAGS):
        some = next((row[key] for row in rows if key in row), None)
        if some is None:
            continue
        none = np.full(some.shape, np.nan)
        values = [row.get(key, none) for row in rows]
        if key == 'keypoints_hidden':
            values = [row.get(key, none > 0) for row in rows]
        elif key in _FLAGS:
            values = [
                value
                if key in row
                else _inside(
                    row.get('keypoints', np.stack([none, none], 1)), size
                )
                for row, value in zip(rows, values)
            ]
        columns[key] = np.stack(values)
    return columns


def _read_person(
    item: Any, where: str, number: int | None, required: Sequence[str]
) -> dict[str, Any]:
    """Check a person's record; entries by the names of the columns."""
    expect(isinstance(item, Mapping), f'{where}: a person is no object')
    person = item.get('track_id', -1)
    if isinstance(person, np.integer):
        person = int(person)
    expect(
        is_number(person, whole=True),
        f'{where}: track_id must be a whole number, but is {person!r}',
    )
    row: dict[str, Any] = dict(
        track_ids=max(-1, person),
        bboxes=_read_box(item.get('bbox')),
        bbox_scores=_read_score(item.get('bbox_score')),
    )
    if (
        'keypoint_scores' in required
        or item.get('keypoint_scores') is not None
    ):
        scores = item.get('keypoint_scores')
        count = len(scores) if number is None and scores else number
        expect(
            isinstance(scores, list)
            and len(scores) == count
            and all(v is None or is_number(v) for v in scores),
            f'{where}: "keypoint_scores" must be {count} numbers',
        )
        row['keypoint_scores'] = np.array(
            [np.nan if v is None else v for v in scores], float
        )
    if item.get('keypoints') is not None:
        row.update(_read_pose(item, f'{where}, person {person}', number))
    return row


def _read_pose(
    item: Mapping[str, Any], where: str, number: int | None
) -> dict[str, np.ndarray]:
    try:
        points = np.asarray(item['keypoints'], np.float64)
        flags = {
            key: np.asarray(item[key], np.float64).reshape(-1) > 0
            for key in _ALL_FLAGS
            if item.get(key) is not None
        }
        total = len(points) if number is None else number
        good = points.ndim == 2 and points.shape[1] >= 2
        good &= {len(points), *map(len, flags.values())} == {total}
    except (TypeError, ValueError):
        good = False
    expect(
        good,
        f'{where}: keypoints must be '
        f'{"" if number is None else f"{number} "}pairs of numbers, and as '
        'many flags',
    )
    return dict(flags, keypoints=points[:, :2])


def _read_box(box: Any) -> np.ndarray:
    """(4,); a list in a list, by a comma too much in MMPose, is a box too."""
    try:
        values = np.asarray(box).reshape(-1)[:4]
    except ValueError:
        values = np.array('')
    if values.dtype.kind not in 'iuf' or values.size != 4:
        return np.full(4, np.nan)
    return values.astype(float)


def _read_score(score: Any) -> float:
    if isinstance(score, (list, tuple)) and len(score) == 1:
        score = score[0]
    return float(score) if is_number(score) else np.nan
