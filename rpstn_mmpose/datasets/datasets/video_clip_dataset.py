# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import (
    Any,
    Dict,
    FrozenSet,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np
from mmpose.registry import DATASETS

from ..label_fields import is_place
from ..tracks import Track
from .base_clip_dataset import BaseClipDataset


@dataclass(frozen=True)
class VideoPeople:
    """The people of one video, as MMPose's demos write them to JSON.

    Attributes:
        name: Of the video.
        img_paths: Of its n frames, by frame number from 0; those that show
            nobody need no file.
        size: Width and height of a frame, pixels.
        frames: People by frame number. A person has ``track_id`` (int) and
            ``bbox`` (x1 y1 x2 y2, or a list of one such box); and, where the
            pose is known, ``keypoints`` (K x 2, 0-based pixels), with which
            ``keypoints_visible`` and ``keypoints_labeled`` (K, 0 or 1) may
            come. Without these two, joints inside of the picture are visible
            and the others not labelled.
        joints: Names of the K joints, in order. None: no pose is known.
        damaged: Numbers of frames that could not be decoded. They stay in
            their clips, but no prediction of them is wanted.
        origin: File that the people were read from, for messages.
    """
    name: str
    img_paths: Sequence[str]
    size: Tuple[int, int]
    frames: Mapping[int, Sequence[Mapping[str, Any]]]
    joints: Optional[Sequence[str]] = None
    damaged: FrozenSet[int] = frozenset()
    origin: str = ''

    def video_id(self, track_id: int) -> str:
        """Name of a person's video: a frame is wanted once in each."""
        return f'{self.name}/{track_id}'


@DATASETS.register_module()
class VideoClipDataset(BaseClipDataset):
    """Clips of the people of one video, whose frames are image files.

    Each person is a video of its own, named ``VIDEO/TRACK_ID``. Where a
    person was away, the track is cut into pieces. Joints are looked up by
    name; the video may have more than the metainfo asks for.

    Args:
        video (VideoPeople): The video.
        metainfo (dict): Names the joints; there is no default.
        kwargs: See :class:`BaseClipDataset`, but no ``data_root`` and no
            ``split``.

    Raises:
        ValueError: Nobody is in the video, a joint is missing, or a person
            that is not of the form of :class:`VideoPeople`.
    """

    SPLITS = ('all', )

    def __init__(self, video: VideoPeople, metainfo: dict, **kwargs):
        self.video = video
        self._origin = video.origin or video.name
        super().__init__(
            data_root='', split='all', metainfo=metainfo, **kwargs)

    def load_tracks(self) -> List[Track]:
        """Put the people of the frames together.

        Returns:
            list[Track]: By ``track_id``, the pieces of a person in order of
            time.
        """
        names = self._metainfo['keypoint_id2name']
        columns = self._columns([names[i] for i in sorted(names)])
        people: Dict[int, Dict[int, tuple]] = defaultdict(dict)
        for frame in sorted(self.video.frames):
            for person in self.video.frames[frame]:
                where = f'{self._origin}, frame {frame}'
                if 'track_id' not in person:
                    raise ValueError(f'{where}: a person has no track_id')
                track_id = int(person['track_id'])
                where = f'{where}, person {track_id}'
                if not 0 <= frame < len(self.video.img_paths):
                    raise ValueError(f'{where}: the video has '
                                     f'{len(self.video.img_paths)} frames')
                if frame in people[track_id]:
                    raise ValueError(f'{where} is there twice; a track_id '
                                     'must be of one person')
                people[track_id][frame] = self._person(
                    person, columns, len(names), where)
        tracks = []
        for track_id in sorted(people):
            frames = np.array(list(people[track_id]))
            cuts = np.flatnonzero(np.diff(frames) > 1) + 1
            tracks += [
                self._track(track_id, piece, people[track_id])
                for piece in np.split(frames, cuts)
            ]
        tracks = [track for track in tracks if track.annotated.any()]
        if not tracks:
            raise ValueError(f'{self._origin}: no person in any frame')
        return tracks

    def _columns(self, names: List[str]) -> List[int]:
        """Where the video has the joints of the metainfo."""
        if self.video.joints is None:
            return []
        own = list(self.video.joints)
        missing = [name for name in names if name not in own]
        if missing:
            raise ValueError(
                f'{self._origin} has no joint {", ".join(missing)}; it '
                f'has {", ".join(own)}')
        return [own.index(name) for name in names]

    def _person(self, person: Mapping, columns: List[int], count: int,
                where: str) -> tuple:
        """Box (4,), keypoints (K, 2), visible (K,), labelled (K,)."""
        try:
            box = np.asarray(person['bbox'], np.float64).reshape(-1)[:4]
            good = (len(box) == 4 and is_place(box).all()
                    and (box[2:] > box[:2]).all())
        except (KeyError, TypeError, ValueError):
            good = False
        if not good:
            raise ValueError(
                f'{where}: bbox must be x1 y1 x2 y2 with x1 < x2 and y1 < '
                f'y2, but got {person.get("bbox")!r:.80}')
        if person.get('keypoints') is None or not columns:
            centre = (box[:2] + box[2:]) / 2
            none = np.zeros(count, bool)
            return box, np.tile(centre, (count, 1)), none, none
        total = len(self.video.joints)
        try:
            points = np.asarray(person['keypoints'], np.float64)[:, :2]
            inside = ((points >= 0) &
                      (points <= np.array(self.video.size) - 1)).all(axis=1)
            flags = [
                np.asarray(person.get(key, inside), np.float64).reshape(-1) > 0
                for key in ('keypoints_visible', 'keypoints_labeled')
            ]
            good = {len(points), *map(len, flags)} == {total}
        except (IndexError, TypeError, ValueError):
            good = False
        if not good:
            raise ValueError(f'{where}: keypoints must be {total} pairs of '
                             'numbers, and as many flags')
        labeled = flags[1] & is_place(points).all(axis=1)
        points = np.where(labeled[:, None], points, (box[:2] + box[2:]) / 2)
        return (box, points[columns], (flags[0] & labeled)[columns],
                labeled[columns])

    def _track(self, track_id: int, frames: np.ndarray,
               people: Mapping[int, tuple]) -> Track:
        boxes, points, visible, labeled = (
            np.stack(values)
            for values in zip(*(people[frame] for frame in frames)))
        return Track(
            video_id=self.video.video_id(track_id),
            frame_ids=frames,
            img_paths=[self.video.img_paths[frame] for frame in frames],
            frame_sizes=np.tile(self.video.size, (len(frames), 1)),
            bbox=boxes,
            keypoints=points,
            keypoints_visible=visible,
            keypoints_labeled=labeled,
            annotated=~np.isin(frames, list(self.video.damaged)),
            track_id=track_id)
